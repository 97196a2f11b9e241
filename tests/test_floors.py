"""The house stands on its floors: who may import whom, and what the lower floors must never touch."""

import ast
from pathlib import Path

import pytest

import minibit

PACKAGE = Path(minibit.__file__).parent

# Lowest floor first; inside a floor, a file may import the files before it in the list.
FLOORS: list[list[str]] = [
    [
        "errors",
        "units",
        "bencode",
        "bitfield",
        "metainfo",
        "messages",
        "extended",
        "snapshot",
        "registration",
        "announce",
    ],
    [
        "rates",
        "connection",
        "copies",
        "strategies.view",
        "strategies.rarest_first",
        "strategies.choking_manager",
        "strategies.tit_for_tat",
        "strategies.alternatives",
        "strategies",
        "requests",
        "effects",
        "address_book",
        "neighbour",
        "offers",
        "downloads",
        "uploads",
        "engine",
        "portrait",
        "tracker.peer_manager",
        "tracker.block_distributor",
    ],
    [
        "listener",
        "storage",
        "disk",
        "share",
        "sample",
        "tracker_client",
        "link",
        "node",
        "interrupt",
        "peer",
        "tracker.tracker",
        "tracker.app",
        "tracker.server",
        "tracker.service",
    ],
    ["swarm.place", "swarm.processes"],
    ["bars", "sheet", "tables", "peer_table", "plain", "live", "commands", "cli", "__main__"],
]
"""A package's bare name stands for its `__init__`; those of `minibit`, `tracker`, `swarm` hold no code."""

EMPTY = {"", "tracker", "swarm"}
SHELL_MODULES = {"time", "asyncio", "socket", "flask", "requests", "threading", "selectors", "os"}
RANDOM_NAMES_ALLOWED = {"Random"}
ORDER = {name: (floor, place) for floor, names in enumerate(FLOORS) for place, name in enumerate(names)}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(path: Path) -> list[tuple[str, str | None]]:
    """Every import in the file, wherever it stands: (module, name imported from it)."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def house_module(module: str, name: str | None) -> str | None:
    """Which file of the house an import reaches, or None for anything outside."""
    if module.split(".")[0] != "minibit":
        return None
    inner = module.removeprefix("minibit").removeprefix(".")
    deeper = f"{inner}.{name}".removeprefix(".")
    return deeper if name is not None and deeper in FILES else inner


def test_every_file_has_its_place() -> None:
    assert set(FILES) - EMPTY == set(ORDER)


@pytest.mark.parametrize("name", sorted(set(FILES) - EMPTY))
def test_imports_go_down(name: str) -> None:
    for module, imported in imports_of(FILES[name]):
        target = house_module(module, imported)
        if target is None or target in EMPTY:
            continue
        assert ORDER[target] < ORDER[name], f"{name} imports {target}, which is not below it"


@pytest.mark.parametrize("name", [n for floor in FLOORS[:2] for n in floor])
def test_decisions_touch_no_clock_no_chance_and_no_wire(name: str) -> None:
    for module, imported in imports_of(FILES[name]):
        top = module.split(".")[0]
        assert top not in SHELL_MODULES, f"{name} imports {module}"
        if top == "random":
            assert imported in RANDOM_NAMES_ALLOWED, f"{name} uses the shared generator: random.{imported}"


def test_rooms_are_small_and_named() -> None:
    for name, path in FILES.items():
        lines = len(path.read_text().splitlines())
        assert lines <= 400, f"{name} has {lines} lines"
        assert name.split(".")[-1] not in {"utils", "helpers", "common", "misc"}
