"""Prints a page that tells the time.

The first line of the output is empty: there are no fields before the page.
"""

import time

now = time.strftime("%Y-%m-%d %H:%M:%S")

print()
print(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The time</title>
</head>
<body>
<h1>The time</h1>
<p>This page was made for you at <time>{now}</time>, by the server's clock.</p>
</body>
</html>""")
