"""Uploads with http.client, which sends the whole content before it reads.

usage: upload.py ORIGIN CA-FILE < UPLOADS

UPLOADS is JSON, a list of {path, size, chunked, tries}. The script prints a list
of outcomes for each of them as JSON, which ends early at an error. All use one
client, which sends the next request over the same connection unless the server
said that it closes it.
"""

import http.client
import json
import ssl
import sys
import urllib.parse

PIECE = bytes(64 << 10)


def client(origin, ca_file):
    url = urllib.parse.urlsplit(origin)
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        return http.client.HTTPSConnection(url.netloc, timeout=60, context=context)
    return http.client.HTTPConnection(url.netloc, timeout=60)


def pieces(size):
    for left in range(size, 0, -len(PIECE)):
        yield PIECE[:left]


def attempt(conn, upload):
    path = urllib.parse.urlsplit(sys.argv[1]).path + upload["path"]
    content, fields = bytes(upload["size"]), {}
    if upload["chunked"]:
        content, fields = pieces(upload["size"]), {"Transfer-Encoding": "chunked"}
    if upload["close"]:
        fields["Connection"] = "close"
    try:
        conn.request("POST", path, content, fields, encode_chunked=upload["chunked"])
        response = conn.getresponse()
        answer = response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        conn.close()
        return repr(error)
    if response.status == 200:
        return f"200, {len(answer)} bytes"
    line = answer.partition("\n")[0].partition(":")[0]
    return f'{response.status}, "{line}"'


def outcomes(conn, upload):
    seen = []
    while len(seen) < upload["tries"] and (not seen or seen[-1][0].isdigit()):
        seen.append(attempt(conn, upload))
    return seen


uploads = json.load(sys.stdin)
conn = client(*sys.argv[1:])
json.dump([outcomes(conn, u) for u in uploads], sys.stdout)
