import json

from fakes.pictures import COUNT, MIB, summary, summary_row

from minibit.snapshot import Summary


def test_a_summary_counts_only_what_was_completed_and_found_right() -> None:
    good = summary_row("ana")
    unfinished = summary_row("bia", completed_after=None)
    wrong = summary_row("caio", verified=COUNT - 1)
    assert summary(good, unfinished, wrong).complete == 1
    assert summary(good, good).identical
    assert not summary(good, unfinished).identical
    assert not summary(good, wrong).identical
    assert not summary().identical


def test_what_the_origin_carried_is_told_in_sizes_of_the_share() -> None:
    assert summary().origin_carried == 1.25
    assert Summary("s", 0, 1, 0, "", 0.0, 5, ()).origin_carried == 0.0


def test_from_peers_is_what_did_not_come_from_the_origin() -> None:
    assert summary_row("ana").from_peers == 9 * MIB
    assert summary_row("ana", downloaded=0).from_peers == 0


def test_a_summary_as_json_holds_the_figures_and_what_follows_from_them() -> None:
    document = json.loads(json.dumps(summary(summary_row("ana")).to_json()))
    assert document["identical"] is True
    assert document["complete"] == 1
    assert document["origin_carried"] == 1.25
    assert document["block_count"] == COUNT
    assert document["peers"] == [
        {
            "name": "ana",
            "completed_after": 18.4,
            "downloaded": 12 * MIB,
            "from_origin": 3 * MIB,
            "from_peers": 9 * MIB,
            "given": 70,
            "verified": COUNT,
        }
    ]
