"""The commands below `minibit torrent`. Each is thin: it reads options, and calls `torrent`.

Nothing heavy is imported here: `minibit --help` reads every command's options.
"""

from pathlib import Path
from typing import Annotated

import typer

from minibit.cli import examples, options

torrent_app = typer.Typer(
    help="Make .torrent files, and see what they say.",
    epilog=examples.TORRENT,
    rich_markup_mode=None,
)


@torrent_app.command(short_help="Make a .torrent file of a file or folder.", epilog=examples.CREATE)
def create(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to share.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it.  [default: NAME.torrent]"),
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="A tracker; repeat it for more, each a tier; commas join a tier's own."
        ),
    ] = None,
    web_seed: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A web server that has the files; repeat it for more."),
    ] = None,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="A comment for people to read.")] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Peers may come from these trackers only.")
    ] = False,
    pad: Annotated[
        bool, typer.Option("--pad", help="Begin every file at a block of its own, by padding (BEP 47).")
    ] = False,
    block_size: options.BlockSize = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    json: options.Json = False,
) -> None:
    """Make a .torrent file of a file or folder, which any BitTorrent client can open."""
    from minibit.cli.torrent import run_create

    run_create(
        path,
        output=output,
        trackers=tracker or [],
        web_seeds=web_seed or [],
        comment=comment,
        private=private,
        padded=pad,
        block_size=options.block_bytes(block_size),
        overwrite=overwrite,
        as_json=json,
    )


@torrent_app.command(short_help="Show what a .torrent file says.", epilog=examples.SHOW)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .torrent file.")],
    json: options.Json = False,
) -> None:
    """Show what a .torrent file says: what is shared, and by which trackers."""
    from minibit.cli.torrent import run_show

    run_show(file, as_json=json)
