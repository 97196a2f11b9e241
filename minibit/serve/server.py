"""The tracker's WSGI server: waitress, in threads of its own, on a socket that we bind ourselves.

Every connection carries one request and ends after the answer: peers call seldom, and so nobody can
keep the tracker's few hundred connections, fill its memory with pipelined requests, or hold a worker
thread by reading slowly (waitress queues the answer and goes on). Which requests there are is unknown
here.
"""

import json
import logging
import socket
import time
from threading import Event, Thread
from typing import Any, Final

from flask import Flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from minibit.address import ip_literal, is_loopback
from minibit.dialects.json_replies import Refusal
from minibit.net.listener import listen
from minibit.serve.app import MAX_REQUEST_BODY, REMEDIES

THREADS: Final = 8
MAX_CONNECTIONS: Final = 400  # below the 1,024 open files that a process may usually have
CONNECTIONS_PER_SOURCE: Final = 100  # from one address; idle ones would keep everyone else out
CONNECTIONS_FROM_HERE: Final = 300  # from this machine, where a whole swarm may live
HEADER_DEADLINE: Final = 5.0  # seconds to send a request's header in
REQUEST_DEADLINE: Final = 30.0  # seconds to send a whole request in, however it drips
SILENCE: Final = 60  # seconds in which a client takes nothing of its answer
LINGER: Final = 5.0  # seconds in which a client may finish sending what is no longer read
WAKE: Final = 1.0  # seconds between looks at deadlines


class _OnlyTask(WSGITask):
    def build_response_header(self) -> bytes:
        self.set_close_on_finish()
        return super().build_response_header()


class _JsonErrorTask(ErrorTask):
    """What waitress refuses itself (no HTTP, too large) is said in the contract's form."""

    request: Any  # waitress's parser with its `error`; the published stubs say otherwise

    def execute(self) -> None:
        error = self.request.error
        message = REMEDIES.get(error.code) or f"{error.reason} ({error.body}): send one HTTP/1.1 request"
        body = json.dumps(Refusal(message).to_json()).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "application/json")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """One connection. After the answer it says that it is done and reads on a while, throwing away what
    comes: to close with bytes unread would reset the connection, and a client that was refused in
    the middle of a large body would never see why (RFC 9112 section 9.6).
    """

    task_class = _OnlyTask
    error_task_class = _JsonErrorTask
    _cut_off = float("inf")  # when lingering ends
    _begun = float("-inf")  # when it was accepted, on a clock that nobody sets

    def __init__(self, server: Any, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self._begun = time.monotonic()
        address = ip_literal(self.addr[0]) or ""
        near = sum(ip_literal(other.addr[0]) == address for other in server.active_channels.values())
        if near > (CONNECTIONS_FROM_HERE if is_loopback(address) else CONNECTIONS_PER_SOURCE):
            self.handle_close()

    def readable(self) -> bool:
        idle = not self.requests and not self.total_outbufs_len
        waiting = idle and not self.close_when_flushed
        header = self.request is None or not self.request.headers_finished
        deadline = HEADER_DEADLINE if header else REQUEST_DEADLINE
        now = time.monotonic()
        if (waiting and now > self._begun + deadline) or (idle and now > self._cut_off):
            self.will_close = True
        return self._lingering or super().readable()

    def writable(self) -> bool:
        return self.will_close if self._lingering else super().writable()

    def handle_write(self) -> None:
        if not self.close_when_flushed:
            super().handle_write()
            return
        self.close_when_flushed = False  # waitress would close at once
        super().handle_write()
        self.close_when_flushed = True
        done = self.connected and not self.total_outbufs_len and not self._lingering
        if done and self.socket is not None:
            self._cut_off = time.monotonic() + LINGER
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.handle_close()

    @property
    def _lingering(self) -> bool:
        return self._cut_off < float("inf")


class _Server(TcpWSGIServer):
    channel_class = _Channel


class TrackerServer:
    """Serves `app` on `host` and `port` (0: the system picks) between `start` and `close`."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self.port = port
        self._map: dict[int, Any] = {}
        self._closing = Event()
        self._server: _Server | None = None
        self._thread = Thread(target=self._serve, name="tracker-http", daemon=True)

    def start(self) -> None:
        """Listens and serves; `port` is from now on the real one.

        Raises:
            UsageError: the address cannot be listened on.
        """
        listener = listen(self._host, self.port)
        self.port = listener.getsockname()[1]
        # A live table shares the terminal: a queue that is briefly long is no news to its reader.
        logging.getLogger("waitress").setLevel(logging.ERROR)
        adjustments = Adjustments(
            sockets=[listener],
            threads=THREADS,
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=SILENCE,
            max_request_body_size=MAX_REQUEST_BODY + 1,
            max_request_header_size=64 * 1024,
            log_socket_errors=False,
            ident="MiniBit",
        )
        self._server = _Server(
            self._app,
            map=self._map,
            _sock=listener,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._thread.start()

    def close(self) -> None:
        """Stops serving and closes every connection; may be called twice, and before `start`."""
        self._closing.set()
        if self._server is None:
            return
        self._server.pull_trigger()
        self._thread.join()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)
        self._server = None

    def _serve(self) -> None:
        while not self._closing.is_set():
            wasyncore.loop(timeout=WAKE, use_poll=True, map=self._map, count=1)
