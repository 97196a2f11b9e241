"""A share's bytes from a web server: ranges of files, and servers that are of no use."""

from collections.abc import Iterator
from random import Random

import pytest
from fakes.trackers import answering, http
from fakes.web_servers import free_address, serving

from minibit.errors import MinibitError, TrackerUnreachableError, UsageError
from minibit.peer.web_rules import Rule, trusting
from minibit.peer.web_source import WebSource
from minibit.torrent import bencode, metainfo
from minibit.torrent.metainfo import Metainfo

HERE = trusting({"127.0.0.1"})
ONE, TWO = Random(1).randbytes(20_000), Random(2).randbytes(30_000)
FILES = {"/set/a%20one": ONE, "/set/two": TWO}


def padded() -> Metainfo:
    """Two files with padding between them, up to the border of a block."""
    files = [
        {"length": len(ONE), "path": ["a one"]},
        {"attr": "p", "length": 32768 - len(ONE), "path": [".pad", "12768"]},
        {"length": 0, "path": ["nothing"]},
        {"length": len(TWO), "path": ["two"]},
    ]
    info = {"name": "set", "piece length": 16384, "pieces": bytes(20 * 4), "files": files}
    return metainfo.from_info(bencode.decode(bencode.encode(info)))


SHARE = padded()
WHOLE = ONE + bytes(32768 - len(ONE)) + TWO


@pytest.fixture
def source() -> Iterator[WebSource]:
    with serving(FILES) as server:
        source = WebSource(server.url, SHARE, HERE)
        yield source
        source.close()


def test_ranges_cross_files_and_padding_is_known(source: WebSource) -> None:
    for offset, length in ((0, len(WHOLE)), (19_990, 12_790), (21_000, 5000), (len(WHOLE) - 7, 7)):
        assert b"".join(source.read(offset, length)) == WHOLE[offset : offset + length]


def test_one_connection_serves_many_ranges_and_padding_asks_for_none() -> None:
    with serving(FILES) as server:
        source = WebSource(server.url, SHARE, HERE)
        assert b"".join(source.read(20_000, 12_768)) == bytes(12_768)
        assert server.asked == []
        list(source.read(19_000, 15_000))
        assert server.asked == [("/set/a%20one", "bytes=19000-19999"), ("/set/two", "bytes=0-1231")]
        source.close()


@pytest.mark.parametrize(
    ("manner", "fault"),
    [
        ("missing", "it answered 404"),
        ("no ranges", "it does not send ranges of files"),
        ("elsewhere", "it sends another range or file"),
        ("breaks off", "no answer from http://127.0.0.1:.*|broke off"),
        ("compressed", "it sends compressed what was not to be"),
        ("in circles", "it redirects more than 5 times"),
    ],
)
def test_servers_that_are_of_no_use(manner: str, fault: str) -> None:
    with serving(FILES, manner) as server:
        source = WebSource(server.url, SHARE, HERE)
        with pytest.raises(TrackerUnreachableError, match=fault):
            list(source.read(100, 5000))
        source.close()


def test_what_is_too_much_is_not_read() -> None:
    with serving(FILES, "too much") as server:
        source = WebSource(server.url, SHARE, HERE)
        assert b"".join(source.read(100, 5000)) == WHOLE[100:5100]
        source.close()


def test_a_file_that_is_sent_whole_is_good_where_it_was_wanted_whole() -> None:
    with serving(FILES, "no ranges") as server:
        source = WebSource(server.url, SHARE, HERE)
        assert b"".join(source.read(0, len(ONE))) == ONE
        source.close()


def test_nobody_there() -> None:
    source = WebSource(free_address(), SHARE, HERE)
    with pytest.raises(MinibitError, match=r"no answer from http://127\.0\.0\.1:.* refused"):
        list(source.read(0, 5))


@pytest.mark.parametrize("rule", [trusting(set()), trusting({"tracker.example", "192.0.2.7"})])
def test_a_strangers_address_does_not_lead_to_this_machine(rule: Rule) -> None:
    with serving(FILES) as server:
        source = WebSource(server.url, SHARE, rule)
        with pytest.raises(UsageError, match="this machine or its network: only trackers that answer"):
            list(source.read(0, 5))
        assert server.asked == []


def test_nor_does_a_redirection() -> None:
    named = trusting({"localhost"})
    with serving(FILES) as there, answering(http(b"", "302 Found", f"Location: {there.url}\r\n")) as url:
        source = WebSource(url.replace("127.0.0.1", "localhost") + "/", SHARE, named)
        with pytest.raises(UsageError, match=r"leads to 127\.0\.0\.1"):
            list(source.read(0, 5))
        source.close()
        assert there.asked == []


def test_a_single_file_may_have_an_address_of_its_own() -> None:
    share = metainfo.build("film", [((), len(ONE))], 16384, bytes(40), folder=False)
    with serving({"/get?id=7": ONE}) as server:
        source = WebSource(f"{server.url}get?id=7", share, HERE)
        assert b"".join(source.read(5, 10)) == ONE[5:15]
        source.close()
