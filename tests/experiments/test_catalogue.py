"""Every experiment is there by its name, and can be played as it is described."""

import pytest

from minibit.errors import UsageError
from minibit.experiments.catalogue import EXPERIMENTS, experiment


def test_there_are_five() -> None:
    assert list(EXPERIMENTS) == ["bounds", "picking", "choking", "missing-piece", "grant"]
    assert all(name == each.name for name, each in EXPERIMENTS.items())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cases_have_names_of_their_own_and_full_is_more_work(name: str) -> None:
    chosen = experiment(name)
    for full in (False, True):
        names = [case.name for case in chosen.cases(full)]
        assert len(set(names)) == len(names)
    work = [sum(case.core_seconds for case in chosen.cases(full)) for full in (False, True)]
    assert work[1] > 3 * work[0]
    assert chosen.source
    assert chosen.notes


def test_an_unknown_one_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="there is no experiment 'nope': choose bounds, picking"):
        experiment("nope")
