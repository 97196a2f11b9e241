from fakes.pictures import FULL, neighbour_view, peer_view, summary, summary_row, swarm_view
from msgspec.structs import replace

from minibit.screen.lines import plain_peer, plain_summary, plain_swarm
from minibit.screen.swarm_table import summary_facts
from minibit.snapshot import Figures, State


def test_a_swarm_in_lines() -> None:
    assert plain_swarm(swarm_view(("ana", "bia", "caio")), elapsed=5.0) == [
        "swarm 0:05 complete 1/3, rarest block 2 copies, origin carried 15.0 MiB (62%)",
        "origin 100% 192/192 down 0 B/s up 4.0 MiB/s fixed=ana,bia,caio optimistic=- origin",
        "ana 20% 40/192 down 1.5 MiB/s up 12.0 MiB/s fixed=bia,caio optimistic=caio downloading",
        "bia 67% 130/192 down 1.5 MiB/s up 12.0 MiB/s fixed=ana,caio optimistic=ana downloading",
        "caio 100% 192/192 down 0 B/s up 12.0 MiB/s fixed=ana,bia optimistic=bia complete",
    ]


def test_without_elapsed_the_trackers_uptime_is_said() -> None:
    assert plain_swarm(swarm_view())[0].startswith("swarm 1:23 ")


def test_a_peer_in_one_line() -> None:
    assert plain_peer(peer_view(neighbour_view("bia"))) == (
        "ana 52% 100/192 down 1.0 MiB/s up 0 B/s fixed=bia,caio optimistic=eva "
        "neighbours 1 downloading ETA 0:09"
    )
    done = peer_view(blocks=FULL, figures=Figures(state=State.COMPLETE))
    assert plain_peer(done) == (
        "ana 100% 192/192 down 0 B/s up 0 B/s fixed=- optimistic=- neighbours 0 complete"
    )


def test_the_summary_in_lines() -> None:
    assert plain_summary(summary(summary_row("ana"))) == [
        "ana complete in 18.4 s, from origin 3.0 MiB (25%), from peers 9.0 MiB (75%), "
        "given 70 (60 by the origin), verified 192/192",
        "swarm complete 1/1 in 21.4 s, origin carried 15.0 MiB = 1.2 x the share (without trading: 1 x), "
        "all copies identical",
    ]
    lost = summary_row(
        "bia", completed_after=None, downloaded=0, from_origin=0, given_by_origin=0, verified=0
    )
    assert plain_summary(summary(summary_row("ana"), lost))[1:] == [
        "bia not complete, from origin 0 B, from peers 0 B, given 70 (0 by the origin), verified 0/192",
        "swarm complete 1/2 in 21.4 s, origin carried 15.0 MiB = 1.2 x the share (without trading: 2 x), "
        "1 of 2 copies not right",
    ]


def test_lines_are_ascii_whatever_the_figures() -> None:
    nothing = replace(swarm_view(), block_count=0, rarest_copies=0, rows=())
    empty = peer_view(block_count=0, blocks=0, in_flight=0, granted=0, eta=None)
    lines = [*plain_swarm(nothing), *plain_swarm(swarm_view()), plain_peer(empty), *plain_summary(summary())]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_who_was_not_to_stay_need_not_complete_and_is_counted_apart() -> None:
    came_out = summary(summary_row("ana"), summary_row("bia", completed_after=None, stays=False))
    assert came_out.identical
    last = plain_summary(came_out)[-1]
    assert last.startswith("swarm complete 1/1 in ")
    assert last.endswith("(without trading: 2 x), all copies identical, 1 was not to stay")


def test_a_simulation_claims_no_copies() -> None:
    came_out = replace(summary(summary_row("ana")), simulated=True)
    assert plain_summary(came_out)[-1].endswith("(without trading: 1 x), simulated")
    assert summary_facts(came_out)[-1].plain == "the peer holds every block, in a simulation"
    unfinished = replace(summary(summary_row("ana", completed_after=None)), simulated=True)
    assert plain_summary(unfinished)[-1].endswith("1 of 1 not complete, simulated")
