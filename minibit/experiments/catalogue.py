"""Every experiment by its name."""

from typing import Final

from minibit.errors import UsageError
from minibit.experiments import bounds, choking, grants, missing_piece, picking
from minibit.experiments.experiment import Experiment

EXPERIMENTS: Final[dict[str, Experiment]] = {
    each.name: each
    for each in (
        bounds.EXPERIMENT,
        picking.EXPERIMENT,
        choking.EXPERIMENT,
        missing_piece.EXPERIMENT,
        grants.EXPERIMENT,
    )
}


def experiment(name: str) -> Experiment:
    """The one of that name.

    Raises:
        UsageError: there is none.
    """
    if (found := EXPERIMENTS.get(name)) is None:
        raise UsageError(f"there is no experiment {name!r}: choose {', '.join(EXPERIMENTS)}")
    return found
