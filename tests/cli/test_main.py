"""The command line itself: what it offers, what it refuses, and how little it imports for that."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import minibit
from minibit.cli.main import main

COMMANDS = ("tracker", "peer", "status", "swarm", "replay")
HEAVY = (
    "flask",
    "requests",
    "rich.live",
    "rich.table",
    "waitress",
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
        ("peer", ("NAME", "PORT", "--tracker", "--dir", "--leave-when-done", "--picking", "--stall-timeout")),
        ("status", ("--tracker", "--watch", "--json")),
        ("replay", ("FILE", "--speed", "--at", "--json")),
        ("swarm", ("--peers", "--share", "--seed", "--upload-limit", "--picking", "--choking", "--json")),
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
        (["swarm", "--peers", "0"], "Invalid value for '--peers'"),
        (["swarm", "--peers", "101"], "at most 100, or up to 5,000 with --simulate"),
        (["swarm", "--peers", "five"], "Invalid value for '--peers'"),
        (["swarm", "--picking", "best"], "unknown picking strategy 'best': choose rarest-first"),
        (["swarm", "--choking", "best"], "unknown choking strategy 'best': choose tit-for-tat"),
        (["swarm", "--picking", "no.such.module:Class"], "no.such.module"),
        (["swarm", "--grant", "50-30"], "--grant: '50-30' is not LOW-HIGH"),
        (["swarm", "--upload-limit", "fast"], "--upload-limit: 'fast' is not a size"),
        (["swarm", "--block-size", "-1"], "--block-size: '-1' is not a size"),
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
        (["peer", "ana", "abc"], "Invalid value for 'PORT'"),
        (["peer", "ana", "65536"], "PORT: 65536 is not a port"),
        (["peer", "a/b", "0"], "NAME: 'a/b' is not a peer's name"),
        (["peer", "..", "0"], "NAME: '..' is not a peer's name"),
        (["peer", "a\x1b[2J", "0"], "NAME: a peer's name is 1–32 printable characters"),
        (["peer", "a" * 33, "0"], "NAME: a peer's name is 1–32 printable characters"),
        (["peer", "Origin", "0"], "NAME: the name 'origin' is the tracker's own: choose another one"),
        (["peer", "ana", "0", "--tracker", "ftp://x"], "'ftp://x' is not a tracker's address: use http://"),
        (["peer", "ana", "0", "--tracker", "http://x:99999"], "is not a tracker's address"),
        (["peer", "ana", "0", "--picking", "best"], "unknown picking strategy"),
        (["peer", "ana", "0", "--upload-limit", "1Q"], "--upload-limit: '1Q' is not a size"),
        (["peer", "ana", "0", "--timeout", "-1"], "Invalid value for '--timeout'"),
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
    assert not any(path.is_file() for path in tmp_path.rglob("*") if "minibit-sample" not in path.name)


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
