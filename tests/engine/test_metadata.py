"""Metadata from neighbours who tell the truth, lie, are silent or refuse; and metadata for those who ask."""

import hashlib
from random import Random

import pytest
from fakes.puppets import INFO_HASH, LAYOUT, Stage

from minibit.engine import metadata as room
from minibit.engine.metadata import (
    ATTEMPT_SECONDS,
    MAX_METADATA,
    PATIENCE,
    REST,
    SERVED_BURST,
    WINDOW,
    Metadata,
)
from minibit.wire import messages as m
from minibit.wire import metadata as wire
from minibit.wire.extended import ExtendedHandshake
from minibit.wire.metadata import NAME, Data, Reject, Request, piece_count

INFO = Random(3).randbytes(3 * wire.PIECE_SIZE + 5)  # four pieces
OURS, THEIRS = 1, 7  # under which ids it is spoken


class Fetching:
    """A peer that knows the hash of `INFO` and nothing else, among puppets."""

    def __init__(self, info: bytes = INFO) -> None:
        self.learnt: list[bytes] = []
        self.handler = Metadata(hashlib.sha1(info).digest(), learnt=self.learnt.append)
        self.stage = Stage(layout=None, extensions={NAME: self.handler})

    def offer(self, key: int, size: int = len(INFO)) -> None:
        """Puppet `key` comes and says that it has metadata of this size."""
        self.stage.connect(key)
        self.stage.greet(key)
        self.hello(key, size)

    def hello(self, key: int, size: int) -> None:
        hello = ExtendedHandshake(extensions={NAME: THEIRS}, metadata_size=size)
        self.stage.says(key, m.Extended(0, hello.encode()))

    def asked(self, key: int) -> list[int]:
        """The pieces that the puppet was asked for since."""
        heard = [e for e in self.stage.heard(key) if isinstance(e, m.Extended) and e.extension == THEIRS]
        said = [wire.decode(message.body) for message in heard]
        return [each.piece for each in said if isinstance(each, Request)]

    def sends(self, key: int, *pieces: int, of: bytes = INFO) -> None:
        for piece in pieces:
            data = of[piece * wire.PIECE_SIZE : (piece + 1) * wire.PIECE_SIZE]
            self.stage.says(key, m.Extended(OURS, Data(piece, len(of), data).encode()))

    def serves(self, key: int, of: bytes = INFO) -> None:
        """The puppet sends all that it is asked for."""
        while pieces := self.asked(key):
            self.sends(key, *pieces, of=of)


def test_pieces_are_asked_of_several_and_the_whole_is_checked() -> None:
    fetching = Fetching()
    for key in (1, 2):
        fetching.offer(key)
    asked = {key: fetching.asked(key) for key in (1, 2)}
    assert asked == {1: [0, 1, 2, 3], 2: []}, "the first was asked for all before the second came"
    fetching.sends(1, 3, 1, 0)
    assert fetching.handler.progress == (2 * wire.PIECE_SIZE + 5, len(INFO))
    fetching.sends(1, 2)
    assert fetching.learnt == [INFO]
    assert fetching.handler.info == INFO
    assert fetching.handler.sources == 0


def test_long_metadata_comes_from_all_at_once() -> None:
    fetching = Fetching()
    size = 100 * wire.PIECE_SIZE
    for key in (1, 2, 3):
        fetching.offer(key, size)
    asked = [piece for key in (1, 2, 3) for piece in fetching.asked(key)]
    assert sorted(asked) == list(range(3 * WINDOW))


def test_who_is_silent_is_replaced() -> None:
    fetching = Fetching()
    fetching.offer(1)
    fetching.offer(2)
    fetching.asked(1)
    fetching.stage.wait(PATIENCE + 2)
    fetching.serves(2)
    assert fetching.learnt == [INFO]


def test_who_refuses_rests_and_is_asked_again() -> None:
    fetching = Fetching()
    fetching.offer(1)
    fetching.asked(1)
    fetching.stage.says(1, m.Extended(OURS, Reject(0).encode()))
    assert fetching.asked(1) == []
    fetching.stage.wait(REST + 2)
    fetching.serves(1)
    assert fetching.learnt == [INFO]


def test_who_leaves_is_replaced() -> None:
    fetching = Fetching()
    fetching.offer(1)
    fetching.offer(2)
    fetching.sends(1, *fetching.asked(1)[:2])
    fetching.stage.leaves(1)
    assert fetching.asked(2) == [2, 3], "what is here stays"
    fetching.sends(2, 2, 3)
    assert fetching.learnt == [INFO]


def test_a_liar_is_hung_up_on_and_known_again() -> None:
    fetching = Fetching()
    fetching.offer(1)
    fetching.serves(1, of=bytes(len(INFO)))
    assert fetching.stage.hung_up == {1: "sent metadata that is not this share's"}
    fetching.stage.connect(3, address=("10.0.0.1", 6881))
    fetching.stage.greet(3, peer_id=b"\1" * 20)
    fetching.hello(3, len(INFO))
    assert fetching.stage.hung_up[3] == "sent wrong metadata before"
    fetching.offer(2)
    fetching.serves(2)
    assert fetching.learnt == [INFO]


def test_among_several_the_liar_is_found_by_asking_one_at_a_time() -> None:
    long = Random(4).randbytes(6 * wire.PIECE_SIZE)
    fetching = Fetching(long)
    for key in (1, 2):
        fetching.offer(key, len(long))
    fetching.sends(1, *fetching.asked(1), of=bytes(len(long)))
    fetching.sends(2, *fetching.asked(2), of=long)
    assert (fetching.learnt, fetching.stage.hung_up) == ([], {}), "somebody has lied, and who is not known"
    assert fetching.asked(2) == [], "one at a time"
    fetching.serves(1, of=bytes(len(long)))
    fetching.serves(2, of=long)
    assert set(fetching.stage.hung_up) == {1}
    assert fetching.learnt == [long]


@pytest.mark.parametrize("size", [MAX_METADATA + 1, 2 << 30, 1 << 300])
def test_absurd_sizes_end_the_connection(size: int) -> None:
    fetching = Fetching()
    fetching.offer(1, size)
    assert "says that its metadata has more than" in fetching.stage.hung_up[1]
    assert fetching.asked(1) == []


def test_what_most_say_is_tried_first_and_dripping_liars_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 1000.0)  # as if they dripped: a piece now and then
    fetching = Fetching()
    for key in (1, 2, 3):
        fetching.offer(key, 1000 * wire.PIECE_SIZE)
    fetching.offer(4)
    fetching.stage.wait(ATTEMPT_SECONDS - 2)
    assert fetching.asked(4) == [], "three say otherwise"
    fetching.stage.wait(4)
    fetching.serves(4)
    assert fetching.learnt == [INFO]


@pytest.mark.parametrize(
    "body",
    [Data(0, len(INFO), b"short").encode(), Data(3, None, bytes(wire.PIECE_SIZE)).encode(), b"garbage"],
)
def test_pieces_of_a_wrong_length_and_garbage_end_the_connection(body: bytes) -> None:
    fetching = Fetching()
    fetching.offer(1)
    fetching.stage.says(1, m.Extended(OURS, body))
    assert "metadata: " in fetching.stage.hung_up[1]


def test_what_nobody_asked_for_is_not_kept() -> None:
    fetching = Fetching()
    fetching.offer(1, 2 * wire.PIECE_SIZE)
    for piece in range(2, 40):
        fetching.stage.says(1, m.Extended(OURS, Data(piece, None, bytes(wire.PIECE_SIZE)).encode()))
    assert fetching.handler.progress == (0, 2 * wire.PIECE_SIZE)
    assert fetching.stage.hung_up == {}


def serving() -> Stage:
    stage = Stage(extensions={NAME: Metadata(INFO_HASH, INFO)})
    stage.connect(1)
    stage.greet(1)
    return stage


def answers(stage: Stage, *pieces: int) -> list[wire.MetadataMessage | None]:
    for piece in pieces:
        stage.says(1, m.Extended(OURS, Request(piece).encode()))
    heard = [e for e in stage.heard(1) if isinstance(e, m.Extended) and e.extension == THEIRS]
    return [wire.decode(message.body) for message in heard]


def test_who_asks_is_told_the_size_and_sent_the_pieces() -> None:
    stage = serving()
    (hello,) = (e for e in stage.heard(1) if isinstance(e, m.Extended))
    said = ExtendedHandshake.decode(hello.body)
    assert (said.metadata_size, said.extensions) == (len(INFO), {NAME: OURS})
    stage.says(1, m.Extended(0, ExtendedHandshake(extensions={NAME: THEIRS}).encode()))
    sent = [each for each in answers(stage, *range(piece_count(len(INFO)))) if isinstance(each, Data)]
    assert b"".join(each.data for each in sent) == INFO
    assert {each.total_size for each in sent} == {len(INFO)}
    assert answers(stage, 4, 1 << 40) == [Reject(4), Reject(1 << 40)]


def test_who_asks_without_end_is_refused() -> None:
    stage = serving()
    stage.says(1, m.Extended(0, ExtendedHandshake(extensions={NAME: THEIRS}).encode()))
    kinds = [type(each) for each in answers(stage, *[0] * (2 * SERVED_BURST))]
    assert kinds == [Data] * SERVED_BURST + [Reject] * SERVED_BURST
    stage.wait(1.0)
    assert isinstance(answers(stage, 0)[0], Data)


def test_who_does_not_know_it_refuses_and_says_so_when_it_does() -> None:
    fetching = Fetching()
    stage = fetching.stage
    fetching.offer(1)
    stage.connect(2)
    stage.greet(2)
    stage.says(2, m.Extended(0, ExtendedHandshake(extensions={NAME: THEIRS}).encode()))
    stage.heard(2)
    stage.says(2, m.Extended(OURS, Request(0).encode()))
    assert stage.heard(2) == [m.Extended(THEIRS, Reject(0).encode())]
    fetching.serves(1)
    stage.learns(LAYOUT)
    (hello,) = (e for e in stage.heard(2) if isinstance(e, m.Extended) and e.extension == 0)
    assert ExtendedHandshake.decode(hello.body).metadata_size == len(INFO)
