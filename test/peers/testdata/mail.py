"""Sends a message by SMTP and fetches it by POP3 and IMAP. The arguments are the ports of SMTP, POP3 and IMAP."""

import imaplib
import poplib
import smtplib
import sys
from email.message import EmailMessage

smtp_port, pop3_port, imap_port = map(int, sys.argv[1:])
lines = ["line %d" % i for i in range(40)] + ["", ".", "..", "a dot above", "{12}"]

message = EmailMessage()
message["From"], message["To"], message["Subject"] = "ann@example.test", "bob@example.test", "forty lines"
message.set_content("\n".join(lines) + "\n")
with smtplib.SMTP("127.0.0.1", smtp_port) as smtp:
    smtp.send_message(message)

pop3 = poplib.POP3("127.0.0.1", pop3_port)
pop3.user("bob")
pop3.pass_("secret")
assert pop3.stat()[0] == 1, pop3.stat()
response, got, size = pop3.retr(1)
assert [line.decode() for line in got[-len(lines):]] == lines, got
pop3.quit()

imap = imaplib.IMAP4("127.0.0.1", imap_port)
imap.login("bob", "secret")
imap.select("INBOX")
status, got = imap.search(None, "SUBJECT", '"forty lines"')
assert (status, got) == ("OK", [b"1"]), got
status, got = imap.fetch("1", "(BODY[TEXT])")
assert got[0][1].decode().split("\r\n")[:-1] == lines, got
status, got = imap.append("INBOX", None, None, b"Subject: appended\r\n\r\n" + b"x" * 5000 + b"\r\n")
assert status == "OK", got
imap.logout()
