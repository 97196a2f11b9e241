"""A budget of bytes: never more than it allows, but for one that is alone."""

from minibit.serve.budget import Budget


def test_what_is_held_together_has_a_limit() -> None:
    budget = Budget(100)
    assert budget.take(60)
    assert not budget.take(60)
    assert budget.take(40)
    budget.give(60)
    assert budget.take(60)
    assert budget.held == 100


def test_one_that_is_beyond_the_limit_is_held_alone() -> None:
    budget = Budget(100)
    assert budget.take(500)
    assert not budget.take(1)
    budget.give(500)
    assert budget.take(1)
