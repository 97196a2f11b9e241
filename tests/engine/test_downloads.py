"""Fetching, through the engine: interest, windows, rejections, snubs, endgame, and who is to be trusted."""

from collections.abc import Iterable

import pytest
from fakes.puppets import FULL, Stage, both, cancel, piece, reject, request, told

from minibit import bitfield, registry
from minibit.engine.downloads import REFUSAL_SECONDS, STARVING_SECONDS
from minibit.engine.effects import Announce, Dial, Discard, Effect, Send, Store, Verify
from minibit.engine.laggards import SNUB_SECONDS
from minibit.engine.neighbour import FIRST_WINDOW, MAX_WINDOW, MIN_WINDOW
from minibit.engine.news import FEW, LATE_SECONDS
from minibit.engine.portrait import figures
from minibit.engine.relief import ENDGAME_AGE
from minibit.errors import UsageError
from minibit.strategies.choking_manager import FIXED_SLOTS
from minibit.strategies.view import Pick
from minibit.torrent.layout import CHUNK_SIZE, Layout
from minibit.wire import messages as m

LONG = Layout(2000 * CHUNK_SIZE, 50 * CHUNK_SIZE)
LONG_FULL = (1 << LONG.block_count) - 1


def requests(effects: Iterable[Effect], key: int) -> list[m.Request]:
    return [
        message
        for effect in effects
        if isinstance(effect, Send) and effect.key == key
        for message in effect.messages
        if isinstance(message, m.Request)
    ]


# --- interest


def test_interest_in_who_has_what_we_miss() -> None:
    stage = Stage(have=0b11)
    stage.puppet(1, have=0b11)
    stage.puppet(2)
    assert stage.says(1, m.Haves.of(0)) == []
    assert stage.says(1, m.Haves.of(5)) == [Send(1, (m.Interested(),))]
    assert stage.says(1, m.Haves.of(6)) == [], "said once"
    assert stage.says(2, m.Haves.of(1)) == []


def test_interest_ends_with_the_last_block_that_somebody_has_for_us() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b01)
    stage.puppet(2, have=0b11, unchokes=True)
    stage.heard(2)
    stage.says(2, *both(0), *both(1))
    stage.verified(0)
    assert stage.heard(1) == [m.NotInterested()]
    stage.verified(1)
    assert stage.heard(2)[-1] == m.NotInterested()


def test_a_seed_wants_nothing() -> None:
    stage = Stage(have=FULL)
    stage.puppet(1, have=FULL)
    assert stage.says(1, m.Unchoke(), m.AllowedFast(0)) == []


def test_a_have_goes_to_those_who_need_it() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=0b1, unchokes=True)
    stage.puppet(2, have=0b1)  # has it: no news
    stage.puppet(3, have=0b1, minibit=True)  # has it, but ranks us by what we hold
    stage.puppet(4)
    stage.puppet(5, fast=False)  # has told us nothing yet: it has nothing
    stage.connect(6)
    stage.connect(7, outgoing=True)
    stage.says(1, *both(0))
    stage.verified(0)
    told = {key: stage.heard(key) for key in range(2, 8)}
    assert m.Haves.of(0) not in told[2]
    assert all(m.Haves.of(0) in told[key] for key in (3, 4, 5))
    assert told[6] == [], "nobody is told anything before the greetings"
    assert not any(isinstance(message, m.Haves) for message in told[7])


def test_of_many_who_is_choked_and_waits_for_us_is_told_late_or_when_it_is_unchoked() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b11, unchokes=True)
    crowd = [stage.puppet(key, minibit=True, interested=True) for key in range(2, FEW + 4)]
    stage.says(1, *both(0))
    stage.verified(0)
    choked = [key for key in crowd if not stage.neighbour(key).demand.unchoked]
    told = {key: stage.heard(key) for key in crowd}
    assert len(choked) == len(crowd) - FIXED_SLOTS - 1
    assert [key for key in crowd if not told[key]] == choked
    for key in crowd:
        if key not in choked:
            stage.says(key, m.NotInterested())  # its slot goes to somebody else
    for key in choked:
        heard = stage.heard(key)
        if stage.neighbour(key).demand.unchoked:
            assert heard == [m.Haves.of(0), m.Unchoke()]
        else:
            assert not heard
    stage.wait(LATE_SECONDS)
    for key in choked:
        if not stage.neighbour(key).demand.unchoked:
            assert stage.heard(key)[0] == m.Haves.of(0)


# --- asking


def test_nothing_is_asked_of_who_chokes_us() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL)
    assert stage.wait(5.0) == []
    assert stage.engine.blocks.in_flight == 0


def test_an_unchoke_opens_the_window() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL)
    effects = stage.says(1, m.Unchoke())
    assert effects == [Send(1, tuple(request(block, chunk) for block in range(8) for chunk in range(2)))]
    assert FIRST_WINDOW == 16


def test_only_what_a_neighbour_has_is_asked_of_it() -> None:
    stage = Stage(have=0b1)
    stage.puppet(1, have=0b1010_0001, unchokes=True)
    assert stage.asked(1) == [(5, 0), (5, 1), (7, 0), (7, 1)]
    stage.says(1, m.Haves.of(2))
    assert stage.asked(1) == [(2, 0), (2, 1)]


def test_chunks_of_one_read_are_stored_block_by_block() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=FULL, unchokes=True)
    run = [*both(0), piece(1, 1)]
    effects = stage.says(1, *run)
    assert [e for e in effects if isinstance(e, Store | Verify)] == [
        Store(0, run[:2]),
        Verify(0),
        Store(1, run[2:]),
    ]


@pytest.mark.parametrize("pause", [0.1, 0.6], ids=["at once", "as Transmission, at each half second"])
def test_a_quick_link_widens_its_window_to_the_limit(pause: float) -> None:
    stage = Stage(layout=LONG)
    stage.puppet(1, have=LONG_FULL, unchokes=True)
    windows = []
    for _ in range(8):
        asked = stage.asked(1)
        stage.now += pause
        for chunk in asked:
            stage.says(1, piece(*chunk))
        windows.append(stage.neighbour(1).supply.window)
        for block in list(stage.verifying):
            stage.verified(block)
    assert windows[0] == 2 * FIRST_WINDOW
    assert windows == sorted(windows)
    assert windows[-1] == MAX_WINDOW
    assert stage.engine.blocks.debts.outstanding(1) <= MAX_WINDOW


@pytest.mark.parametrize(("chunks", "least"), [(1, MIN_WINDOW), (8, 8), (50, FIRST_WINDOW)])
def test_a_slow_link_narrows_its_window_down_to_a_block(chunks: int, least: int) -> None:
    stage = Stage(layout=Layout(2000 * CHUNK_SIZE, chunks * CHUNK_SIZE))
    stage.puppet(1, have=bitfield.full(2000 // chunks), unchokes=True)
    stage.neighbour(1).supply.window = 2 * FIRST_WINDOW
    for _ in range(4):
        asked = stage.asked(1)
        stage.now += 3.0
        stage.says(1, *(piece(*chunk) for chunk in asked))
    assert stage.neighbour(1).supply.window == least


def test_a_slow_answer_does_not_widen_the_window_of_who_was_snubbed() -> None:
    stage = Stage(layout=Layout(2000 * CHUNK_SIZE, 50 * CHUNK_SIZE))
    stage.puppet(1, have=LONG_FULL, unchokes=True)
    asked = stage.asked(1)
    stage.neighbour(1).supply.window = MIN_WINDOW
    stage.now += 3.0
    stage.says(1, piece(*asked[0]))
    assert stage.neighbour(1).supply.window == MIN_WINDOW


def test_a_refusal_of_a_part_of_a_chunk_refuses_no_chunk() -> None:
    """As of the one byte that is asked of a silent neighbour to make it speak."""
    stage = Stage()
    stage.puppet(1, have=FULL, unchokes=True)
    stage.says(1, m.RejectRequest(0, 0, 1))
    assert stage.engine.blocks.debts.outstanding(1) == FIRST_WINDOW
    stage.says(1, reject(0))
    assert stage.engine.blocks.debts.outstanding(1) == FIRST_WINDOW - 1


def test_no_more_is_asked_than_a_neighbour_says_it_queues() -> None:
    stage = Stage(layout=LONG)
    stage.puppet(1, have=LONG_FULL, unchokes=True, queue=3)
    assert len(stage.asked(1)) == 3
    stage.says(1, piece(0))
    assert len(stage.asked(1)) == 1


# --- chokes and rejections


def test_a_plain_neighbour_that_chokes_forgets_what_we_asked() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, fast=False, unchokes=True)
    stage.puppet(2, have=FULL, unchokes=True)
    stage.heard(2)
    stage.says(1, m.Choke())
    assert stage.asked(2) == [(0, 0), (0, 1)]


def test_a_fast_neighbour_that_chokes_rejects_what_it_does_not_send() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL, unchokes=True)
    stage.heard(1)
    stage.heard(2)
    stage.says(1, m.Choke())
    assert stage.asked(2) == []
    stage.says(1, piece(0, 0), reject(0, 1))
    assert stage.asked(2) == [(0, 1)]
    assert stage.asked(1) == []


def test_what_a_neighbour_rejects_is_not_asked_of_it_again_and_again() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b11, unchokes=True)
    assert stage.asked(1) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for _ in range(5):
        stage.says(1, reject(0, 0), reject(0, 1))
        assert stage.asked(1) == []
    stage.wait(REFUSAL_SECONDS + 1)
    assert stage.asked(1) == [(0, 0), (0, 1)], "but it may have changed its mind"
    stage.says(1, reject(0, 0), m.Unchoke())
    assert stage.asked(1) == [(0, 0)], "and an unchoke says so"


def test_a_rejection_of_what_was_never_asked_is_nothing() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL)
    assert stage.says(1, reject(0)) == []


def test_what_is_allowed_is_asked_even_while_we_are_choked() -> None:
    stage = Stage()
    stage.puppet(1, have=FULL)
    assert stage.says(1, m.AllowedFast(3)) == [Send(1, (request(3, 0), request(3, 1)))]
    assert stage.says(1, m.AllowedFast(3)) == []
    stage.heard(1)
    stage.says(1, piece(3, 0), reject(3, 1))
    assert stage.asked(1) == [], "it is not allowed after all"


def test_blocks_that_are_allowed_together_are_chosen_from_together() -> None:
    stage = Stage()  # picks the first of them
    stage.puppet(1, have=FULL)
    asked = stage.says(1, m.AllowedFast(5), m.AllowedFast(3), m.AllowedFast(4))
    assert asked == [Send(1, tuple(request(block, chunk) for block in (3, 4, 5) for chunk in (0, 1)))]


def test_what_is_allowed_of_blocks_that_it_does_not_have_waits() -> None:
    stage = Stage()
    stage.puppet(1, have=0b1)
    assert stage.says(1, m.AllowedFast(3)) == []
    assert stage.says(1, m.Haves.of(3)) == [Send(1, (request(3, 0), request(3, 1)))]


def test_an_allowed_block_survives_a_choke() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.says(1, m.AllowedFast(1), m.Choke(), reject(0, 0), reject(0, 1))
    assert stage.engine.blocks.debts.outstanding(1) == 2
    stage.says(1, *both(1))
    assert stage.verifying == [1]


# --- snubs


def test_who_keeps_us_waiting_for_a_minute_is_snubbed_and_others_are_asked() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL)
    stage.wait(SNUB_SECONDS - 2)
    assert not stage.neighbour(1).supply.snubbed
    stage.says(2, m.Unchoke())
    stage.heard(2)
    stage.heard(1)
    stage.wait(3.0)
    assert stage.neighbour(1).supply.snubbed
    assert stage.heard(1)[:1] == [cancel(0, 0)]


def test_what_others_can_give_is_taken_back_from_who_is_snubbed() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=0b01, unchokes=True)
    stage.puppet(2, have=0b11, queue=2)
    stage.wait(SNUB_SECONDS / 2)
    stage.says(2, m.Unchoke())
    stage.wait(SNUB_SECONDS / 2)
    assert cancel(0, 0) in stage.heard(1)
    stage.says(1, reject(0, 0), reject(0, 1))  # what BEP 6 wants as an answer to a cancel
    stage.says(2, *both(1))
    assert stage.asked(2)[-2:] == [(0, 0), (0, 1)]


def test_what_nobody_else_can_give_is_not_taken_back() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL)  # chokes us
    stage.heard(1)
    stage.wait(2 * SNUB_SECONDS)
    assert stage.neighbour(1).supply.snubbed
    assert stage.heard(1) == [m.KeepAlive()]
    stage.says(1, piece(0, 0))
    assert not stage.neighbour(1).supply.snubbed
    assert stage.engine.blocks.debts.outstanding(1) == 1
    stage.says(1, piece(0, 1))
    assert stage.verifying == [0]


def test_who_is_slow_and_delivers_is_not_snubbed() -> None:
    stage = Stage(have=FULL ^ 0b1111)
    stage.puppet(1, have=FULL, unchokes=True)
    for block in range(3):
        for one in both(block):
            stage.wait(SNUB_SECONDS * 0.99 if not block else SNUB_SECONDS * 1.6)
            assert not stage.neighbour(1).supply.snubbed
            stage.says(1, one)
    stage.wait(SNUB_SECONDS * 2.9)
    assert stage.neighbour(1).supply.snubbed, "it has stopped"


def test_what_comes_late_all_the_same_is_welcome() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.wait(SNUB_SECONDS)
    effects = stage.says(1, *both(0))
    assert Verify(0) in effects
    assert not stage.neighbour(1).supply.snubbed


def test_junk_does_not_pass_for_an_answer() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    for _ in range(7):
        stage.says(1, piece(5), piece(0, 0, 100))
        stage.wait(SNUB_SECONDS / 6)
    assert stage.neighbour(1).supply.snubbed


# --- nothing comes


def test_who_is_starving_looks_for_others_also_beyond_what_it_sought() -> None:
    stage = Stage(seeks=1)
    stage.puppet(1, outgoing=True)
    stage.note(stage.engine.peers_found(told(("10.0.0.2", 6881, None)), stage.now))
    assert not [e for e in stage.wait(STARVING_SECONDS - 1) if isinstance(e, Announce | Dial)]
    effects = stage.wait(2.0)
    assert Dial(("10.0.0.2", 6881)) in effects
    assert Announce("no neighbours of use") in effects


def test_who_is_served_or_complete_is_not_starving() -> None:
    stage = Stage(have=FULL ^ 0b11)
    stage.puppet(1, have=FULL, unchokes=True)
    for one in both(0):
        stage.wait(STARVING_SECONDS - 1)
        stage.says(1, one)
    assert not stage.engine.downloads.starving(stage.now)
    stage.says(1, *both(1))
    stage.verified(0)
    stage.verified(1)
    stage.wait(2 * STARVING_SECONDS)
    assert not stage.engine.downloads.starving(stage.now)


# --- endgame


def test_endgame_asks_two_and_cancels_at_the_slower() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.puppet(2, have=FULL, unchokes=True)
    assert stage.asked(2) == []
    stage.wait(ENDGAME_AGE + 1)
    assert stage.asked(2) == [(0, 1)], "the one that would come last"
    stage.heard(1)
    stage.says(2, piece(0, 1))
    assert stage.heard(1) == [cancel(0, 1)]
    stage.says(1, piece(0, 0))
    assert stage.verifying == [0]


# --- bounds and contracts


def test_half_done_blocks_that_nobody_supplies_give_way_to_others() -> None:
    stage = Stage()
    stage.engine.blocks.max_open = 2
    stage.puppet(1, have=0b11, unchokes=True)
    stage.says(1, piece(0, 0))
    stage.leaves(1)
    effects = stage.says(stage.puppet(2, have=0b100), m.Unchoke())
    assert effects == [Discard(1), Send(2, (request(2, 0), request(2, 1)))]


class Stubborn:
    """Breaks the contract of a picking strategy."""

    def __init__(self, block: int) -> None:
        self.block = block

    def pick(self, view: object, now: float, rng: object) -> Pick:  # noqa: ARG002
        return Pick(self.block, 0, 0, "mine")


@pytest.mark.parametrize("block", [0, 8, 10**9, -1])
def test_a_picking_strategy_that_breaks_its_contract_is_named(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.PICKING, "stubborn", lambda: Stubborn(block))
    stage = Stage(have=0b1, picking="stubborn")
    stage.puppet(1, have=FULL)
    with pytest.raises(UsageError, match=f"Stubborn chose block {block}, not one of view.candidates"):
        stage.says(1, m.Unchoke())


def test_figures_count_what_came() -> None:
    stage = Stage(have=FULL ^ 0b1)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.neighbour(1).origin = True
    stage.puppet(2, have=FULL)
    stage.says(1, piece(0, 0))
    stage.says(2, piece(0, 1))  # which nobody asked of it: it counts as downloaded, and as nothing else
    stage.says(1, piece(0, 1))
    downloads = stage.engine.downloads
    assert (downloads.total, downloads.from_origin) == (3 * CHUNK_SIZE, 2 * CHUNK_SIZE)
    stage.verified(0)
    assert (downloads.verified, downloads.corrupt) == (1, 0)
    assert (downloads.by_origin, downloads.by_peers) == (0b1, 0)


def test_a_block_came_from_who_sent_most_of_it() -> None:
    stage = Stage(have=0)
    stage.puppet(1, have=FULL, unchokes=True)
    stage.says(1, piece(0, 0), piece(0, 1))
    stage.verified(0)
    stage.neighbour(1).origin = True
    stage.puppet(2, have=FULL)
    stage.says(1, piece(1, 0), piece(1, 1))
    stage.verified(1)
    downloads = stage.engine.downloads
    assert (downloads.by_origin, downloads.by_peers) == (0b10, 0b01)
    own = figures(stage.engine, stage.now, granted=0b111)
    assert (own.dealt_by_origin, own.dealt_by_peers) == (1, 1)
