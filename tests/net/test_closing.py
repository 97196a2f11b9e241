"""How a node begins and ends: threads only while it runs, everyone hung up on at once, the loop alive."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.disks import Gate
from fakes.nodes import BLOCK, bounded, running, shared, until

from minibit.errors import StorageError


def threads() -> set[str]:
    """The kinds of threads that work on a disk now."""
    return {thread.name[:-2] for thread in threading.enumerate() if thread.name.startswith("minibit-")}


def test_threads_live_as_long_as_a_node_runs(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def live() -> None:
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana:
            assert threads() == set(), "its `run` has not begun"
            await until(threads)
            assert threads() == {"minibit-read", "minibit-write"}
            await ana.stop()
            assert threads() == set()

    bounded(live)


def test_who_has_everything_writes_nothing(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def live() -> None:
        async with running("seed", share.metainfo, share.folder, seed=True):
            await until(threads)
            assert threads() == {"minibit-read"}

    bounded(live)


def test_a_node_that_cannot_begin_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = shared(tmp_path)

    async def fail() -> None:
        async with running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana:
            started: list[threading.Thread] = []
            start = threading.Thread.start

            def one_only(thread: threading.Thread) -> None:
                if not thread.name.startswith("minibit-"):
                    start(thread)
                elif started:
                    raise RuntimeError("can't start new thread")
                else:
                    started.append(thread)
                    start(thread)

            monkeypatch.setattr(threading.Thread, "start", one_only)
            await asyncio.wait([ana.task])
            assert started
            assert threads() == set()
            assert ana.listener.fileno() == -1, "its port is free"

    with pytest.raises(RuntimeError, match="can't start"):
        bounded(fail)


def test_the_loop_goes_on_while_a_slow_write_is_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = shared(tmp_path)

    async def end() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            gate = Gate(ana.storage.write)
            monkeypatch.setattr(ana.storage, "write", gate)
            ana.node.peers_found([seed.address])
            await until(gate.entered.is_set)

            ana.task.cancel()
            await until(lambda: not seed.node.engine.neighbours)  # hung up on at once
            for _ in range(100):  # a loop that waits for the disk would never come back from here
                await asyncio.sleep(0)
            assert not ana.task.done(), "a thread may still write to the files"
            ana.task.cancel()
            for _ in range(100):
                await asyncio.sleep(0)
            assert not ana.task.done(), "however often it is cancelled"

            gate.open()
            with pytest.raises(asyncio.CancelledError):
                await ana.task
            assert threads() == {"minibit-read"}, "those of the seed"
            assert 1 <= len(gate.passed) <= 2, "blocks being written, not those that wait"
            for block in gate.passed:
                written, original = memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK))
                length = share.metainfo.layout.block_length(block)
                ana.storage.read_into(written[:length], block, 0)
                seed.storage.read_into(original[:length], block, 0)
                assert written == original

    bounded(end)


def test_whether_all_files_are_present_is_seen_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = shared(tmp_path)

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            present = ana.storage.check_present
            gate = Gate(lambda _: present())
            monkeypatch.setattr(ana.storage, "check_present", lambda: gate(0))
            ana.node.peers_found([seed.address])
            await until(gate.entered.is_set)
            assert ana.node.engine.blocks.complete
            for _ in range(100):
                await asyncio.sleep(0)
            assert not ana.node.finished.is_set()
            gate.open()
            await ana.node.finished.wait()

    bounded(trade)


def test_a_file_that_vanished_before_the_end_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = shared(tmp_path)

    def gone() -> None:
        raise StorageError("it vanished")

    async def trade() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
        ):
            monkeypatch.setattr(ana.storage, "check_present", gone)
            ana.node.peers_found([seed.address])
            with pytest.raises(StorageError, match="it vanished"):
                await ana.task
            assert not ana.node.finished.is_set()

    bounded(trade)


def test_a_neighbour_that_leaves_while_its_data_is_read_gets_nothing_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibit.disk.storage._NO_WAIT", 0)
    share = shared(tmp_path)

    async def leave() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False) as ana,
            running("bia", share.metainfo, tmp_path / "bia", seed=False) as bia,
        ):
            gate = Gate(seed.storage.read_into)
            monkeypatch.setattr(seed.storage, "read_into", gate)
            ana.node.peers_found([seed.address])
            await until(gate.entered.is_set)
            await ana.stop()
            await until(lambda: not seed.node.engine.neighbours)
            assert gate.passed == []
            gate.open()
            bia.node.peers_found([seed.address])
            await bia.node.finished.wait()
            assert not seed.task.done()

    bounded(leave)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_share_can_be_learned_by_one_who_is_connected_already(tmp_path: Path, ahead: bool) -> None:
    share = shared(tmp_path)

    async def learn() -> None:
        async with (
            running("seed", share.metainfo, share.folder, seed=True) as seed,
            running("ana", share.metainfo, tmp_path / "ana", seed=False, known=False) as ana,
        ):
            await until(lambda: threads() == {"minibit-read"})  # the seed's
            if ahead:
                ana.node.peers_found([seed.address])

                def met(node: Any) -> bool:
                    return any(n.peer_id and n.known for n in node.engine.neighbours.values())

                await until(lambda: met(ana.node) and met(seed.node))
            assert not ana.node.engine.blocks.complete
            assert not ana.node.finished.is_set()
            ana.node.begin(share.metainfo, ana.storage, 0)
            ana.node.peers_found([seed.address])
            await ana.node.finished.wait()
            assert len(ana.node.engine.neighbours) == 1

    bounded(learn)
    for name in ("one", "two"):
        got = (tmp_path / "ana" / "collection" / name).read_bytes()
        assert got == (share.folder / "collection" / name).read_bytes()


def test_a_share_that_is_learned_and_lies_on_the_disk_already_is_finished(tmp_path: Path) -> None:
    share = shared(tmp_path)

    async def learn() -> None:
        async with running("ana", share.metainfo, share.folder, seed=False, known=False) as ana:
            full = (1 << share.metainfo.layout.block_count) - 1
            await asyncio.sleep(0)
            ana.node.begin(share.metainfo, ana.storage, full)
            assert ana.node.finished.is_set()
            assert threads() == {"minibit-read"}

    bounded(learn)
