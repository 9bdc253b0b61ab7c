"""Python's part of `cargo xtask bench send`: messages with files over one connection, composed and read for each. Prints the
nanoseconds they took.

    python3 send.py PORT WARM-UP COUNT [FILE …]
"""

import os
import smtplib
import sys
import time
from email.message import EmailMessage

port, warm_up, count = map(int, sys.argv[1:4])
files = sys.argv[4:]


def message():
    composed = EmailMessage()
    composed["From"] = "Scan <scan@example.com>"
    composed["To"] = "Anna <anna@example.com>"
    composed["Subject"] = "A benchmark"
    composed.set_content("Nobody needs to read or answer this line of text.\n" * 13)
    for path in files:
        with open(path, "rb") as file:
            composed.add_attachment(
                file.read(), maintype="application", subtype="octet-stream", filename=os.path.basename(path)
            )
    return composed


with smtplib.SMTP("127.0.0.1", port) as server:
    for _ in range(warm_up):
        server.send_message(message())
    started = time.perf_counter_ns()
    for _ in range(count):
        server.send_message(message())
    print("messages", time.perf_counter_ns() - started)
