"""Strategies held against each other: who plays what, what comes of it, and what may be said of it."""

import json

import pytest
from msgspec.structs import replace

from minibit.errors import UsageError
from minibit.lab.contest import (
    METRICS,
    Contender,
    Contest,
    contenders,
    document,
    report,
    standings,
    table,
)
from minibit.lab.contest import test_in_words as said_of_the_test
from minibit.lab.scenario import plain
from minibit.lab.trial import Spread, Trial
from minibit.units import NOTHING

SCENARIO = replace(plain(2, 1 << 18, 1 << 15, upload=1 << 16), name="small")
PAIR = (Contender(picking="rarest-first"), Contender(picking="random"))


def made(seed: int, *times: float, awaited: int = 2) -> Trial:
    return Trial(
        seed, 10.0, awaited, times, times, 1.5, 0.01, (Spread(1.0, 0, 0.5, 1), Spread(2.0, 1, 1.5, 2))
    )


def played(runs: int, slower: float) -> tuple[Contest, list[Trial]]:
    """A contest of two; the second takes `slower` more seconds, and a little more with each seed."""
    contest = Contest(SCENARIO, PAIR, tuple(range(1, runs + 1)))
    first = [made(seed, 10.0 + seed, 12.0 + seed) for seed in contest.seeds]
    second = [made(seed, 10.0 + seed + slower, 12.0 + seed + slower + seed / 100) for seed in contest.seeds]
    return contest, [*first, *second]


def test_each_name_meets_each_of_the_others() -> None:
    assert contenders(None, None) == (Contender(),)
    assert [each.name for each in contenders("random, sequential", "tit-for-tat,unchoke-all")] == [
        "random + tit-for-tat",
        "random + unchoke-all",
        "sequential + tit-for-tat",
        "sequential + unchoke-all",
    ]
    assert Contender().name == "as it stands"
    assert Contender(picking="/home/ana/mine.py:Mine").name == "mine.py:Mine"


@pytest.mark.parametrize("names", ["random,", "random,random", ""])
def test_a_name_that_is_empty_or_there_twice_is_refused(names: str) -> None:
    with pytest.raises(UsageError, match=r"--picking: .*: write each name once, like rarest-first,random"):
        contenders(names, None)


def test_every_contender_plays_the_same_seeds() -> None:
    scenarios = Contest(SCENARIO, (*PAIR, Contender(choking="unchoke-all")), (3, 4)).scenarios()
    assert [(each.classes[0].picking, each.origin.choking, each.seed) for each in scenarios] == [
        ("rarest-first", "tit-for-tat", 3),
        ("rarest-first", "tit-for-tat", 4),
        ("random", "tit-for-tat", 3),
        ("random", "tit-for-tat", 4),
        ("rarest-first", "unchoke-all", 3),
        ("rarest-first", "unchoke-all", 4),
    ]


def test_an_unknown_strategy_and_too_many_runs_are_refused_before_any_is_played() -> None:
    with pytest.raises(UsageError, match="unknown picking strategy 'best'"):
        Contest(SCENARIO, (Contender(picking="best"),), (1,)).scenarios()
    with pytest.raises(UsageError, match="is too many: at most 100,000 in all"):
        Contest(SCENARIO, PAIR, tuple(range(50_001))).scenarios()


def test_a_steady_difference_over_enough_runs_is_real_and_none_is_not() -> None:
    first, second = standings(*played(8, slower=1.0))
    assert (first.complete, first.differences) == (8, {})
    median = second.differences["median"]
    assert median is not None
    assert (median.real, median.by.mean) == (True, 1.0)
    origin = second.differences["origin"]
    assert origin is not None
    assert origin.real is False  # both carried the same
    assert first.figures["last"] is not None
    assert first.figures["last"].mean == pytest.approx((12.0 + 4.5) / 10)


def test_few_runs_tell_nothing_and_say_how_many_would() -> None:
    contest, trials = played(3, slower=5.0)
    _, second = standings(contest, trials)
    assert all(each is not None and each.real is None for each in second.differences.values())
    assert (
        said_of_the_test(contest) == "real?: 3 runs are too few to tell luck from more: --runs 6 is the least"
    )
    assert "all 256 ways" in said_of_the_test(played(8, 1.0)[0])
    assert "20,000 ways, drawn by lot," in said_of_the_test(played(20, 1.0)[0])


def test_a_figure_that_one_run_lacks_is_a_dash_for_that_contender() -> None:
    contest, trials = played(8, slower=1.0)
    trials[-1] = made(8, 5.0)
    _, second = standings(contest, trials)
    assert (second.complete, second.figures["last"], second.differences["last"]) == (7, None, None)
    assert second.figures["median"] is not None
    told = report(contest, standings(contest, trials))
    whole, compared = told.grids
    last = 2 + [metric.key for metric in METRICS].index("last")
    assert whole.rows[1][1] == "7/8"
    assert whole.rows[1][last] == NOTHING != whole.rows[0][last]
    assert ("random: last ÷ D", NOTHING, NOTHING, NOTHING, "not every run has it") in compared.rows


def test_the_report_says_what_is_real_and_draws_a_curve_per_run() -> None:
    contest, trials = played(8, slower=1.0)
    told = report(contest, standings(contest, trials))
    assert told.title == "small: 2 peers, 8 runs each, seeds 1–8"
    assert told.grids[1].title == "less rarest-first"
    (median,) = (row for row in told.grids[1].rows if row[0] == "random: median")
    assert median[1:] == ("+1.0 s", "+1.0 to +1.0", "0.008", "real")
    completion, copies = told.panels
    assert len(completion.lines) == 16
    assert [line.label for line in completion.lines if line.label] == ["rarest-first", "random"]
    assert completion.lines[0].xs == [0.0, 11.0, 13.0]
    assert completion.lines[0].ys == [0.0, 50.0, 100.0]
    assert [line.ys for line in copies.lines[:3]] == [[0, 1], [0.5, 1.5], [1, 2]]
    alone = Contest(SCENARIO, PAIR[:1], (1,))
    assert len(report(alone, standings(alone, trials[:1])).grids) == 1


def test_document_and_table_hold_every_run() -> None:
    contest, trials = played(2, slower=1.0)
    trials[-1] = made(2, 5.0)
    standing = standings(contest, trials)
    told = json.loads(json.dumps(document(contest, standing)))
    assert (told["seeds"], told["live"], told["scenario"]["name"]) == ([1, 2], False, "small")
    assert [each["complete"] for each in told["contenders"]] == [2, 1]
    assert told["contenders"][1]["against_first"]["last"] is None
    assert told["contenders"][1]["runs"][1]["times"] == [5.0]
    lines = table(standing)
    assert lines[0] == ["contender", "seed", "complete", *(metric.key for metric in METRICS)]
    assert [line[:3] for line in lines[1:]] == [
        ["rarest-first", 1, True],
        ["rarest-first", 2, True],
        ["random", 1, True],
        ["random", 2, False],
    ]
    assert lines[4][3 + [metric.key for metric in METRICS].index("late")] == ""
