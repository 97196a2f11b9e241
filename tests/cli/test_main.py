"""The command line itself: what it offers, what it refuses, and how little it imports for that."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer.main import get_command

import minibit
from minibit.cli import examples
from minibit.cli.main import COMMANDS as MAIN
from minibit.cli.main import app, command_line, main

COMMANDS = ("tracker", "peer", "status", "swarm", "replay")
HEAVY = (
    "flask",
    "requests",
    "rich.live",
    "rich.table",
    "httptools",
    "asyncio",
    "bencode2",
    "minibit.engine.engine",
)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that `arguments` are refused with."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("minibit: ")
    assert err.count("\n") == 1
    return err


def test_a_strategy_that_is_none_is_named_before_the_share_is_hashed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.cli.tracker._hashed", lambda *_: pytest.fail("hashed in vain"))
    assert "unknown choking strategy 'best'" in refused(capsys, "tracker", "--choking", "best", "--port", "0")


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for command in COMMANDS:
        assert f"\n  {command} " in out
    assert "minibit swarm --peers 5" in out


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("tracker", ("--share", "--host", "--port", "--grant", "--upload-limit", "--choking", "--json")),
        ("peer", ("NAME", "PORT", "--tracker", "--dir", "--leave-when-done", "--timeout", "--stall-timeout")),
        ("status", ("--tracker", "--watch", "--json")),
        (
            "swarm",
            ("--peers", "--share", "--seed", "--upload-limit", "--picking", "--stall-timeout", "--json"),
        ),
        ("replay", ("FILE", "--speed", "--at", "--json")),
    ],
)
def test_each_command_explains_itself(
    capsys: pytest.CaptureFixture[str], command: str, options: tuple[str, ...]
) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for option in options:
        assert option in out
    assert "until-eof" not in out, "an option for processes, not for people"


def test_minibit_alone_is_the_formatted_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    asked = capsys.readouterr()
    assert main([]) == 0
    assert capsys.readouterr() == asked


def test_a_command_is_summed_up_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", ["80", "40"])
def test_examples_stay_as_they_are_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main([command, "--help"]) == 0
    shown = [line.strip() for line in capsys.readouterr().out.split("Examples:")[1].strip().splitlines()]
    written = [line.strip() for line in getattr(examples, command.upper()).splitlines()]
    assert shown == written[-len(shown) :]
    assert all(line.startswith(f"minibit {command}") and len(line) < 79 for line in shown)


def words_of(example: str) -> list[str]:
    """The arguments of an example, up to a pipe; an ellipsis is an info hash, which no line has room for."""
    words = shlex.split(example.replace("…", 40 * "a"), comments=True)[1:]
    return words[: words.index("|")] if "|" in words else words


@pytest.mark.parametrize(
    ("word", "known"), [("peer", {"peer"}), ("torrent", {"torrent"}), ("pear", set(MAIN)), ("", set(MAIN))]
)
def test_of_all_commands_only_the_one_that_is_asked_for_is_prepared(word: str, known: set[str]) -> None:
    assert getattr(command_line(word), "commands").keys() == known  # noqa: B009
    assert command_line(word) is command_line(word), "and once"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_understood(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    ran: list[str] = []
    monkeypatch.setattr(f"minibit.cli.{command}.run_{command}", lambda *_, **__: ran.append(command))
    monkeypatch.setattr("minibit.cli.swarm.list_scenarios", lambda **_: ran.append(command))
    lines = [line for line in getattr(examples, command.upper()).splitlines() if "minibit" in line]
    for line in lines:
        assert main(words_of(line)) == 0, line
    assert len(ran) == len(lines) > 1


def numbers() -> Iterator[tuple[str, Any]]:
    """Every command with each of its options that takes a number."""
    commands: dict[str, Any] = getattr(get_command(app), "commands")  # noqa: B009
    for registered in app.registered_commands:
        assert registered.callback is not None
        kinds = get_type_hints(registered.callback)
        for option in commands[registered.callback.__name__].params:
            if kinds.get(option.name) in (int, float, int | None, float | None):
                yield registered.callback.__name__, option


@pytest.mark.parametrize(("command", "option"), list(numbers()), ids=lambda each: getattr(each, "name", each))
def test_no_number_is_refused_in_the_words_of_a_library(
    capsys: pytest.CaptureFixture[str], command: str, option: Any
) -> None:
    before = ["ana"] if command == "peer" else []
    if option.param_type_name == "argument":
        said = refused(capsys, command, *before, "some")
    else:
        said = refused(capsys, command, *before, *(["0"] if before else []), option.opts[0], "some")
    assert "'some' is not a" in said
    assert "Input should" not in said


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("sw", ["swarm"]),
        ("swarm --pi", ["--picking"]),
        ("peer --picking r", ["rarest-first", "random"]),
        ("swarm --choking t", ["tit-for-tat"]),
    ],
)
def test_a_shell_completes_what_is_typed(typed: str, completions: list[str]) -> None:
    words = f"minibit {typed}"
    asked = {
        "_MINIBIT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "minibit"], env=os.environ | asked, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, completions, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to install it for")
def test_completion_installs_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{shlex.quote(sys.executable)} -m minibit --install-completion; exit $?"],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / ".bashrc").read_text().split("source ")[1:]
    assert "_MINIBIT_COMPLETE" in Path(line.strip().strip("'")).read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_on_a_narrow_terminal_breaks_no_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out.split("Examples:")[0]
    assert [line for line in text.splitlines() if len(line) > 40] == []


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"minibit {minibit.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    """In a process of its own, where nothing is imported yet."""
    helps = [["--help"], *([command, "--help"] for command in COMMANDS)]
    program = (
        "import sys\n"
        "from minibit.cli.main import main\n"
        f"codes = [main(arguments) for arguments in {helps!r}]\n"
        "print('codes', codes)\n"
        "print('modules', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    codes, modules = done.stdout.splitlines()[-2:]
    assert codes == f"codes {[0] * len(helps)}"
    assert "minibit.cli.main" in modules.split()
    assert not set(HEAVY) & set(modules.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "No such command 'fly'"),
        (["swarm", "--fast"], "No such option"),
        (["swarm", "--peers", "0"], "--peers: 0 is out of range; choose a whole number from 1 to 5000"),
        (["swarm", "--peers", "101"], "at most 100, or up to 5,000 with --simulate"),
        (["swarm", "--peers", "five"], "--peers: 'five' is not a whole number; choose one from 1 to 5000"),
        (["swarm", "--seed", "one"], "--seed: 'one' is not a whole number; choose one, like 7"),
        (["swarm", "5"], "Got unexpected extra argument(s) (5) (minibit swarm --help explains)"),
        (["swarm", "--picking", "best"], "unknown picking strategy 'best': choose rarest-first"),
        (["swarm", "--choking", "best"], "unknown choking strategy 'best': choose tit-for-tat"),
        (["swarm", "--picking", "no.such.module:Class"], "no.such.module"),
        (["swarm", "--grant", "50-30"], "--grant: '50-30' is not LOW-HIGH"),
        (["swarm", "--upload-limit", "fast"], "--upload-limit: 'fast' is not a size"),
        (["swarm", "--block-size", "-1"], "--block-size: '-1' is not a size"),
        (["tracker", "--host", "192.0.2.1", "--port", "0"], "(not an address of this machine): use 0.0.0.0"),
        (["tracker", "--port", "70000"], "--port: 70000 is not a port"),
        (["tracker", "--origin-port", "-1"], "--origin-port: -1 is not a port"),
        (["tracker", "--grant", "30"], "--grant: '30' is not LOW-HIGH"),
        (["tracker", "--grant", "30-101"], "the default is 30-50"),
        (["tracker", "--grant", "a-b"], "is not LOW-HIGH"),
        (["tracker", "--block-size", "3K"], "choose a power of two"),
        (["tracker", "--choking", "best", "--port", "0"], "unknown choking strategy 'best'"),
        (["tracker", "--share", "/no/such/file"], "No such file or directory; check the path"),
        (["peer"], "Missing argument 'NAME'"),
        (["peer", "ana"], "Missing argument 'PORT'"),
        (["peer", "ana", "abc"], "PORT: 'abc' is not a port; choose 1024–65535"),
        (["peer", "ana", "a\x1b[2J"], "PORT: 'a\\x1b[2J' is not a port"),
        (["peer", "film.torrent"], "is a torrent: join its swarm by"),
        (["peer", "film.torrent", "5001"], "is a torrent: join its swarm by"),
        (["peer", "ana", "5001", "film.torrent"], "is a torrent: join its swarm by"),
        (["magnet:?xt=urn:btih:ab"], "a magnet link: join its swarm by minibit peer NAME PORT --magnet"),
        (["peer", "ana", "film.torrent"], "is a torrent: join its swarm by"),
        (["peer", "ana", "0", "--tracker", "magnet:?xt=urn:btih:ab"], "a magnet link: join its swarm by"),
        (["peer", "ana", "0", "--torrent", "magnet:?xt=urn:btih:ab"], "a magnet link: join its swarm by"),
        (["peer", "ana", "0", "--magnet", "http://x"], "'http://x' is not a magnet link: it begins with"),
        (["peer", "ana", "0", "--magnet", "magnet:?dn=x"], "this magnet link has no info hash: xt=urn:btih:"),
        (["peer", "ana", "0", "--magnet", "magnet:?xt=urn:btmh:1220ab"], "is of version 2 alone (BEP 52)"),
        (
            ["peer", "ana", "0", "--dht", "x"],
            "--dht: 'x' is no node: use HOST:PORT, or public",
        ),
        (
            ["peer", "ana", "0", "--torrent", "x", "--magnet", "magnet:?xt=urn:btih:ab"],
            "--magnet and --torrent both name a swarm",
        ),
        (["status", "--tracker", "a.torrent"], "is a torrent: join its swarm by"),
        (["peer", "ana", "65536"], "PORT: 65536 is not a port"),
        (["peer", "a/b", "0"], "NAME: 'a/b' is not a name: a peer's name is 1–32 letters, digits"),
        (["peer", "..", "0"], "NAME: '..' is not a name: a peer's name is"),
        (["peer", "a\x1b[2J", "0"], "is not a name: a peer's name is 1–32 letters, digits"),
        (["peer", "a" * 33, "0"], "is not a name: a peer's name is 1–32 letters, digits"),
        (["peer", "Origin", "0"], "NAME: the name 'Origin' is the tracker's own: choose another one"),
        (["peer", "ana", "0", "--tracker", "ftp://x"], "'ftp://x' is not a tracker's address: use http://"),
        (["peer", "ana", "0", "--tracker", "http://x:99999"], "is not a tracker's address"),
        (["peer", "ana", "0", "--picking", "best"], "unknown picking strategy"),
        (["peer", "ana", "0", "--upload-limit", "1Q"], "--upload-limit: '1Q' is not a size"),
        (["peer", "ana", "0", "--timeout", "-1"], "--timeout: '-1' is not a number of seconds"),
        (["peer", "ana", "0", "--timeout", "nan"], "--timeout: 'nan' is not a number of seconds"),
        (["peer", "ana", "0", "--timeout", "inf"], "write it like 30 or 0.5"),
        (["swarm", "--share", "/no/such/file"], "No such file or directory; check the path"),
        (["swarm", "--dir", "/dev/null"], "--dir: cannot write to '/dev/null' (File exists)"),
        (["swarm", "--dir", "/dev/null/x"], "--dir: cannot write to '/dev/null/x' (Not a directory)"),
        (["status", "--watch", "--json"], "--json is one document and --watch has no end"),
        (["status", "--tracker", "http://"], "is not a tracker's address"),
    ],
)
def test_a_mistake_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert words in refused(capsys, *arguments)
    assert not any(path.is_file() for path in tmp_path.rglob("*") if path.parent != tmp_path / "minibit")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.mark.parametrize("option", ["--port", "--origin-port"])
def test_a_tracker_on_a_taken_port(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, taken_port: int, option: str
) -> None:
    (tmp_path / "film.bin").write_bytes(b"x" * 1000)
    share = ["--share", str(tmp_path / "film.bin"), "--port", "0"]
    said = refused(capsys, "tracker", *share, option, str(taken_port))
    assert f"cannot listen on 127.0.0.1:{taken_port}" in said
    assert "choose another port" in said


def test_a_peer_on_a_taken_port(capsys: pytest.CaptureFixture[str], tmp_path: Path, taken_port: int) -> None:
    said = refused(capsys, "peer", "ana", str(taken_port), "--dir", str(tmp_path / "ana"))
    assert f"cannot listen on 127.0.0.1:{taken_port}" in said
    assert not (tmp_path / "ana").exists()


def test_a_share_without_a_byte(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "hollow" / "inner").mkdir(parents=True)
    (tmp_path / "empty.bin").touch()
    for name in ("hollow", "empty.bin"):
        said = refused(capsys, "tracker", "--port", "0", "--share", str(tmp_path / name))
        assert "has no bytes to share: choose a file or folder that is not empty" in said


def test_a_tracker_that_does_not_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        nobody = f"http://127.0.0.1:{sock.getsockname()[1]}"

    arguments = ["ana", "0", "--tracker", nobody, "--dir", str(tmp_path / "ana"), "--timeout", "1"]
    assert main(["peer", *arguments]) == 1
    out, err = capsys.readouterr()
    retries = out.splitlines()
    assert len(retries) >= 2
    assert all(line.startswith(f"no answer from the tracker at {nobody} ") for line in retries)
    assert all("Trying again in " in line for line in retries)
    assert err.startswith("minibit: gave up after 1 s: no answer from the tracker")
    assert err.count("\n") == 1

    assert main(["status", "--tracker", nobody, "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"minibit: no answer from the tracker at {nobody} (Connection refused): is it running there?\n"
    )


def test_rates_may_be_written_as_they_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    # What is wrong here is the last option: the rate before it was understood.
    said = refused(capsys, "peer", "ana", "0", "--upload-limit", "1.5 MiB/s", "--tracker", "ftp://x")
    assert "ftp://x" in said


def test_an_interrupted_command_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minibit.cli.status.run_status", interrupted)
    assert main(["status"]) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ("peer", "x" * 6000, "0"),
        ("peer", "ana", "0", "--tracker", f"http://{'x' * 6000}:5000", "--timeout", "0"),
        ("peer", "ana", "0", "--tracker", f"http://127.0.0.1:1/{'x' * 6000}", "--timeout", "0"),
        ("tracker", "--share", "/" + "x" * 6000),
        ("swarm", "--dir", "/dev/null/" + "x" * 6000, "--share", "/" + "x" * 6000),
        ("swarm", "--picking", "x" * 6000),
        ("swarm", "--" + "x" * 6000),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_six_thousand_characters_make_a_short_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert main(list(arguments)) != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 1100
