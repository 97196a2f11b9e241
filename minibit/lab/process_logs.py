"""The event logs of a swarm's processes: one each while they run, one in the end."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minibit.eventlog.merging import merge
from minibit.eventlog.writing import claim


class ProcessLogs:
    """Logs in `folder` that are put together in `target`; none at all if that is None."""

    def __init__(self, folder: Path, target: Path | None) -> None:
        self._folder = folder
        self._target = target
        self._paths: list[Path] = []  # those included that a user may still begin

    def arguments(self, name: str) -> list[str]:
        """What makes the process `name` log its events, in a file that is nobody else's.

        Raises:
            UsageError: a user's file is in the way.
        """
        if self._target is None:
            return []
        path = self._folder / f"{name}.jsonl"
        if path not in self._paths:
            claim(path)
            path.unlink(missing_ok=True)  # of an earlier swarm in this folder
            self._paths.append(path)
        return ["--log", str(path)]

    def put_together(
        self, *, seed: int | None, settings: Mapping[str, Any], tell: Callable[[str], None]
    ) -> None:
        """What every process saw, in one log: also of a swarm that did not come to its end."""
        if self._target is not None:
            written = [path for path in self._paths if path.exists()]
            merge(written, self._target, seed=seed, settings=settings, tell=tell)
