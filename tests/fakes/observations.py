"""Observations made by hand: what a run might have shown."""

from minibit.experiments.observation import Moment, Observation, Part


def part(name: str, completed: float | None, **more: float | str) -> Part:
    """A peer of class `kind` ("peer") that came at once, with a line of 10 bytes per second, unless told."""
    told = {
        "kind": "peer",
        "line": 10.0,
        "arrived": 0.0,
        "present": completed or 0.0,
        "uploaded": 0,
        "downloaded": 0,
    } | more
    return Part(name=name, completed=completed, **told)  # type: ignore[arg-type]


def observation(
    *parts: Part, seed: int = 1, bound: float = 10.0, moments: tuple[Moment, ...] = (), granted: int = 0
) -> Observation:
    """A run with these peers, of a share of 100 bytes that the origin sent once."""
    ended = max((each.completed or 0.0 for each in parts), default=0.0)
    return Observation(seed, ended, bound, 100, granted, 100, parts, moments)
