"""`minibit torrent`: make a .torrent file of something here, and show what one says."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from minibit import __version__, units
from minibit.cli.options import web_address
from minibit.cli.running import finish
from minibit.disk import torrents
from minibit.disk.share import from_path, left_out
from minibit.errors import MinibitError, UsageError
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.phrases import blocks_phrase
from minibit.text import plain_text
from minibit.torrent import torrent_file
from minibit.torrent.magnet import Magnet
from minibit.torrent.torrent_file import TRACKER_SCHEMES, WEB_SCHEMES, TorrentFile

MAX_SHOWN_FILES: Final = 50  # of a folder, in what is meant for people


def run_create(
    path: Path,
    *,
    output: Path | None,
    trackers: list[str],
    web_seeds: list[str],
    comment: str,
    private: bool,
    padded: bool,
    block_size: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Hash `path` and write its .torrent file."""
    interrupt = Interrupt()
    tiers = tuple(
        tuple(web_address(url, TRACKER_SCHEMES, "--tracker") for url in tier.split(",")) for tier in trackers
    )
    seeds = tuple(web_address(url, WEB_SCHEMES, "--web-seed") for url in web_seeds)
    target = output or Path(f"{Path(os.path.realpath(path)).name}.torrent")
    if target.exists() and not overwrite:
        raise UsageError(f"{str(target)!r} exists already: choose another --output, or add --overwrite")

    async def create(display: Display) -> None:
        shown = display.progress("hashing")

        def progress(done: int, total: int) -> None:
            if interrupt.event.is_set():
                raise MinibitError("interrupted while hashing")
            shown(done, total)

        share = await asyncio.to_thread(
            from_path, path, block_size=block_size, private=private, padded=padded, progress=progress
        )
        if share.skipped:
            display.tell(left_out(share.skipped))
        torrent = TorrentFile(
            share.metainfo,
            tiers,
            seeds,
            plain_text(comment, torrent_file.MAX_COMMENT),
            f"MiniBit {__version__}",
            int(time.time()),
        )
        torrents.write(target, torrent)
        _show(torrent, display)
        display.tell(f"written to {target}")

    with Display(as_json=as_json) as display:
        finish(interrupt, create(display), display, waits_for="the disk")


def run_show(file: Path, *, as_json: bool) -> None:
    """Say what a .torrent file says."""
    with Display(as_json=as_json) as display:
        _show(torrents.read(file), display)


def _show(torrent: TorrentFile, display: Display) -> None:
    display.document(_document(torrent))
    for line in _lines(torrent):
        display.tell(line)


def _document(torrent: TorrentFile) -> dict[str, Any]:
    share = torrent.metainfo
    return {
        "name": share.name,
        "info_hash": share.info_hash.hex(),
        "total_size": share.layout.total_size,
        "block_size": share.layout.block_size,
        "block_count": share.layout.block_count,
        "private": share.private,
        "files": [
            {"path": "/".join(entry.path), "length": entry.length, "executable": entry.executable}
            for entry in share.files
        ],
        "links_left_out": share.links,
        "trackers": [list(tier) for tier in torrent.tiers],
        "web_seeds": list(torrent.web_seeds),
        "comment": torrent.comment,
        "created_by": torrent.created_by,
        "created": torrent.created,
        "magnet": _magnet(torrent),
    }


def _lines(torrent: TorrentFile) -> list[str]:
    share, layout = torrent.metainfo, torrent.metainfo.layout
    lines = [
        f"{share.name}: {units.size(layout.total_size)}, "
        f"{blocks_phrase(layout.block_count, layout.block_size)}, {units.count(len(share.files), 'file')}"
    ]
    if len(share.files) > 1:
        lines += [
            f"  {'/'.join(entry.path[1:])}  {units.size(entry.length)}{'  executable' * entry.executable}"
            for entry in share.files[:MAX_SHOWN_FILES]
        ]
        if len(share.files) > MAX_SHOWN_FILES:
            lines.append(f"  and {len(share.files) - MAX_SHOWN_FILES} more (--json lists all)")
    if share.links:
        lines.append(f"left out: {units.count(share.links, 'symbolic link')}")
    lines.append(f"info hash {share.info_hash.hex()}")
    if share.private:
        lines.append("private: its peers come from its own trackers only")
    lines += [f"trackers, tier {rank}: {', '.join(tier)}" for rank, tier in enumerate(torrent.tiers, 1)]
    lines += [f"web seed: {url}" for url in torrent.web_seeds]
    if torrent.comment:
        lines.append(f"comment: {torrent.comment}")
    made = [f"by {torrent.created_by}"] if torrent.created_by else []
    if torrent.created is not None:
        made.append(f"at {datetime.fromtimestamp(torrent.created, UTC):%Y-%m-%d %H:%M} UTC")
    if made:
        lines.append(f"made {' '.join(made)}")
    return [*lines, _magnet(torrent)]


def _magnet(torrent: TorrentFile) -> str:
    share = torrent.metainfo
    return str(Magnet(share.info_hash, share.name, sum(torrent.tiers, ()), torrent.web_seeds))
