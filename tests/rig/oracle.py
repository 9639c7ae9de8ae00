"""The oracle: compares what the cameras served with what HQ holds. It stands outside and trusts nothing of ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR = 3600
SETTLED = 90  # seconds after its end from which a camera's answer for an interval is its last word
LOG, LIVE = 0, 1
SHOWN = 12  # findings kept as text, so that a failing run says which


class Served(NamedTuple):
    """An interval as a camera last answered for it."""

    sensor: str
    kind: str
    place: str
    metric: str
    start: int
    end: int
    value: float
    served_at: float

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.sensor, self.place, self.metric, self.start)

    @property
    def settled(self) -> bool:
        """Whether HQ must have it as a log row."""
        return self.served_at >= self.end + SETTLED


class Kept(NamedTuple):
    """A row of HQ's table of observations; `value` None is a withdrawal."""

    sensor: str
    place: str
    metric: str
    start: int
    end: int
    value: float | None
    origin: int
    device: str
    epoch: str
    number: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.sensor, self.place, self.metric, self.start)


class Reconciliation(NamedTuple):
    """The figures of the issue, and the first findings in words."""

    served: int
    at_hq: int
    lost: int
    duplicated: int
    invented: int
    wrong: int
    findings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every number arrived once and as it was."""
        return self.served > 0 and not (self.lost or self.duplicated or self.invented or self.wrong)

    @property
    def figures(self) -> dict[str, int]:
        """The numbers alone."""
        return {name: getattr(self, name) for name in self._fields if name != "findings"}


def served_of(truth: dict[str, Any]) -> list[Served]:
    """The intervals of the simulator's `GET /truth`."""
    return [
        Served(camera, kind, place, metric, int(start), int(end), float(value), float(served_at))
        for camera, told in truth["cameras"].items()
        for kind, place, metric, start, end, value, _finished, served_at in told["rows"]
    ]


def reconcile(served: Iterable[Served], kept: Iterable[Kept], first_poll: float) -> Reconciliation:
    """What is lost, counted twice, invented or wrong at HQ; `first_poll` is when the agent began, in the store's time.

    (a) every settled interval a camera answered for must be at HQ as a log row with its end and value, and no other;
    (b) for every line and hour since the first poll, the live rows must add up to what the camera last said; of the
    hour before there are all or none.
    """
    told = list(served)
    rows = [row for row in kept if row.value is not None]
    memory = _memory(told, [row for row in rows if row.origin == LOG])
    live = _running(told, [row for row in rows if row.origin == LIVE], int(first_poll) // HOUR * HOUR)
    twice = _twice(rows)
    return Reconciliation(
        served=memory.served,
        at_hq=memory.at_hq,
        lost=memory.lost + live.lost,
        duplicated=len(twice),
        invented=memory.invented + live.invented,
        wrong=memory.wrong,
        findings=(*memory.findings, *live.findings, *twice)[:SHOWN],
    )


def _memory(told: list[Served], rows: list[Kept]) -> Reconciliation:
    """(a): the log rows one by one."""
    by_key = {row.key: row for row in rows}
    expected = [row for row in told if row.settled]
    answered = {row.key: row for row in told}
    lost = [f"lost {_words(row)}" for row in expected if row.key not in by_key]
    invented = [f"invented {_words(row)}" for row in rows if row.key not in answered]
    wrong = [
        f"wrong {_words(row)}: HQ has {by_key[key].value:g} until {by_key[key].end}"
        for key, row in answered.items()
        if key in by_key and (by_key[key].end, by_key[key].value) != (row.end, row.value)
    ]
    found = (*lost, *invented, *wrong)
    return Reconciliation(
        len(expected), len(expected) - len(lost), len(lost), 0, len(invented), len(wrong), found[:SHOWN]
    )


def _running(told: list[Served], rows: list[Kept], since: int) -> Reconciliation:
    """(b): the live rows by line and hour, in persons."""
    hours = {row.key: row.value for row in told if row.kind == "lines" and row.place.startswith("line:")}
    expected = {key: value for key, value in hours.items() if key[-1] >= since}
    at_hq: dict[tuple[str, str, str, int], float] = defaultdict(float)
    for row in rows:
        if row.place.startswith("line:") and row.metric in {"in", "out"}:
            at_hq[row.sensor, row.place, row.metric, row.start // HOUR * HOUR] += row.value or 0.0
    # An agent that begins minutes after an hour's end counts that hour, too: whole and as it was, or not at all.
    expected |= {key: hours[key] for key in at_hq if key[-1] == since - HOUR and at_hq[key] == hours.get(key)}
    lost = invented = 0
    findings = []
    for key in sorted(expected.keys() | at_hq.keys()):
        difference = round(at_hq.get(key, 0.0) - expected.get(key, 0.0))
        invented += max(0, difference)
        lost += max(0, -difference)
        if difference:
            findings.append(
                f"live {'excess' if difference > 0 else 'shortfall'} {abs(difference)} at {key}: "
                f"served {expected.get(key)}, HQ {at_hq.get(key)}"
            )
    return Reconciliation(0, 0, lost, 0, invented, 0, tuple(findings[:SHOWN]))


def _twice(rows: list[Kept]) -> list[str]:
    """Numbers that name two rows, and intervals of one series that overlap (the primary key forbids the rest)."""
    numbers = Counter((row.device, row.epoch, row.number) for row in rows)
    found = [f"number {number} names {times} rows" for number, times in numbers.items() if times > 1]
    series: dict[tuple[str, str, str, int], list[Kept]] = defaultdict(list)
    for row in rows:
        series[row.sensor, row.place, row.metric, row.origin].append(row)
    for of_one in series.values():
        ordered = sorted(of_one, key=lambda row: row.start)
        found += [f"overlap {_words(b)} with {a.start}" for a, b in pairwise(ordered) if b.start < a.end]
    return found


def _words(row: Served | Kept) -> str:
    return f"{row.sensor} {row.place} {row.metric} {row.start}..{row.end} = {row.value}"
