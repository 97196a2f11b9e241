"""The commands that ask why, and which is better: their options, and what may not be asked together."""

from pathlib import Path
from typing import Annotated, Final

import typer

from minibit.cli import options
from minibit.errors import UsageError

MAX_PEERS: Final = 5000


def compare(
    picking: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Picking strategies.  [default: the scenario's]"),
    ] = None,
    choking: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Choking strategies, each with each of those."),
    ] = None,
    scenario: Annotated[
        str,
        typer.Option(metavar="NAME", help="Which swarm: one that ships with MiniBit, or your own FILE.toml."),
    ] = "classroom",
    runs: Annotated[
        int, options.whole("--runs", 1, 10_000, help="How many each; all play the same seeds.")
    ] = 10,
    peers: Annotated[
        int | None,
        options.whole("--peers", 1, MAX_PEERS, help="Peers, in the scenario's proportions."),
    ] = None,
    seed: Annotated[int, options.whole("--seed", help="The first run's; the others count on.")] = 1,
    live: Annotated[
        bool, typer.Option("--live", help="With real processes, one swarm after another.")
    ] = False,
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    json: options.Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="A line per run.")] = None,
    plot: options.Plot = None,
) -> None:
    """Hold strategies against each other: completion times, the origin's load, waste and fairness, each with
    its 95 % interval, and whether the differences are real.

    In virtual time and on every core, unless --live. The first contender is what the others are compared to.
    """
    from minibit.cli.compare import run_compare

    if live and dask:
        raise UsageError("--live runs on this machine: leave it or --dask out")
    if live and jobs is not None:
        raise UsageError("--live plays one swarm after another: leave it or --jobs out")
    options.one_place(jobs, dask)
    run_compare(
        scenario=scenario,
        picking=options.strategy_names(picking),
        choking=options.strategy_names(choking),
        runs=runs,
        peers=peers,
        seed=seed,
        live=live,
        jobs=jobs,
        dask=dask,
        as_json=json,
        csv_file=csv,
        plot_file=plot,
    )


def experiment(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which one; without, they are listed.")
    ] = None,
    runs: Annotated[
        int | None,
        options.whole("--runs", 1, 1000, help="How many of each swarm.  [default: a few, as each needs]"),
    ] = None,
    seed: Annotated[int, options.whole("--seed", help="The first run's; the others count on.")] = 1,
    full: Annotated[
        bool, typer.Option("--full", help="At the paper's size: it may take hours; it is said how long.")
    ] = False,
    jobs: options.Jobs = None,
    json: options.Json = False,
    plot: options.Plot = None,
) -> None:
    """Hold simulated swarms against published results: figure by figure, ours beside the paper's, and
    whether they agree.

    By default at a size that takes about a minute. What a paper does not say is not put in its mouth, and a
    disagreement is no failure: it is told, and the exit code is 0.
    """
    from minibit.cli.experiment import list_experiments, run_experiment

    if name is None:
        list_experiments(as_json=json)
        return
    run_experiment(name, runs=runs, seed=seed, full=full, jobs=jobs, as_json=json, plot_file=plot)


def chaos(
    seeds: Annotated[
        int | None, options.whole("--seeds", 1, 1_000_000, help="How many; 100 by default.")
    ] = None,
    first: Annotated[int, options.whole("--first", 0, help="The first of them.")] = 1,
    seed: Annotated[int | None, options.whole("--seed", 0, help="This one alone.")] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help="safety, liveness, or both.")] = "both",
    jobs: options.Jobs = None,
    dask: options.Dask = None,
    log: options.Log = None,
    json: options.Json = False,
) -> None:
    """Simulate swarms under kills, silence, partitions, clogged lines, tricklers, liars, bad disks, suspended
    machines and tracker outages, each from a seed that plays it again.

    Safety: whatever happens, nobody believes in a wrong byte, says "complete" wrongly, breaks an invariant
    or a bound, or has more than lines can carry. Liveness: once the faults stop, all become complete within
    a bound, or name what is gone. Exit code 1 if not.
    """
    from minibit.cli.chaos import run_chaos
    from minibit.lab.faults import Mode

    modes = tuple(each for each in Mode if mode in (each, "both"))
    if not modes:
        raise UsageError(f"--mode: {mode!r} is none: choose safety, liveness or both")
    if seed is not None and seeds is not None:
        raise UsageError("--seed is one and --seeds are many: leave one of them out")
    if log is not None and (seed is None or len(modes) > 1):
        raise UsageError("--log is of one run: add --seed N and --mode safety or liveness")
    options.one_place(jobs, dask)
    run_chaos(
        first=first if seed is None else seed,
        seeds=1 if seed is not None else seeds or 100,
        modes=modes,
        jobs=jobs,
        dask=dask,
        log=log,
        as_json=json,
    )


def why(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="What --log has written; without, --peer is asked."),
    ] = None,
    peer: Annotated[
        str | None, typer.Option("--peer", metavar="NAME", help="Whose view; without FILE, whom to ask.")
    ] = None,
    block: Annotated[
        int | None, options.whole("--block", 0, help="Why this block was asked of whom, and what came.")
    ] = None,
    choked: Annotated[
        str | None, typer.Option("--choked", metavar="NAME", help="Why this peer has a slot or none.")
    ] = None,
    at: Annotated[float | None, options.seconds("--at", help="As it was then.  [default: the end]")] = None,
    tracker: options.Tracker = options.DEFAULT_TRACKER,
    json: options.Json = False,
) -> None:
    """Say in plain words why a swarm did what it did.

    Without --block or --choked: why each peer is as far as it is, what it waits for, and where its blocks
    came from. A running peer is asked on its own machine, by its own user.
    """
    from minibit.cli.why import Asked, run_why

    if file is None and peer is None:
        raise UsageError("whom to ask? Name an event log, or a running peer: minibit why --peer NAME")
    if file is None and at is not None:
        raise UsageError("--at: a running peer tells how it is now: leave it out, or name a log")
    run_why(file, options.tracker_url(tracker), Asked(peer, block, choked, at), as_json=json)
