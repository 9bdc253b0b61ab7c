#!/bin/sh
# Sends a message through the Postroom that runs here. POSTROOM_TOKEN holds the token.
set -e
postroom send --url http://127.0.0.1:3000 --to anna@example.org --subject Report --text "The report is attached." --attach report.pdf

# Or as sendmail takes it: with its header fields, on standard input.
printf 'To: anna@example.org\nSubject: Report\n\nThe report is ready.\n' | postroom send --url http://127.0.0.1:3000
