"""The house stands on its floors: who may import whom, and what the lower floors may touch at all."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

import minibit

PACKAGE = Path(minibit.__file__).parent

# Lowest first: a package imports only packages before it, a file only files before it in its own package.
# A name with no files of its own is a module that stands by itself.
FLOORS: list[dict[str, str]] = [
    {
        "errors": "",
        "units": "",
        "text": "",
        "address": "",
        "bitfield": "",
        "copies": "",
        "snapshot": "",
        "torrent": "bencode lenient layout metainfo torrent_file magnet web_paths",
        "wire": "messages clients extended metadata pex connection encryption opening web_remote",
        "events": "shapes kinds entries",
        "dialects": "refusal byte_ranges announce json_fields json_requests json_replies http_announce"
        " udp_announce lan krpc",
    },
    {
        "strategies": "view rarest_first choking_manager tit_for_tat alternatives asking",
        "engine": "effects outbox rates lateness idleness patience request_queue neighbour places addresses"
        " debts allowance flight recalls relief spans laggards blocks journal standing extensions metadata"
        " pex dht trust news offers contenders line downloads uploads greeting engine stalls reserve portrait"
        " chronicle",
        "tracker": "notices peer_record pool peer_manager block_distributor portrait swarm",
        "inquiry": "scene block choking progress recollection",
    },
    {
        "registry": "",
        "eventlog": "writing reading merging interview recording",
        "disk": "refusals torrents places spans storage buffers threads check ledger resume reader"
        " writer disk share cache sample secret",
        "net": "alarm pace listener ear lan dht transport web_transport encrypted utp gateway link blame"
        " node",
        "peer": "peer_id calls web_rules web_session web tracker_client membership presence attendance"
        " udp_tracker announce_client tiers announcing files introduction ending web_source web_seeds peer",
        "serve": "tracker exchange budget places visitors channel announces allowance connection_ids"
        " udp_server wsgi app web_share server service",
    },
    {
        "lab": "place scenario casting scenario_file standstill process_logs nursery child processes replay"
        " clock wires intake nap observer simulated_disk simulated_peer simulator simulated_log ceiling"
        " faults oracle chaos evidence trial crew report contest campaign stand_ins strategy_trial"
        " strategy_template",
        "experiments": "observation experiment bounds picking choking missing_piece grants catalogue",
    },
    {
        "screen": "outlet phrases bars sheet swarm_table sentences peer_table lines display keys playback"
        " report_table plots",
        "cli": "examples options running spreading torrent torrent_app tracker peer status simulate swarm"
        " replay why strategy compare experiment chaos questions main nursery",
        "__main__": "",
    },
]

# What floors 0 and 1 may use of the standard library: nothing that knows a clock, chance, a file or a wire.
# Of some modules, only these names.
PURE: dict[str, set[str] | None] = {
    **dict.fromkeys(
        ("abc", "collections", "collections.abc", "dataclasses", "enum", "functools", "itertools")
    ),
    **dict.fromkeys(("ipaddress", "math", "operator", "re", "struct", "types", "typing", "unicodedata")),
    "base64": {"b32decode"},
    "hashlib": {"sha1"},
    "json": {"JSONEncoder", "dumps", "loads"},
    "random": {"Random"},  # the type of `rng`
    "urllib.parse": {"quote_from_bytes", "unquote_to_bytes", "urlsplit"},
    "bencode2": None,  # and of other people's libraries, these
    "msgspec": {"Struct", "field", "to_builtins"},
    "msgspec.structs": {"asdict", "force_setattr", "replace"},
    "Crypto.Cipher": {"ARC4"},
}
IMPURE = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}  # of what is built in


def files_in(package: str, names: str) -> list[str]:
    return [f"{package}.{name}" for name in names.split()] or [package]


ORDER = [name for floor in FLOORS for package, names in floor.items() for name in files_in(package, names)]
DECISIONS = [
    name for floor in FLOORS[:2] for package, names in floor.items() for name in files_in(package, names)
]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {module_name(path): path for path in PACKAGE.rglob("__init__.py")}


def imports_in(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Every import, wherever it stands: (module, name imported from it)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(alias.asname for alias in node.names), "a module under another name"
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def uses_of(tree: ast.AST, module: str) -> set[str]:
    """What is used of an imported module: `b64` in `module.b64`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


def faults(name: str, source: str) -> list[str]:
    """What the file `name` reaches for that it must not."""
    found = []
    tree = ast.parse(source)
    for module, imported in imports_in(tree):
        top, _, inner = module.partition(".")
        if top == "minibit":
            target = inner
            if imported is not None and f"{inner}.{imported}".removeprefix(".") in FILES:
                target = f"{inner}.{imported}".removeprefix(".")
            if target and (target not in ORDER or ORDER.index(target) >= ORDER.index(name)):
                found.append(f"{name} imports {target}, which is not below it")
        elif name in DECISIONS:
            only = PURE.get(module)
            used = {imported} if imported is not None else uses_of(tree, module)
            if module not in PURE or (only is not None and not used <= only):
                found.append(f"{name} uses {used or ''} of {module}: no clock, chance or I/O there")
    if name in DECISIONS:
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found += [f"{name} calls {each}" for each in sorted(names & IMPURE)]
    return found


def test_every_file_has_its_place() -> None:
    assert set(FILES) - set(PACKAGES) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_go_down_and_decisions_are_pure(name: str) -> None:
    assert not faults(name, FILES[name].read_text())


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("units", "from minibit.engine.engine import Engine"),
        ("engine.rates", "def late():\n    from minibit.engine import uploads"),
        ("engine.engine", "import minibit.net.node"),
        ("engine.engine", "from minibit import engine"),
        ("tracker.swarm", "import time"),
        ("tracker.swarm", "from threading import Lock"),
        ("strategies.view", "import random\nrandom.random()"),
        ("strategies.view", "from random import choice"),
        ("torrent.metainfo", "import numpy"),
        ("torrent.metainfo", "from hashlib import file_digest"),
        ("torrent.metainfo", "import hashlib\nhashlib.file_digest"),
        ("dialects.announce", "from urllib.request import urlopen"),
        ("snapshot", "open('/etc/passwd')"),
        ("engine.engine", "now = __import__('time').time()"),
    ],
)
def test_what_would_be_noticed(name: str, source: str) -> None:
    assert len(faults(name, source)) == 1


def test_packages_say_what_they_are_and_hold_no_code() -> None:
    for name, path in PACKAGES.items():
        body = ast.parse(path.read_text())
        assert ast.get_docstring(body), f"{name or 'minibit'} does not say what it is"
        rest = [ast.unparse(statement) for statement in body.body[1:]]
        # The version is what every floor may know of the whole.
        assert [line.split(" = ")[0] for line in rest] == ([] if name else ["__version__"])


def test_rooms_are_small_and_named() -> None:
    # `requests` our module and `requests` the library would be told apart by nobody.
    libraries = {requirement.split(">")[0].split("[")[0] for requirement in requires("minibit") or ()}
    taken = {"utils", "helpers", "common", "misc", *sys.stdlib_module_names, *libraries} - {"__main__"}
    for name, path in FILES.items():
        lines = len(path.read_text().splitlines())
        assert lines <= 400, f"{name} has {lines} lines"
        assert name.split(".")[-1] not in taken, f"{name} is a library's name, or nobody's"
