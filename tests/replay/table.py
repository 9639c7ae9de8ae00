"""`python3 run.py truth`: what `footfall-agent replay` makes of worlds whose truth is known, as a table or JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from agent.kernels.registry import warm_up
from tests.replay.people import flow, stays, true_median
from tests.replay.truth import building, inside, tills, waits

MISSED = ((0.03, 0.06), (0.06, 0.03), (0.05, 0.05))
LOADS = ((2.7, 3, 0.605293691891999), (1.5, 2, 0.38991256695812143))  # erlangs, tills, exact share above one service


class Figure(NamedTuple):
    """One line: what was told, and beside it the truth, an aim or what simpler ways tell."""

    what: str
    told: float
    unit: str
    beside: str


def of_building(folder: Path) -> list[Figure]:
    found = building(folder)
    settled = found.live_end[20:].mean()
    return [
        Figure("CalIt2, 62 days: least persons inside, ever", found.least, "persons", "never below 0"),
        Figure("  plain sum at a day's end, mean", found.drift, "persons", "0 is true"),
        Figure("  told live at a day's end, mean after 20 days", settled, "persons", "clamped: never below 0"),
        Figure("  told after the night at a day's end, most", np.abs(found.night_end).max(), "persons", "0 is true"),
    ]


def of_store(folder: Path, days: int, step: int) -> list[Figure]:
    figures = []
    for missed in MISSED:
        found = inside(folder, missed, days, step)
        name = f"store, {missed[0]:.0%}/{missed[1]:.0%} missed, {days} days: error of who is inside"
        beside = f"midnight sum {found.midnight:.1f}, {found.people:.0f} inside"
        figures += [
            Figure(f"{name}, live", found.live, "persons", beside),
            Figure("  after the night", found.night, "persons", beside),
            Figure("  share of live intervals that hold the truth", found.held, "share", "0.90 said"),
        ]
    return figures


def of_queue(folder: Path) -> list[Figure]:
    figures = []
    for name in ("mm3_rho0.9", "mm3_renege"):
        found = waits(folder, name)
        now, quarter = (
            ", ".join(f"{error:.2f}" for error in one.values()) for one in (found.naive, found.interval_naive)
        )
        figures += [
            Figure(f"ciw {name}: error of the wait told to who joins now", found.now, "min", f"four formulas {now}"),
            Figure("  of each quarter of an hour", found.interval, "min", f"the same four {quarter}"),
            Figure("  mean wait of all intervals", found.by_little, "min", f"records {found.truth:.3f}"),
            Figure("  share of waits below the 90 % bound", found.below_ninety, "share", "0.90 said"),
        ]
    return figures


def of_people(folder: Path, days: int) -> list[Figure]:
    figures = []
    for missed in ((0.0, 0.0), (0.03, 0.06)):
        found = stays(folder, missed)
        name = f"28 days of minutes, {missed[0]:.0%}/{missed[1]:.0%} missed"
        figures += [
            Figure(f"{name}: share that leaves within 3 minutes", found.bounce, "share", "0.059 is true"),
            Figure("  median stay", found.median, "min", f"{true_median():.1f} is true"),
        ]
    wrong = flow(folder, days)
    return [*figures, Figure(f"{days} days, four zones: moves put in the wrong place", wrong, "share", "0 is true")]


def of_tills(folder: Path) -> list[Figure]:
    figures = []
    for load, lanes, late in LOADS:
        enough, too_few = tills(folder, load, late)
        beside = f"exact table: {lanes}, and more one part in a million further ({too_few})"
        figures.append(Figure(f"Erlang C, load {load:g}: tills that just do", enough, "tills", beside))
    return figures


def main(arguments: list[str]) -> int:
    days, step, week = (10, 15, 3) if "--short" in arguments else (60, 1, 7)
    as_json = "--json" in arguments
    warm_up()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        parts = (
            of_building,
            of_queue,
            of_tills,
            lambda place: of_store(place, days, step),
            lambda place: of_people(place, week),
        )
        for part in parts:
            for figure in part(folder):
                figures.append(figure)
                if not as_json:
                    print(f"{figure.what:72} {figure.told:9.3f} {figure.unit:8} {figure.beside}", flush=True)
    if as_json:
        print(json.dumps([figure._asdict() for figure in figures], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
