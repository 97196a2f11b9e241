"""Many runs as one long step: each counts for its part of the whole."""

import asyncio
import io

from minibit.cli.spreading import spread
from minibit.screen.display import Display, ProgressCallback


class Watched(Display):
    """Remembers how far the step was said to be."""

    def __init__(self) -> None:
        super().__init__(out=io.StringIO())
        self.told: list[tuple[int, int]] = []

    def progress(self, label: str) -> ProgressCallback:
        assert label == "counting"
        return lambda done, total: self.told.append((done, total))


def test_results_are_in_order_and_the_bar_weighs_them() -> None:
    display = Watched()
    results = asyncio.run(spread(int, [("7", 3), ("8", 1)], display, "counting", jobs=1))
    assert results == [7, 8]
    assert display.told == [(0, 4), (3, 4), (4, 4)]
