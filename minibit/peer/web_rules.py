"""Addresses on the web that strangers wrote, and which may be called where they lead near.

A torrent, a magnet link or a redirection may name any address, also that of a printer next door or of a
service that trusts whoever reaches it (libtorrent PRs #5303 and #5846).
"""

from collections.abc import Callable, Container
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from minibit.errors import UsageError
from minibit.text import plain_text


class Rule(NamedTuple):
    """Which URLs may lead to a machine on a private network, or to this one.

    `allows` is asked with such a URL and the IP address that it leads to; `told` says for people what it
    allows.
    """

    allows: Callable[[str, str], bool]
    told: str


class NearError(UsageError):
    """An address that a stranger wrote leads to this machine or its network."""


ANNOUNCES: Final = Rule(
    # What trackers have, and hardly another service.
    lambda url, _ip: urlsplit(url).path.endswith("/announce"),
    "only a path that ends in /announce is called there",
)


def typed(url: str) -> Rule:
    """For a URL that the user typed: it may lead anywhere, and send us on to its own host."""
    host = urlsplit(url).hostname
    return Rule(
        lambda asked, _ip: urlsplit(asked).hostname == host, "only the host that you named is called there"
    )


def trusting(machines: Container[str]) -> Rule:
    """For URLs out of a torrent: they may lead to these machines nearby, given by their addresses or by the
    names that the user typed."""
    return Rule(
        lambda asked, ip: ip in machines or urlsplit(asked).hostname in machines,
        "only trackers that answer, and what you name yourself, is called there",
    )


def shown(url: str) -> str:
    """As much of a URL as may be shown: what follows may be a secret of its user's."""
    parts = urlsplit(url)
    return plain_text(f"{parts.scheme}://{parts.netloc}{parts.path}", 120)
