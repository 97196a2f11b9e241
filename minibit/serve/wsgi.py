"""A WSGI application (PEP 3333) called with a `Request`: what stands between Flask and our connections."""

import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Final

from minibit.serve.exchange import Reply, Request

_OURS: Final = {"content-type", "content-length", "connection"}
_FRAMING: Final = {
    b"content-type",
    b"content-length",
    b"transfer-encoding",
}  # said in another way, or dealt with

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def call(application: Application, request: Request) -> Reply:
    """What `application` answers, whole; its iterable is closed once the reply is sent."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        said.append((status, headers))

    chunks = application(environ(request), start_response)
    close: Callable[[], None] = getattr(chunks, "close", lambda: None)
    try:
        body = b"".join(chunks)
        status, headers = said[-1]
        kind = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
        rest = tuple((name, value) for name, value in headers if name.lower() not in _OURS)
        return Reply(int(status.split()[0]), body, kind, rest, close)
    except BaseException:
        close()
        raise


def environ(request: Request) -> dict[str, Any]:
    """The request as PEP 3333 wants it: text is bytes that were decoded as Latin-1."""
    said: dict[str, Any] = {
        f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in request.headers.items()
        if name not in _FRAMING and b"_" not in name  # which would pass for a hyphen
    }
    return said | {
        # A HEAD's answer has the length of a GET's, whose body is left out when it is sent.
        "REQUEST_METHOD": "GET" if request.method == "HEAD" else request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "CONTENT_TYPE": request.headers.get(b"content-type", b"").decode("latin-1"),
        "CONTENT_LENGTH": str(len(request.body)) if request.body else "",
        "SERVER_NAME": "minibit",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.remote,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
