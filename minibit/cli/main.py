"""The command line. Each command is thin: it reads options, calls one room, and shows what that says.

Heavy imports happen inside the commands, so that `minibit --help` answers at once. `main` is the one
place where errors become exit codes: 0 what was asked for happened, 1 it did not, 2 it could not be
asked for like that, 130 Ctrl-C.
"""

import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from copy import copy
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, TextIO, cast

import typer
import typer.main

from minibit import __version__
from minibit.cli import examples, options, strategy
from minibit.cli.questions import chaos, compare, experiment, why
from minibit.cli.torrent_app import torrent_app
from minibit.errors import MinibitError, StrategyError, UsageError
from minibit.screen.outlet import BROKEN_PIPE, Outlet
from minibit.text import one_line
from minibit.wire.encryption import Encryption

SWARM_STALL_TIMEOUT: Final = 600.0  # s; nobody may be there to read why nothing moves
MAX_PEERS: Final = 100  # processes
MAX_SIMULATED: Final = 5000
MIN_HELP_WIDTH: Final = 30
MAX_HELP_WIDTH: Final = 78

app = typer.Typer(
    name="minibit",
    help="Share a file among many machines, and watch how the swarm does it.",
    epilog=examples.ALL,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(short_help="Share a file or folder: the tracker and its origin.", epilog=examples.TRACKER)
def tracker(
    share: options.Share = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines join, :: over IPv6 too.")
    ] = "127.0.0.1",
    port: Annotated[int, options.port("--port", help="The tracker's port; 0 for any.")] = 5000,
    origin_port: Annotated[int, options.port("--origin-port", help="The origin's port; 0 for any.")] = 0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that this machine is reached by; repeat it for more."),
    ] = None,
    grant: options.Grant = "30-50",
    block_size: options.BlockSize = None,
    upload_limit: options.UploadLimit = None,
    encryption: options.Encrypt = Encryption.ALLOW,
    web_seed: Annotated[
        bool, typer.Option("--web-seed", help="Also serve the share over HTTP, to whoever asks (BEP 19).")
    ] = False,
    choking: options.Choking = "tit-for-tat",
    seed: options.Seed = None,
    log: options.Log = None,
    json: options.Json = False,
    until_eof: options.UntilEof = False,
) -> None:
    """Share a file or folder: run the tracker and the origin, the peer that holds everything.

    Without --share, a small bundled sample is shared. With --json, the document says where it listens.
    """
    from minibit.cli.tracker import run_tracker

    run_tracker(
        share=share,
        host=host,
        port=port,
        origin_port=origin_port,
        allow_hosts=tuple(allow_host or ()),
        grant=options.grant_parts(grant),
        block_size=options.block_bytes(block_size),
        upload_limit=options.limit(upload_limit or "0", "--upload-limit"),
        encryption=encryption,
        web_seed=web_seed,
        choking=options.strategy_name(choking),
        seed=seed,
        log=log,
        as_json=json,
        until_eof=until_eof,
    )


@app.command(short_help="Join a swarm, fetch what it shares, help the others.", epilog=examples.PEER)
def peer(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What this peer is called; each active peer needs its own.")
    ],
    port: options.Port,
    tracker: options.Tracker = options.DEFAULT_TRACKER,
    torrent: options.Torrent = None,
    magnet: options.MagnetLink = None,
    lan: options.Lan = False,
    dht: options.Nodes = None,
    web_seed: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web server that has the files, as a last resort; repeat it."),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the files go.  [default: ./NAME]")
    ] = None,
    overwrite: options.Overwrite = False,
    leave_when_done: options.LeaveWhenDone = False,
    upload_limit: options.UploadLimit = None,
    download_limit: options.DownloadLimit = None,
    encryption: options.Encrypt = Encryption.ALLOW,
    picking: options.Picking = "rarest-first",
    choking: options.Choking = "tit-for-tat",
    timeout: Annotated[
        float | None,
        options.seconds("--timeout", help="How long to look for the tracker, or the metadata."),
    ] = None,
    stall_timeout: options.StallTimeout = None,
    host: Annotated[
        str | None, typer.Option(help="Where to listen.  [default: as far as the tracker can be reached]")
    ] = None,
    seed: options.Seed = None,
    log: options.Log = None,
    until_eof: options.UntilEof = False,
) -> None:
    """Join a swarm: fetch what the tracker shares, and help others to it.

    What is already in the folder is checked and kept, so a peer that was stopped goes on where it was.
    """
    from minibit.cli.peer import run_peer
    from minibit.peer.peer import PeerSettings

    run_peer(
        PeerSettings(
            name=options.peer_name(name),
            port=port,
            tracker=options.tracker_url(tracker),
            folder=directory or Path(name),
            torrent=torrent,
            magnet=options.magnet_link(magnet, torrent),
            lan=lan,
            dht=options.dht_nodes(dht or []),
            web_seeds=options.web_addresses(web_seed),
            upload_limit=options.limit(upload_limit or "0", "--upload-limit"),
            download_limit=options.limit(download_limit or "0", "--download-limit"),
            encryption=encryption,
            picking=options.strategy_name(picking),
            choking=options.strategy_name(choking),
            timeout=timeout,
            stall_timeout=stall_timeout,
            leave_when_done=leave_when_done,
            seed=seed,
            host=host,
            overwrite=overwrite,
            log=log,
        ),
        until_eof=until_eof,
    )


@app.command(short_help="Show a tracker's swarm: who holds what, who serves whom.", epilog=examples.STATUS)
def status(
    tracker: options.Tracker = options.DEFAULT_TRACKER,
    watch: Annotated[bool, typer.Option("--watch", help="Keep the table up to date until Ctrl-C.")] = False,
    json: options.Json = False,
) -> None:
    """Show the swarm of a tracker: who holds which blocks, and who uploads to whom."""
    from minibit.cli.status import run_status

    if watch and json:
        raise UsageError("--json is one document and --watch has no end: leave one of them out")
    run_status(options.tracker_url(tracker), watch=watch, as_json=json)


@app.command(short_help="Run a whole swarm here, watch it, verify every copy.", epilog=examples.SWARM)
def swarm(
    peers: Annotated[
        int | None,
        options.whole(
            "--peers", 1, MAX_SIMULATED, help="Peers besides the origin.  [default: 5, or the scenario's]"
        ),
    ] = None,
    share: options.Share = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Keep each peer's files and log here.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Play one that ships with MiniBit, or your own FILE.toml; without a name, list them. "
            "Options given beside it take the place of what it says, for every peer; --peers keeps "
            "the proportions of its classes.",
        ),
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="In virtual time, without moving a byte.")
    ] = False,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR", help="Watch a simulation at this pace, like 10x.  [default: as fast as it goes]"
        ),
    ] = None,
    upload_limit: options.UploadLimit = None,
    download_limit: options.DownloadLimit = None,
    picking: options.PickingOrScenario = None,
    choking: options.ChokingOrScenario = None,
    grant: options.GrantOrScenario = None,
    block_size: options.BlockSize = None,
    stall_timeout: options.StallTimeout = SWARM_STALL_TIMEOUT,
    seed: options.Seed = None,
    log: options.Log = None,
    json: options.Json = False,
) -> None:
    """Run a whole swarm on this machine, watch it, and verify every copy.

    Without --share, a small bundled sample is shared, slowly enough to watch. What --share names goes
    as fast as it can.
    """
    if scenario == "":
        from minibit.cli.swarm import list_scenarios

        list_scenarios(as_json=json)
        return
    if not simulate and (peers or 0) > MAX_PEERS:
        raise UsageError(
            f"--peers: {peers} processes are too many for one machine: at most {MAX_PEERS}, "
            f"or up to {MAX_SIMULATED:,} with --simulate"
        )
    if speed and not simulate:
        raise UsageError("--speed is for virtual time: add --simulate")
    if directory and simulate:
        raise UsageError("--dir: a simulation writes no files: leave it out, or --simulate")
    with ExitStack() as ending:
        nursery = None
        if not simulate:
            from minibit.lab.nursery import Nursery

            # Before anything else: it reads its modules while we read ours.
            nursery = Nursery(options.NURSERY)
            ending.callback(nursery.close)
        from minibit.cli.swarm import run_swarm

        run_swarm(
            nursery,
            scenario=scenario,
            peers=peers,
            share=share,
            directory=directory,
            upload_limit=None if upload_limit is None else options.limit(upload_limit, "--upload-limit"),
            download_limit=None
            if download_limit is None
            else options.limit(download_limit, "--download-limit"),
            picking=None if picking is None else options.strategy_name(picking),
            choking=None if choking is None else options.strategy_name(choking),
            grant=None if grant is None else options.grant_parts(grant),
            block_size=options.block_bytes(block_size),
            stall_timeout=stall_timeout,
            seed=seed,
            log=log,
            as_json=json,
            speed=options.pace(speed),
        )


app.command(short_help="Say why: a pick, a choke, a slow peer.", epilog=examples.WHY)(why)
app.command(short_help="Hold strategies against each other, run by run.", epilog=examples.COMPARE)(compare)
app.command(short_help="Hold swarms against published results.", epilog=examples.EXPERIMENT)(experiment)
app.command(short_help="Simulate swarms under every kind of fault.", epilog=examples.CHAOS)(chaos)


@app.command(short_help="Show a swarm again from its event log.", epilog=examples.REPLAY)
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --log has written.")],
    speed: Annotated[
        str | None,
        typer.Option(metavar="FACTOR", help="How many times as fast as it happened, like 10x."),
    ] = None,
    at: Annotated[float | None, options.seconds("--at", help="Show this moment, and no other.")] = None,
    json: options.Json = False,
) -> None:
    """Show the table of a swarm again, live or simulated, from what --log has written.

    On a terminal, keys pause, jump and change the speed. In a pipe it goes as fast as it can.
    """
    from minibit.cli.replay import run_replay

    run_replay(file, speed=options.pace(speed) or 1.0, at=at, as_json=json)


app.add_typer(strategy.app, name="strategy")
app.add_typer(torrent_app, name="torrent", short_help="Make .torrent files, and see what they say.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"minibit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


_SINGLE: Final = {
    str(command.name or getattr(command.callback, "__name__", "")): command
    for command in app.registered_commands
}
_GROUPS: Final = {str(group.name): group for group in app.registered_groups}
COMMANDS: Final = frozenset({*_SINGLE, *_GROUPS})


@cache
def command_line(word: str) -> Callable[..., Any]:
    """What reads a command line that begins with `word`: of all commands that one, if it is one.

    To prepare all of them takes 10–20 ms, a tenth of what a peer needs before it begins.
    """
    chosen = copy(app)
    if word in COMMANDS:
        chosen.registered_commands = [_SINGLE[word]] if word in _SINGLE else []
        chosen.registered_groups = [_GROUPS[word]] if word in _GROUPS else []
    return typer.main.get_command(chosen)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code.

    Whatever becomes of standard output, a command ends tidily: 141 if nobody reads it any more, 1 with one
    line if it takes nothing more.
    """
    asked = sys.argv[1:] if arguments is None else arguments
    out, err = Outlet(sys.stdout), Outlet(sys.stderr)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        # Who only names us asks what there is, and is told as `--help` would tell.
        code = _run(asked or ["--help"])
        out.flush()
        if out.failure is not None:
            if out.code != BROKEN_PIPE:
                _fail(f"cannot write to standard output ({out.failure.strerror})", out.code)
            code = code or out.code
    return code


def _run(asked: list[str]) -> int:
    try:
        # Not standalone: Typer would turn errors into exit codes of its own, with boxes around them.
        width = max(MIN_HELP_WIDTH, min(MAX_HELP_WIDTH, shutil.get_terminal_size().columns - 2))
        words = options.with_values(asked)
        result: Any = command_line(words[0])(
            args=words, prog_name="minibit", standalone_mode=False, terminal_width=width
        )
    except StrategyError as error:
        from minibit.registry import trace_of

        if trace := trace_of(error):
            print(trace, file=sys.stderr)
        return _fail(str(error), error.exit_code)
    except MinibitError as error:
        return _fail(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except Exception as error:
        hint = getattr(error, "format_message", None)
        if hint is None:
            raise
        helpful = f"minibit {asked[0]} --help" if asked[0] in COMMANDS else "minibit --help"
        # A share may well be a .torrent file, for those who share it.
        foreign = "" if asked[0] in ("tracker", "swarm", "torrent") else options.elsewhere(_given(asked))
        return _fail(foreign or f"{hint().rstrip('.')} ({helpful} explains)", getattr(error, "exit_code", 2))
    return result if isinstance(result, int) else 0


def _given(asked: list[str]) -> list[str]:
    """The words of a command line without what `--torrent` is given."""
    return [word for before, word in pairwise(["", *asked]) if before != "--torrent"]


def _fail(message: str, code: int) -> int:
    print(f"minibit: {one_line(message)}", file=sys.stderr)
    return code
