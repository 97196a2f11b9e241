"""Web servers on loopback that have files, ranges included, or that only behave as if."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final

RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")


class WebServer(ThreadingHTTPServer):
    """`files` by path, such as "/film.bin". `manner` is how it answers: "well", or see `Answers`.

    `asked` are the requests so far: (path, range).
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], manner: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files = files
        self.manner = manner
        self.asked: list[tuple[str, str]] = []
        self.over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head and its body leave together: apart, the second would wait for an acknowledgement
    server: WebServer

    def do_GET(self) -> None:
        with suppress(OSError):  # whoever asked has left
            self._answer()

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        server, manner = self.server, self.server.manner
        asked = self.headers.get("Range", "")
        server.asked.append((self.path, asked))
        data, found = server.files.get(self.path), RANGE.fullmatch(asked)
        if data is None or found is None or manner == "missing":
            self._say(404, b"no such thing")
            return
        start, end = int(found[1]), int(found[2]) + 1
        part, said = data[start:end], f"bytes {start}-{end - 1}/{len(data)}"
        match manner:
            case "well":
                self._say(206, part, ("Content-Range", said))
            case "lies":
                self._say(206, bytes(len(part)), ("Content-Range", said))
            case "no ranges":
                self._say(200, data)
            case "elsewhere":
                self._say(206, part, ("Content-Range", f"bytes {start + 1}-{end}/{len(data)}"))
            case "too much":
                self._say(206, part + bytes(1 << 20), ("Content-Range", said))
            case "breaks off":
                self._say(206, part[:-1], ("Content-Range", said), length=len(part))
                self.close_connection = True
            case "compressed":
                self._say(206, part, ("Content-Range", said), ("Content-Encoding", "gzip"))
            case "in circles":
                self._say(302, b"", ("Location", self.path))
            case "says nothing":
                server.over.wait(20)
            case "says half a word":
                self.wfile.write(b"HTTP/1.1 206 Part")
                self.wfile.flush()
                server.over.wait(20)
            case "hangs":
                self._say(206, part[:10], ("Content-Range", said), length=len(part))
                server.over.wait(20)

    def _say(self, status: int, body: bytes, *headers: tuple[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body) if length is None else length))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def serving(files: dict[str, bytes], manner: str = "well") -> Iterator[WebServer]:
    """A server that runs until the end of the `with`."""
    with WebServer(files, manner) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def free_address() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return f"http://127.0.0.1:{sock.getsockname()[1]}/"
