#!/bin/sh
# Sends a message with a file. POSTROOM_TOKEN holds the token.
curl --fail-with-body --silent --show-error http://127.0.0.1:3000/api/v1/messages \
  --header "Authorization: Bearer $POSTROOM_TOKEN" \
  --form-string "to=anna@example.org" \
  --form-string "subject=Report" \
  --form-string "text=The report is attached." \
  --form "attachments=@report.pdf;type=application/pdf"
