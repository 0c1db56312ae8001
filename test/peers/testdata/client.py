"""Talks to a server as http.client does and prints what it saw as JSON.

usage: client.py SCENARIO PORT

SCENARIO is the name of a function below. All its requests use one connection,
unless it says otherwise: if the server has closed it, http.client raises
NotConnected instead of connecting again.
"""

import hashlib
import http.client
import json
import sys


def connect():
    conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=60)
    conn.connect()
    conn.auto_open = 0
    return conn


def ask(conn, *args, **kwargs):
    """Sends a request and describes the response."""
    conn.request(*args, **kwargs)
    response = conn.getresponse()
    content = response.read()
    return {
        "status": response.status,
        "reason": response.reason,
        "version": response.version,
        "length": response.getheader("Content-Length") or "",
        "chunked": bool(response.chunked),
        "will_close": response.will_close,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def some_bytes(size):
    """Returns bytes without a short pattern."""
    block = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(1 << 10))
    return (block * (size // len(block) + 1))[:size]


def persistent():
    """100 requests, the last with Connection: close."""
    conn = connect()
    seen = [ask(conn, "GET", "/hello") for _ in range(99)]
    return seen + [ask(conn, "GET", "/hello", headers={"Connection": "close"})]


def methods():
    """Responses with and without content, in turn."""
    conn = connect()
    return [
        ask(conn, method, path)
        for method, path in [
            ("HEAD", "/hello"),
            ("GET", "/hello"),
            ("HEAD", "/stream"),
            ("GET", "/stream"),
            ("GET", "/empty"),
            ("HEAD", "/missing"),
            ("GET", "/missing"),
            ("OPTIONS", "/files/large.bin"),
            ("DELETE", "/files/large.bin"),
            ("HEAD", "/files/large.bin"),
            ("GET", "/files/large.bin"),
            ("GET", "/hello"),
        ]
    ]


def upload():
    """Content in chunks of several sizes, then with a length, then no content.

    http.client reads nothing before it has sent everything, so what a server sends back
    meanwhile must fit in the buffers of the system.
    """
    conn = connect()
    seen = []
    for path, total in ("/echo", 3 << 20), ("/echo-stream", 64 << 10):
        content = some_bytes(total)
        chunks = []
        position, size = 0, 1
        while position < total:
            chunks.append(content[position : position + size])
            position += size
            size = size * 3 % 100003 + 1
        for body, headers, chunked in [
            (iter(chunks), {"Transfer-Encoding": "chunked"}, True),
            (iter(chunks), {}, False),  # http.client then chunks by itself
            (iter([]), {"Transfer-Encoding": "chunked"}, True),
            (content, {}, False),
            (b"", {}, False),
        ]:
            one = ask(conn, "POST", path, body, headers, encode_chunked=chunked)
            if one["sha256"] == hashlib.sha256(content).hexdigest():
                one["sha256"] = "the same"
            seen.append(one)
    return seen


def pieces():
    """A chunked response that is read a few bytes at a time."""
    conn = connect()
    conn.request("GET", "/stream")
    response = conn.getresponse()
    return [
        response.read(2).decode(),
        response.readline().decode(),
        response.read(1).decode(),
        response.read1(100).decode(),
        response.read().decode(),
        response.read(1).decode(),
        str(ask(conn, "GET", "/hello")["status"]),
    ]


def cut():
    """Incomplete responses, each on a connection of its own."""
    seen = []
    for path in "/cut", "/short":
        conn = connect()
        conn.request("GET", path)
        try:
            conn.getresponse().read()
            seen.append("whole")
        except http.client.IncompleteRead:
            seen.append("IncompleteRead")
    return seen


if __name__ == "__main__":
    scenarios = {f.__name__: f for f in (persistent, methods, upload, pieces, cut)}
    json.dump(scenarios[sys.argv[1]](), sys.stdout)
