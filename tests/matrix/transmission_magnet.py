"""Transmission's daemon with a magnet link, which it takes over its RPC alone: `MAGNET COMMAND…`."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress

RPC = "http://127.0.0.1:9091/transmission/rpc"
SESSION = "X-Transmission-Session-Id"
PATIENCE = 30.0


def add(link: str) -> None:
    """Say the link to the daemon, once it listens; it answers the first request with a session's id."""
    body = json.dumps({"method": "torrent-add", "arguments": {"filename": link}}).encode()
    session = ""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(urllib.request.Request(RPC, body, {SESSION: session}), timeout=10).close()
        except urllib.error.HTTPError as error:
            session = error.headers[SESSION] or ""
        except OSError:
            time.sleep(0.1)
        else:
            return


def main() -> None:
    link, *command = sys.argv[1:]
    if os.fork():  # the daemon is this process, so that it is the one to be ended
        os.execvp(command[0], command)
    with suppress(OSError):
        add(link)


main()
