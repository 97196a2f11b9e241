"""Where a replay stands and how fast it goes, as keys and time have it; it shows nothing itself."""

from typing import Final

from minibit import units

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
JUMP_SECONDS: Final = 5.0
KEYS: Final = "space pauses, arrows jump, [ ] slower and faster, q quits"


class Playback:
    """`position` is in seconds of the log, `speed` in such seconds per second."""

    def __init__(self, speed: float) -> None:
        self.position = 0.0
        self.speed = speed
        self.paused = False
        self.over = False  # whether somebody has seen enough

    def press(self, key: str, end: float) -> None:
        """Somebody pressed this key, while the log's end was there."""
        match key:
            case "space":
                self.paused = not self.paused
            case "[":
                self.speed = max((each for each in SPEEDS if each < self.speed), default=self.speed)
            case "]":
                self.speed = min((each for each in SPEEDS if each > self.speed), default=self.speed)
            case "left":
                self._jump(-JUMP_SECONDS * max(1.0, self.speed), end)
            case "right":
                self._jump(JUMP_SECONDS * max(1.0, self.speed), end)
            case "home":
                self.position = 0.0
            case "end":
                self.position = end
            case "q":
                self.over = True

    def elapse(self, seconds: float, end: float) -> None:
        """So much time has passed for whoever watches; nothing moves beyond the log's end."""
        if not self.paused:
            self.position = max(self.position, min(self.position + seconds * self.speed, end))

    def line(self, end: float, keys: bool) -> str:
        """How it stands, and which keys there are."""
        state = "paused" if self.paused else "end" if self.position >= end else f"{self.speed:g}x"
        there = f"replay {units.duration(self.position)} of {units.duration(end)}, {state}"
        return f"{there}   {KEYS}" if keys else there

    def _jump(self, seconds: float, end: float) -> None:
        self.position = max(0.0, min(self.position + seconds, end))
