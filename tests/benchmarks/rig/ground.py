"""The ground that benchmarks take place on: a temporary folder with room, and a network of its own."""

import errno
import fcntl
import os
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from minibit.errors import UsageError
from minibit.units import size

PART = 1 << 20  # bytes read or written at a time
SPARE = 1 << 30  # bytes that a disk keeps free whatever we do
INSIDE = "MINIBIT_BENCH_NETWORK"  # set for whoever was started in a network of its own
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter_private_network() -> bool:
    """Start this program anew in a network namespace with nothing but a loopback, if the system lets us.

    There, ports and the loopback's counter are the benchmark's own and nothing can leave the machine.
    Returns, the second time, whether it came to that.
    """
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if INSIDE not in os.environ and shutil.which("unshare"):
        os.environ[INSIDE] = "yes"
        if os.spawnvp(os.P_WAIT, "unshare", [*alone, "true"]) == 0:
            os.execvp("unshare", [*alone, sys.executable, *sys.argv])
        os.environ[INSIDE] = "no"
    if private := os.environ.get(INSIDE) == "yes":
        _raise_loopback()
    return private


def loopback_bytes() -> int:
    """How many bytes the loopback has carried, whoever's they are (proc(5), /proc/net/dev)."""
    with open("/proc/net/dev") as table:
        for line in table:
            name, _, counters = line.partition(":")
            if name.strip() == "lo":
                return int(counters.split()[0])
    raise OSError(errno.ENODEV, "there is no loopback")


@contextmanager
def folder(where: Path | None, needed: int) -> Iterator[Path]:
    """A temporary folder (in `where`) that can take `needed` bytes; gone afterwards, whatever happens.

    Raises:
        UsageError: there is not that much room.
    """
    place = Path(tempfile.gettempdir() if where is None else where)
    free = shutil.disk_usage(place).free
    if free < needed + SPARE:
        raise UsageError(
            f"this takes {size(needed)} and {str(place)!r} has {size(free)} free: "
            "choose a folder with more room with --work, or a smaller --size"
        )
    with tempfile.TemporaryDirectory(prefix="minibit-bench-", dir=place) as path:
        os.chmod(path, 0o755)  # trackers that give up root read in it
        yield Path(path)


def write_random(path: Path, length: int) -> None:
    """A file that no compression or hole makes smaller, the same each time."""
    rng = Random(length)
    with path.open("wb") as file:
        for begin in range(0, length, PART):
            file.write(rng.randbytes(min(PART, length - begin)))


def identical(one: Path, other: Path) -> bool:
    """Whether both files hold the same bytes."""
    try:
        with one.open("rb") as a, other.open("rb") as b:
            while (part := a.read(PART)) == b.read(PART):
                if not part:
                    return True
    except FileNotFoundError:
        pass
    return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def _raise_loopback() -> None:
    """Set the loopback up, as `ip link set lo up` does (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
