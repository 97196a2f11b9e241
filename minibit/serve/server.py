"""The tracker's HTTP server: a loop in a thread of its own, on a socket that we bind ourselves.

What is quick, announces and scrapes, is answered on the loop; what goes through Flask, in a few threads. The
origin's loop is another one: a swarm that trades fast does not make callers wait. Who may have a connection,
for how long and with how many bytes is said in `places`, `channel` and `budget`.
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from secrets import token_bytes
from threading import Thread
from typing import Any, Final

from flask import Flask

from minibit.net.listener import BACKLOG, bind_beside, listen
from minibit.serve import announces, wsgi
from minibit.serve.app import create_app
from minibit.serve.budget import Budget
from minibit.serve.channel import INBOX, Channel
from minibit.serve.exchange import REMEDIES, Reply, Request, refusal
from minibit.serve.places import Places
from minibit.serve.tracker import Tracker
from minibit.serve.udp_server import UdpServer
from minibit.serve.visitors import Visitors
from minibit.serve.web_share import WebShare
from minibit.torrent.web_paths import ROOT

THREADS: Final = 8
WAKE: Final = 1.0  # seconds between looks at deadlines

_log = logging.getLogger(__name__)


class TrackerServer:
    """Serves `tracker` on `host` and `port` (0: the system picks) between `start` and `close`.

    `names`: what the tracker is called, beside its addresses and this machine's own names. `secret`: who has
    it knows the connection ids of UDP that were given out under it; none is one for this server alone.
    """

    def __init__(
        self, tracker: Tracker, host: str, port: int, *, names: Iterable[str] = (), secret: bytes = b""
    ) -> None:
        self._tracker = tracker
        self._host = host
        self.port = port
        self._budget = Budget()
        self.udp = False  # whether announces are answered over UDP too
        self._secret = secret or token_bytes(32)
        self._visitors = Visitors((host, *names))
        self._places = Places()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._thread: Thread | None = None
        self._files: WebShare | None = None
        self._crowded = False  # said already that no more files may be open

    def start(self, files: WebShare | None = None) -> None:
        """Listens and serves, the files too if they are given; `port` is from now on the real one.

        Raises:
            UsageError: the address cannot be listened on.
        """
        listener = listen(self._host, self.port)
        self.port = listener.getsockname()[1]
        datagrams = bind_beside(listener)
        self.udp = datagrams is not None
        app = create_app(
            self._tracker,
            self._budget,
            udp_port=self.port if self.udp else None,
            web_seed=files is not None,
        )
        self._files = files
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tracker-json")
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._went_wrong)
        self._closing = asyncio.Event()

        async def serve(loop: asyncio.AbstractEventLoop, closing: asyncio.Event) -> None:
            def handle(request: Request, answer: Callable[[Reply], None]) -> None:
                self._handle(app, request, answer)

            inbox = bytearray(INBOX)

            def channel() -> Channel:
                return Channel(handle, self._places, self._budget, loop.time, loop.call_soon, inbox)

            server = await loop.create_server(channel, sock=listener, backlog=BACKLOG)
            if datagrams is not None:
                udp = UdpServer(self._tracker, loop.time, self._secret)
                loop.add_reader(datagrams, udp.drain, datagrams)
            try:
                while not closing.is_set():
                    now = loop.time()
                    for guest in self._places.guests():
                        guest.sweep(now)
                    try:
                        async with asyncio.timeout(WAKE):
                            await closing.wait()
                    except TimeoutError:
                        continue
            finally:
                # Whom asyncio is just accepting has no place yet; it forgets him if the server closes first.
                loop.remove_reader(listener)
                if datagrams is not None:
                    loop.remove_reader(datagrams)
                    datagrams.close()
                if files is not None:
                    files.close()
                accepting = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.gather(*accepting, return_exceptions=True)
                server.close()
                for guest in self._places.guests():
                    guest.throw_out()
                await asyncio.sleep(0)  # asyncio closes a socket in the turn after

        def run(loop: asyncio.AbstractEventLoop, closing: asyncio.Event) -> None:
            try:
                loop.run_until_complete(serve(loop, closing))
            finally:
                loop.close()

        self._thread = Thread(target=run, args=(self._loop, self._closing), name="tracker-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops serving and closes every connection; may be called twice, and before `start`."""
        if self._thread is None or self._loop is None or self._closing is None or self._pool is None:
            return
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._thread = None

    def _went_wrong(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif not self._crowded:  # asyncio would say so hundreds of times a second, each time with a traceback
            self._crowded = True
            _log.error("too many files are open, so some connections wait: raise the limit (ulimit -n)")

    def _handle(self, app: Flask, request: Request, answer: Callable[[Reply], None]) -> None:
        fault = self._visitors.fault(request.headers)
        if request.path in announces.PATHS:
            if fault is not None:
                answer(announces.failure(fault, 403))
            elif request.method not in ("GET", "HEAD"):
                answer(refusal(405, REMEDIES[405]))
            else:
                answer(announces.answer(self._tracker, request))
        elif fault is not None:
            answer(refusal(403, fault))
        elif self._files is not None and request.path.startswith(ROOT):
            answer(self._files.answer(request))
        else:
            self._work(app, request, answer)

    def _work(self, app: Flask, request: Request, answer: Callable[[Reply], None]) -> None:
        assert self._loop is not None
        assert self._pool is not None
        loop = self._loop

        def work() -> Reply:
            return wsgi.call(app, request)

        def done(future: "Future[Reply]") -> None:
            if future.cancelled():
                return
            try:
                reply = future.result()
            except Exception:
                _log.exception("a request could not be answered at all")
                reply = refusal(500, "the tracker failed to answer this: its log says why; please report it")
            try:
                loop.call_soon_threadsafe(answer, reply)
            except RuntimeError:  # the loop is closed, and the connection with it
                reply.sent()

        self._pool.submit(work).add_done_callback(done)
