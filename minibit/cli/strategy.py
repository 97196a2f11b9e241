"""`minibit strategy`: begin a strategy of your own, and check that it keeps the contract."""

from pathlib import Path
from typing import Annotated, Any

import typer

from minibit.cli import examples, options

app = typer.Typer(
    short_help="Write a strategy of your own, and check it.",
    help="Write a picking or choking strategy of your own, and check it before a swarm does.",
    epilog=examples.STRATEGY,
    rich_markup_mode=None,
)


@app.command(short_help="Try a strategy without a swarm.", epilog=examples.STRATEGY_CHECK)
def check(
    name: Annotated[str, typer.Argument(metavar="FILE.py:Class", help="Or module:Class, or a built-in one.")],
    json: options.Json = False,
) -> None:
    """Try a strategy on views at the edges of what it will meet.

    Its answers must be of the right form, the same for the same view and seed, and quick; it must change
    nothing, remember nothing, and touch no clock, file or network. Exit code 1 if anything is wrong.
    """
    from msgspec.structs import asdict

    from minibit.lab.strategy_trial import trial
    from minibit.registry import named
    from minibit.screen.display import Display

    found: list[dict[str, Any]] = []
    with Display(as_json=json) as display:
        for kind, strategy in named(options.strategy_name(name)):
            display.tell(f"{name} as a {kind} strategy")
            for finding in trial(strategy, kind):
                found.append({"kind": kind} | asdict(finding))
                display.tell(f"  {'ok  ' if finding.good else 'FAIL'}  {finding.tried}: {finding.seen}")
        good = all(finding["good"] for finding in found)
        if good:
            kinds = " ".join(f"--{kind} {name}" for kind in dict.fromkeys(each["kind"] for each in found))
            display.tell(f"good: minibit swarm --peers 5 {kinds}")
        display.document({"strategy": name, "good": good, "findings": found})
    if not good:
        raise SystemExit(1)


@app.command(short_help="Write the first twenty lines.", epilog=examples.STRATEGY_NEW)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the module: NAME.py is written here.")],
    picking: Annotated[bool, typer.Option("--picking", help="Which block next: the default.")] = False,
    choking: Annotated[bool, typer.Option("--choking", help="Whom to upload to.")] = False,
) -> None:
    """Write NAME.py, a strategy that works and that you change; a file that is there is left alone."""
    from minibit.lab.strategy_template import write
    from minibit.screen.display import Display

    path, classes = write(name, Path(), picking=picking or not choking, choking=choking)
    with Display() as display:
        display.tell(f"written: {path}")
        for title in classes:
            display.tell(f"  minibit strategy check {path}:{title}")
