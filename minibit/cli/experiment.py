"""`minibit experiment`: simulated swarms held against published results."""

from pathlib import Path
from typing import Final

from minibit.cli.running import finish
from minibit.cli.spreading import spread
from minibit.errors import MinibitError
from minibit.experiments.catalogue import EXPERIMENTS, experiment
from minibit.experiments.experiment import document, gathered, plan, report
from minibit.experiments.observation import observed
from minibit.lab import crew
from minibit.peer.ending import Interrupt
from minibit.screen.display import Display
from minibit.screen.plots import plot, plottable
from minibit.screen.report_table import report_lines, report_table
from minibit.units import count

HINT_SECONDS: Final = 10.0  # what takes less need not be told


def list_experiments(*, as_json: bool) -> None:
    """Say which there are."""
    with Display(as_json=as_json) as display:
        width = max(map(len, EXPERIMENTS))
        for each in EXPERIMENTS.values():
            display.tell(f"{each.name:{width}}  {each.about}")
        display.document(
            {
                "experiments": [
                    {"name": each.name, "about": each.about, "source": each.source}
                    for each in EXPERIMENTS.values()
                ]
            }
        )


def run_experiment(
    name: str,
    *,
    runs: int | None,
    seed: int,
    full: bool,
    jobs: int | None,
    as_json: bool,
    plot_file: Path | None,
) -> None:
    """Play its swarms, and say what agrees with what is published; `seed` is the first run's."""
    chosen = experiment(name)
    if plot_file is not None:
        plottable(plot_file)
    seeds = range(seed, seed + (runs or chosen.runs))
    cases = chosen.cases(full)
    planned = plan(cases, seeds)
    interrupt = Interrupt()
    complete = True

    async def work(display: Display) -> None:
        nonlocal complete
        wait = hint(sum(case.core_seconds for case, _ in planned) / min(jobs or crew.cores(), len(planned)))
        display.tell(
            f"{name}: {count(len(cases), 'swarm')}, {count(len(seeds), 'run')} each, simulated{wait} …"
        )
        tasks = [(case.run(each), max(1, round(case.core_seconds))) for case, each in planned]
        seen = gathered(planned, await spread(observed, tasks, display, "simulating", jobs=jobs))
        told = report(chosen, cases, seen, seeds)
        display.final(lambda: report_table(told), lambda: report_lines(told))
        display.document(document(chosen, cases, seen, seeds, full=full))
        if plot_file is not None:
            plot(told, plot_file)
            display.tell(f"the picture is {plot_file}")
        complete = all(reading.values for reading in chosen.read(cases, seen))

    with Display(as_json=as_json) as display:
        finish(interrupt, work(display), display, waits_for="the runs to end")
    if not complete:
        raise MinibitError("not every run became complete: the figures that this leaves open are dashes")


def hint(seconds: float) -> str:
    """About how long it takes; nothing of what is soon there."""
    if seconds < HINT_SECONDS:
        return ""
    if seconds < 90:
        return f", about {10 * round(seconds / 10):.0f} s"
    return f", about {seconds / 60:.0f} min" if seconds < 5400 else f", about {seconds / 3600:.1f} h"
