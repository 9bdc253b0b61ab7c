# Sends a message with a file. $env:POSTROOM_TOKEN holds the token; PowerShell 7.
$answer = Invoke-RestMethod -Method Post -Uri 'http://127.0.0.1:3000/api/v1/messages' -SkipHttpErrorCheck `
  -Headers @{ Authorization = "Bearer $env:POSTROOM_TOKEN" } `
  -Form @{
    to          = 'anna@example.org'
    subject     = 'Report'
    text        = 'The report is attached.'
    attachments = Get-Item 'report.pdf'
  }
$answer.message
if ($answer.error) { exit 1 }
