# Sends a message with a small file. POSTROOM_TOKEN holds the token; only Python's own library is needed.
import base64
import json
import os
import urllib.error
import urllib.request

with open("report.pdf", "rb") as file:
    content = base64.b64encode(file.read()).decode("ascii")
message = {
    "to": "anna@example.org",
    "subject": "Report",
    "text": "The report is attached.",
    "attachments": [{"name": "report.pdf", "content_type": "application/pdf", "content": content}],
}
request = urllib.request.Request(
    "http://127.0.0.1:3000/api/v1/messages",
    data=json.dumps(message).encode("utf-8"),
    headers={"Authorization": "Bearer " + os.environ["POSTROOM_TOKEN"], "Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(request) as answer:
        print(json.load(answer)["message"])
except urllib.error.HTTPError as error:
    # What happened, and what to do.
    raise SystemExit(json.load(error)["message"])
