"""A node whose files something else changes: what is spoilt is fetched again, and never called complete."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.nodes import BLOCK, bounded, running, shared, until

from minibit.errors import StorageError

COUNT = 9  # blocks


def truncate(place: Path) -> None:
    os.truncate(place, 100)


def overwrite(place: Path) -> None:
    with place.open("r+b") as file:
        file.write(b"x" * 6 * BLOCK)


@pytest.mark.parametrize("spoil", [truncate, overwrite])
@pytest.mark.parametrize("when", [1, 3, 5, COUNT - 1])
def test_a_file_spoilt_during_the_download_is_complete_only_when_it_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], when: int
) -> None:
    share = shared(tmp_path)
    events: list[str] = []

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            real, writes = ana.storage.write, 0

            def write(*arguments: Any) -> None:
                nonlocal writes
                real(*arguments)
                writes += 1
                if writes == when:
                    spoil(ana.storage.lies_at(ana.storage.unfinished[0]))

            monkeypatch.setattr(ana.storage, "write", write)
            ana.node.peers_found([seed.address])
            await ana.node.finished.wait()
            events.extend(ana.events)
            assert ana.node.engine.blocks.complete

    bounded(trade)
    for name in ("one", "two"):
        got = (tmp_path / "ana" / "collection" / name).read_bytes()
        assert got == (share.folder / "collection" / name).read_bytes()
    if when == COUNT - 1:
        assert any("spoilt on the disk" in event for event in events)


def test_a_complete_peer_whose_file_changes_ends_instead_of_lying(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def seed() -> None:
        async with running("ana", share.metainfo, share.folder, seed=False, known=False) as ana:
            await asyncio.sleep(0)
            ana.node.begin(share.metainfo, ana.storage, (1 << COUNT) - 1)
            ana.node.check_present()
            disk = ana.node._disk
            assert disk is not None
            await until(lambda: not disk.looking)
            overwrite(share.folder / "collection" / "two")
            ana.node.check_present()
            with pytest.raises(StorageError, match="two' "):
                await ana.task

    bounded(seed)


def test_a_look_at_the_files_does_not_finish_a_download(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def look() -> None:
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana:
            await until(lambda: ana.node._running)
            ana.node.check_present()
            ana.node.check_present()
            disk = ana.node._disk
            assert disk is not None
            assert disk.looking == 1, "one look at a time"
            await until(lambda: not disk.looking)
            await asyncio.sleep(0.01)
            assert not ana.node.finished.is_set()

    bounded(look)
