"""The twenty lines that a strategy of one's own begins with: they pass the trial, and play a swarm."""

import keyword
import re
import sys
from pathlib import Path
from typing import Final

from minibit.errors import UsageError

HEAD: Final = '''"""{about}; see minibit/strategies/view.py for all that a view tells."""

from random import Random

{imports}'''
PICKING_IMPORTS: Final = """from minibit import bitfield
from minibit.strategies.view import Pick, SwarmView
"""
CHOKING_IMPORTS: Final = """from minibit.strategies.choking_manager import manage
from minibit.strategies.view import Choice, NeighbourView, SwarmView
"""
BOTH_IMPORTS: Final = """from minibit import bitfield
from minibit.strategies.choking_manager import manage
from minibit.strategies.view import Choice, NeighbourView, Pick, SwarmView
"""
PICKING: Final = '''
class {name}:
    """Which block to ask for next: of what this neighbour can give, one that fewest hold."""

    def pick(self, view: SwarmView, now: float, rng: Random) -> Pick | None:
        if not view.candidates:  # a set of blocks: bit i is block i
            return None
        copies, tied = view.copies.rarest(view.candidates)
        return Pick(bitfield.choose(tied, rng), view.candidates, tied, "rarest", copies)
'''
CHOKING: Final = '''
class {name}:
    """Whom to upload to: up to 4 with the highest scores, and 1 by lot; `manage` does slots and rounds."""

    def choke(self, view: SwarmView, now: float, rng: Random) -> Choice:
        def score(neighbour: NeighbourView) -> float:
            return neighbour.received_rate(now)  # bytes per second; try neighbour.blocks.bit_count()

        return manage(view, rng, score, "bytes per second received")
'''


def write(name: str, folder: Path, *, picking: bool, choking: bool) -> tuple[Path, list[str]]:
    """Write `name`.py there; returns where, and the names of the classes, picking first.

    Raises:
        UsageError: no module may be called that, the file is there, or cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"NAME: {name!r} is no module's name: use lower case letters, digits and _, like mine"
        )
    if name in sys.stdlib_module_names or name == "minibit":
        raise UsageError(f"NAME: {name!r} is a module of Python's own or ours: choose another name")
    path = folder / f"{name}.py"
    title = "".join(part.capitalize() for part in name.split("_"))
    both = picking and choking
    classes = [f"{title}Picking", f"{title}Choking"] if both else [title]
    imports = BOTH_IMPORTS if both else PICKING_IMPORTS if picking else CHOKING_IMPORTS
    about = "Strategies of one's own" if both else "A strategy of one's own"
    parts = [HEAD.format(about=about, imports=imports)]
    if picking:
        parts.append(PICKING.format(name=classes[0]))
    if choking:
        parts.append(CHOKING.format(name=classes[-1]))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(parts))
    except FileExistsError:
        raise UsageError(f"{str(path)!r} is there already: choose another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r} ({error.strerror}): choose another folder") from None
    return path, classes
