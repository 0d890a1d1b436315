"""A web server on 127.0.0.1 that misbehaves as it is asked to, a request at a time."""

import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from ser.data.corpora.publication import RemoteFile

ENDING = ("cut", "whole cut", "stall")


class Server(ThreadingHTTPServer):
    """Serves `files`, path → bytes; each request takes the next of `faults`, else it is answered well.

    A fault: `("cut", n)` after n bytes, `("stall", n)` the same without closing, `("status", code, headers)`,
    `("wrong",)` bytes, `("whole",)` whatever range is asked for, `("whole cut", n)`, `("other",)` range or
    `("unsaid",)`, `("endless",)`, `("slow", s)` between pieces.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.faults, self.asked = {}, [], []  # asked: (path, first byte)
        self.sent, self.over = 0, threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def put(self, name: str, data: bytes) -> RemoteFile:
        """Serves it, and gives what a data sheet says of it."""
        self.files[f"/{name}"] = data
        return RemoteFile(f"{self.url}/{name}", name, len(data), f"md5:{hashlib.md5(data).hexdigest()}")

    def put_dataset(self, files: dict[str, bytes], **changes) -> str:
        """Serves a dataset as Dataverse does, folder/name → bytes; gives its address."""
        entries = []
        for number, (path, data) in enumerate(files.items(), start=1):
            folder, _, name = path.rpartition("/")
            self.files[f"/api/access/datafile/{number}"] = data
            about = {"id": number, "filename": name, "filesize": len(data)}
            about["checksum"] = {"type": "MD5", "value": hashlib.md5(data).hexdigest()}
            entries.append({"label": name, "restricted": False, "dataFile": about | changes})
            entries[-1] |= {"directoryLabel": folder} if folder else {}
        answer = {"status": "OK", "data": {"latestVersion": {"files": entries}}}
        self.files["/api/datasets/:persistentId/"] = json.dumps(answer).encode()
        return f"{self.url}/api/datasets/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF"

    def handle_error(self, request, client_address):
        """A client that goes away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        """Silent."""

    def do_GET(self):
        path = urlsplit(self.path).path
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(span[1]) if span else 0
        self.server.asked.append((path, start))
        fault, *values = self.server.faults.pop(0) if self.server.faults else ("none",)
        if fault == "status":
            return self._answer(values[0], b"", dict(*values[1:]))
        data = self.server.files.get(path)
        if data is None:
            return self._answer(404, b"not here", {})
        if fault == "wrong":
            data = bytes(len(data))
        if fault == "endless":
            return self._endless()
        start = 0 if fault.startswith("whole") else max(0, start - 7) if fault == "other" else start
        if start and start >= len(data):
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        part = span and not fault.startswith("whole")
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if part and fault != "unsaid" else {}
        return self._answer(206 if part else 200, data[start:], headers, fault, *values)

    def _answer(self, status, body, headers, fault="none", value=0):
        self.send_response(status)
        for name, text in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, text)
        self.end_headers()
        size = 1000 if fault == "slow" else len(body) or 1
        for i in range(0, value if fault in ENDING else len(body), size):
            piece = body[i : min(i + size, value if fault in ENDING else len(body))]
            self.wfile.write(piece)
            self.server.sent += len(piece)
            if fault == "slow":
                time.sleep(value)
        if fault == "stall":
            self.server.over.wait(20)
        self.close_connection = fault in ENDING

    def _endless(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(b"2710\r\n" + bytes(10_000) + b"\r\n")


@contextmanager
def serving():
    """A server, inside the block."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
