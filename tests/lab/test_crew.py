"""The same runs here, on every core and on a Dask cluster: byte for byte the same results."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from minibit.errors import MinibitError, UsageError
from minibit.lab import crew
from minibit.lab.scenario import plain
from minibit.lab.trial import simulated

RUNS = [plain(2, 1 << 18, 1 << 16, upload=1 << 20, seed=seed) for seed in range(3)]


def test_every_core_gives_what_one_process_gives_in_order() -> None:
    told: list[int] = []
    here = [simulated(scenario) for scenario in RUNS]
    there = asyncio.run(crew.spread(simulated, RUNS, done=lambda at, _: told.append(at)))
    assert [pickle.dumps(each.to_json()) for each in there] == [pickle.dumps(each.to_json()) for each in here]
    assert sorted(told) == [0, 1, 2]


def test_a_cluster_of_two_workers_gives_the_same_byte_for_byte() -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: --dask is NOT tested")
    here = [simulated(scenario) for scenario in RUNS]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        there = asyncio.run(crew.spread(simulated, RUNS, dask=cluster.scheduler_address))
    assert [repr(each.to_json()) for each in there] == [repr(each.to_json()) for each in here]


def test_what_a_run_raises_comes_through() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(crew.spread(int, ["no number"]))


def test_a_worker_of_another_version_is_refused() -> None:
    with pytest.raises(MinibitError, match="give all of them the same"):
        simulated(RUNS[0], "0.0.1")


def test_no_cluster_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(crew, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install 'minibit\[dask\]'"):
        asyncio.run(crew.spread(int, ["1"], dask="tcp://127.0.0.1:1"))


@pytest.mark.parametrize(("jobs", "processes"), [(None, 2), (1, 1), (9, 3)])
def test_no_more_processes_than_were_asked_for_or_have_work(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, processes: int
) -> None:
    asked: list[int] = []

    class Counted(ThreadPoolExecutor):
        def __init__(self, workers: int, **_more: object) -> None:
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(crew, "ProcessPoolExecutor", Counted)
    monkeypatch.setattr(crew, "cores", lambda: 2)
    assert asyncio.run(crew.spread(int, ["1", "2", "3"], jobs=jobs)) == [1, 2, 3]
    assert asked == [processes]
