"""A form, and what was typed into it."""

import html
import os
import sys
import urllib.parse

content = sys.stdin.read(int(os.environ.get("CONTENT_LENGTH", 0)))
name = urllib.parse.parse_qs(content).get("name", [""])[0]

print("Content-Type: text/html; charset=utf-8")
print()
if name:
    print(f"<p>Hello, {html.escape(name)}.</p>")
print('<form method="post"><label>Name <input name="name"></label> <button>Greet</button></form>')
