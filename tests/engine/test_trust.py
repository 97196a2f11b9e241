"""Whom a download trusts, through the engine: unasked data, corrupt blocks, strikes, bans and suspicion."""

from typing import Any

import pytest
from fakes.puppets import FULL, Stage, both, piece, reject, request

from minibit.address import PeerAddress
from minibit.engine.downloads import MAX_UNASKED
from minibit.engine.effects import Ban, Dial, Discard, Effect, HangUp, Send, Store
from minibit.engine.laggards import EXCLUSIVE_SECONDS, SNUB_SECONDS
from minibit.engine.relief import ENDGAME_AGE
from minibit.engine.trust import MAX_STRIKES
from minibit.torrent.layout import CHUNK_SIZE
from minibit.wire import messages as m

# --- unasked


def test_who_sends_what_nobody_asked_for_is_hung_up_on() -> None:
    stage = Stage(have=0b1)
    stage.puppet(1, have=FULL)
    for count in range(MAX_UNASKED):
        assert stage.says(1, piece(count % 8)) == []
    assert stage.says(1, piece(1)) == [HangUp(1, "sends what nobody asked for")]


def test_nobody_slips_a_chunk_into_what_others_supply() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL)
    assert stage.says(2, piece(0, 1)) == []
    assert stage.neighbour(2).supply.unasked == 1


def test_what_was_on_its_way_when_its_sender_choked_us_is_welcome() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True, fast=False)
    stage.says(1, m.Choke())
    assert stage.says(1, piece(0, 1)) == [Store(0, [piece(0, 1)])]


@pytest.mark.parametrize("begin", [5, 1, 2 * CHUNK_SIZE - 100])
@pytest.mark.parametrize("first", [True, False])
def test_a_stray_piece_does_not_spoil_what_is_there(begin: int, first: bool) -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stray = m.Piece(0, begin, b"!" * 100)
    run = [stray, piece(0, 0)] if first else [piece(0, 0), stray]
    effects = stage.says(1, *run)
    assert [e for e in effects if isinstance(e, Store)] == [Store(0, [piece(0, 0)])]
    assert stage.neighbour(1).supply.unasked == 1


@pytest.mark.parametrize("length", [CHUNK_SIZE - 1, CHUNK_SIZE + 1])
def test_what_is_no_whole_chunk_does_not_pass_for_one(length: int) -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    effects = stage.says(1, piece(0, 0, length), piece(0, 0))
    assert [e for e in effects if isinstance(e, Store)] == [Store(0, [piece(0, 0)])]


def test_a_slow_neighbour_whose_chunks_come_late_is_forgiven_in_time() -> None:
    """Over days it would else collect as many as an abuser sends in a minute."""
    stage = Stage(have=0b1)
    stage.puppet(1, have=FULL)
    for _ in range(MAX_UNASKED + 100):
        stage.says(1, piece(1))
        stage.wait(3.0)
    assert stage.hung_up == {}
    assert stage.neighbour(1).supply.unasked <= 1


# --- corrupt blocks


def spoil(stage: Stage, block: int, *keys: int) -> list[Effect]:
    """These puppets supply a block, a chunk each or both, that turns out wrong."""
    for chunk in range(2):
        stage.says(keys[chunk % len(keys)], piece(block, chunk))
    return stage.verified(block, False)


def test_a_corrupt_block_is_fetched_again() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.heard(1)
    assert spoil(stage, 0, 1) == [Send(1, (request(0, 0), request(0, 1)))]
    assert stage.engine.downloads.corrupt == 1
    assert stage.engine.blocks.have == FULL ^ 0b1


def test_two_corrupt_blocks_of_its_own_get_a_neighbour_banned() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    assert MAX_STRIKES == 2
    spoil(stage, 0, 1)
    assert stage.hung_up == {}
    spoil(stage, 1, 1)
    assert stage.hung_up == {1: "sent 2 corrupt blocks, the last one block 1"}
    assert stage.engine.banned == 1
    stage.connect(2, address=("10.0.0.1", 7000))
    stage.greet(2, peer_id=b"\1" * 20)
    assert stage.hung_up[2] == "banned"


@pytest.mark.parametrize("stays", [True, False])
def test_a_peer_is_banned_once_however_many_of_its_blocks_turn_out_corrupt(stays: bool) -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    for block in range(5):
        stage.says(1, *both(block))
    if not stays:
        stage.leaves(1)
    effects = [effect for block in range(5) for effect in stage.verified(block, False)]
    bans = [effect for effect in effects if isinstance(effect, Ban)]
    assert bans == [
        Ban(
            b"10.0.0.1 " + b"\1" * 20,
            ("10.0.0.1", 6881) if stays else None,
            "sent 2 corrupt blocks, the last one block 1",
        )
    ]
    assert (stage.engine.banned, stage.engine.downloads.corrupt) == (1, 5)


def test_strikes_outlive_the_connection() -> None:
    stage = Stage()
    for key in (1, 2):
        stage.puppet(key, have=FULL, unchokes=True, peer_id=b"L" * 20, address=("10.0.0.9", key))
        stage.says(key, *both(key))
        stage.leaves(key)
        stage.verified(key, False)
    assert stage.engine.banned == 1
    stage.connect(3, address=("10.0.0.9", 3))
    stage.greet(3, peer_id=b"L" * 20)
    assert stage.hung_up == {3: "banned"}


def test_a_shared_corrupt_block_makes_all_its_suppliers_suspect_until_one_is_found_guilty() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL, unchokes=True)
    stage.wait(ENDGAME_AGE + 1)  # in endgame both are asked for both chunks
    spoil(stage, 0, 1, 2)
    assert stage.suspects(1)
    assert stage.suspects(2)
    assert stage.engine.banned == 0
    stage.heard(2)
    # The block is now fetched from one alone. Neighbour 1, the liar, is asked first, and lies.
    assert stage.engine.blocks.debts.outstanding(1) == 2
    assert stage.asked(2) == []
    spoil(stage, 0, 1)
    spoil(stage, 0, 1)
    assert stage.hung_up == {1: "sent 2 corrupt blocks, the last one block 0"}
    assert stage.asked(2) == [(0, 0), (0, 1)]
    stage.says(2, *both(0))
    stage.verified(0)
    assert not stage.suspects(2)
    assert stage.engine.blocks.complete


def test_from_a_suspect_nothing_is_taken_unasked() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL)
    stage.suspect(bytes([2]) * 20)
    assert stage.says(2, piece(0, 0)) == []
    assert stage.neighbour(2).supply.unasked == 1


@pytest.mark.parametrize("how", ["chokes", "rejects", "chokes plainly", "falls silent", "leaves"])
def test_a_block_under_suspicion_is_not_lost_with_who_was_to_supply_it(how: str) -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.engine.blocks.exclusive = 0b1
    stage.puppet(1, have=FULL, fast=how != "chokes plainly", unchokes=True)
    stage.puppet(2, have=FULL, unchokes=True)
    stage.says(1, piece(0, 0))
    stage.heard(2)
    match how:
        case "chokes" | "chokes plainly":
            effects = stage.says(1, m.Choke())
        case "rejects":
            effects = stage.says(1, reject(0, 1))
        case "falls silent":
            effects = stage.wait(SNUB_SECONDS + 1)
        case _:
            effects = stage.leaves(1)
    assert Discard(0) in effects
    assert stage.asked(2) == [(0, 0), (0, 1)]


def test_when_everybody_is_suspect_what_was_left_half_done_is_begun_anew() -> None:
    stage = Stage(have=FULL ^ 0b1)
    for key in (1, 2):
        stage.suspect(bytes([key]) * 20)
    for key in (1, 2):
        stage.puppet(key, have=FULL, unchokes=True)
    assert stage.engine.blocks.debts.outstanding(1) == 2
    stage.says(1, piece(0, 0))
    stage.leaves(1)
    assert stage.asked(2) == [(0, 0), (0, 1)]


def test_suspicion_outlives_the_connection() -> None:
    stage = Stage(have=FULL ^ 0b1)
    liar = b"-XX0000-" + b"l" * 12
    stage.puppet(1, have=FULL, unchokes=True, peer_id=liar)
    stage.puppet(2, have=FULL, unchokes=True)
    stage.wait(ENDGAME_AGE + 1)
    stage.says(1, piece(0, 0))
    stage.says(2, piece(0, 1))
    stage.leaves(1)
    stage.verified(0, ok=False)
    assert stage.engine.downloads.trust.suspects(b"10.0.0.1 " + liar)


def test_an_exclusive_block_is_taken_from_who_drips_it() -> None:
    stage = Stage(have=FULL ^ 0b1)
    suspect = b"-XX0000-" + b"s" * 12
    stage.suspect(suspect, 1)
    stage.puppet(1, have=FULL, unchokes=True, peer_id=suspect)
    stage.says(1, piece(0, 0))
    stage.puppet(3, have=FULL, unchokes=True)
    assert stage.asked(3) == []
    effects = stage.wait(EXCLUSIVE_SECONDS + 1)
    assert Discard(0) in effects
    assert Send(1, (m.Cancel(0, CHUNK_SIZE, CHUNK_SIZE),)) in effects
    assert stage.asked(3) == [(0, 0), (0, 1)]


def test_a_suspect_poisons_no_block_that_it_shares_already() -> None:
    """Neither by what it owes nor by what it has sent: an honest neighbour would be framed with it."""
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b10, unchokes=True)
    stage.puppet(2, have=0b10, unchokes=True)
    assert stage.engine.blocks.debts.outstanding(2) == 0
    stage.says(1, piece(1, 0))
    blocks = stage.engine.blocks
    blocks.verifying |= 0b1  # another block, of both, is being checked
    sources = {stage.neighbour(key).source: key for key in (1, 2)}
    blocks._senders[0] = dict.fromkeys(sources, 1)
    opened = blocks._open[1]
    opened.asked[2] = opened.asked.pop(1)  # 2 owes what is left of 1's block
    blocks.debts[2].add(1, 0b10, stage.now)
    blocks.debts[1].drop(1, 0b10)
    stage.verifying.append(0)
    stage.heard(2)
    stage.verified(0, ok=False)
    assert stage.suspects(1)
    assert stage.suspects(2)
    assert m.Cancel(1, CHUNK_SIZE, CHUNK_SIZE) in stage.heard(2)
    for block, opened in blocks._open.items():
        suppliers = set(opened.asked) | {sources[sender] for sender in opened.senders}
        assert opened.exclusive, block
        assert len(suppliers) == 1, block


def test_a_suspect_goes_on_with_the_blocks_that_are_its_own() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b11, unchokes=True)
    stage.says(1, piece(1, 0))
    stage.suspect(bytes([1]) * 20)
    source = stage.neighbour(1).source
    assert stage.suspects(1)
    assert stage.engine.blocks.quarantine(1, source) == []
    stage.puppet(2, have=0b11, unchokes=True)
    assert stage.engine.blocks._open[1].senders.keys() == {source}
    assert stage.asked(2) == [], "while its owner may go on with it"
    stage.says(1, piece(1, 1))
    assert stage.verifying == [1]


# --- framing


ORIGIN = ("10.0.0.99", 6881)
ORIGIN_ID = b"O" * 20


def with_origin(**options: Any) -> Stage:
    """A peer that has dialled its origin, neighbour 99."""
    stage = Stage(**options)
    stage.note(stage.engine.peers_found([PeerAddress("origin", *ORIGIN, ORIGIN_ID, origin=True)], stage.now))
    stage.puppet(99, have=FULL, unchokes=True, outgoing=True, peer_id=ORIGIN_ID, address=ORIGIN)
    return stage


@pytest.mark.parametrize("own_id", [b"a" * 20, b"z" * 20])
@pytest.mark.parametrize("ip", [ORIGIN[0], "10.0.0.66"])
def test_nobody_evicts_the_origin_by_connecting_under_its_public_id(own_id: bytes, ip: str) -> None:
    stage = with_origin(peer_id=own_id)
    for key in range(1, 20):
        stage.connect(key, address=(ip, 40000 + key))
        stage.greet(key, peer_id=ORIGIN_ID)
        stage.wait(1.0)
        stage.says(99, m.KeepAlive())
    assert set(stage.engine.neighbours) == {99}


@pytest.mark.parametrize("ip", [ORIGIN[0], "10.0.0.66"])
def test_who_poses_as_the_origin_before_it_is_known_neither_replaces_it_nor_gets_it_banned(ip: str) -> None:
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True, peer_id=ORIGIN_ID, address=(ip, 40001))
    spoil(stage, 0, 1)
    spoil(stage, 1, 1)
    assert set(stage.hung_up) == {1}, "its liar is found out"
    stage.puppet(2, have=FULL, peer_id=ORIGIN_ID, address=("10.0.0.67", 40002))
    told = PeerAddress("origin", *ORIGIN, ORIGIN_ID, origin=True)
    assert stage.note(stage.engine.peers_found([told], stage.now)) == [Dial(ORIGIN)], (
        "it is dialled all the same"
    )
    stage.puppet(99, have=FULL, unchokes=True, outgoing=True, peer_id=ORIGIN_ID, address=ORIGIN)
    assert set(stage.engine.neighbours) == {99}, "and takes the place of the other impostor"
    assert stage.neighbour(99).origin


def test_a_peer_that_an_impostor_got_banned_is_still_dialled_and_answered() -> None:
    stage = Stage()
    ana = PeerAddress("ana", "10.0.0.5", 6881, b"A" * 20)
    stage.puppet(1, have=FULL, unchokes=True, peer_id=ana.bt_id, address=("10.0.0.66", 40001))
    spoil(stage, 0, 1)
    spoil(stage, 1, 1)
    assert stage.engine.banned == 1
    assert stage.note(stage.engine.peers_found([ana], stage.now)) == [Dial((ana.ip, ana.port))]
    stage.connect(2, address=(ana.ip, 50000))
    stage.greet(2, peer_id=ana.bt_id)
    assert 2 in stage.engine.neighbours


def test_a_liar_that_was_dialled_is_banned_by_where_it_was_whatever_it_says_it_is() -> None:
    stage = Stage()
    liar = PeerAddress("liar", "10.0.0.66", 6881, b"x" * 20)
    stage.note(stage.engine.peers_found([liar], stage.now))
    stage.puppet(1, have=FULL, unchokes=True, outgoing=True, peer_id=b"y" * 20, address=("10.0.0.66", 6881))
    spoil(stage, 0, 1)
    spoil(stage, 1, 1)
    again = [PeerAddress("liar", "10.0.0.66", 6881, bytes([n]) * 20) for n in range(10)]
    assert not [e for e in stage.note(stage.engine.peers_found(again, stage.now)) if isinstance(e, Dial)]
    assert not [e for e in stage.wait(300.0) if isinstance(e, Dial)]
