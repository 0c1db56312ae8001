"""Fetches the first message of a mailbox through a spy, by POP3 or by IMAP."""

import imaplib
import poplib
import sys

if sys.argv[1:] == ["pop3"]:
    box = poplib.POP3("127.0.0.1", 8081)
    box.user("ann")
    box.pass_("secret")
    box.stat()
    box.retr(1)
    box.quit()
elif sys.argv[1:] == ["imap"]:
    box = imaplib.IMAP4("127.0.0.1", 8081)
    box.login("ann", "secret")
    box.select("INBOX")
    box.fetch("1", "(BODY[])")
    box.logout()
else:
    sys.exit("usage: python3 mail/fetch.py pop3 or imap")
