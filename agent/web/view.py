"""What the page shows, as plain values: the runtime fills it, the templates word it. Times are UTC seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.buffer.buffer import Tally
    from agent.contract.messages import Health


class SensorView(NamedTuple):
    """One sensor. `entered` and `left` are today's persons over its entrance lines, None where it has none.

    `today` is how many crossed its lines (or entered its regions, where it has no lines) in each hour of today, oldest
    first, None for an hour of which it told nothing.
    `trouble` is the ledger's word for what `problem` says: "no answer", "credentials refused", "answer not understood".
    """

    id: str
    name: str
    up: bool
    last_answer: float | None
    problem: str
    entered: int | None
    left: int | None
    today: tuple[float | None, ...]
    backfill_done: int
    backfill_total: int
    trouble: str = ""
    clock_offset: float | None = None  # seconds its clock is ahead, None where nobody knows
    clock_doubt: str = ""  # "stands still", "jumps"
    patience: float = 0.0  # seconds of the store's time in which it need not be heard of, as it sends by itself
    observed: float | None = None  # the share of the last hour that it told of, None before that can be said


class AlertView(NamedTuple):
    """An open alert. `since` is when it was raised, `place` where in people's words; `explained` by another alert."""

    id: str
    rule: str
    place: str
    severity: str
    state: str
    since: float
    text: str
    advice: str = ""
    flapping: bool = False
    explained: bool = False


class ZoneView(NamedTuple):
    """One zone now: persons present, persons waiting, seconds one who joins will wait, visits in the last hour, staff.

    None is what its sensors do not tell, or have not told for some minutes. `enters`: people say where staff is.
    """

    name: str
    present: float | None = None
    waiting: float | None = None
    wait_s: float | None = None
    visits: float | None = None
    staff: float | None = None  # of those who are there, as was entered today
    enters: bool = False


class LineCheck(NamedTuple):
    """What counts by hand say of a line one way (`in` or `out`): the share it counts, with its 95 % interval."""

    sensor: str
    place: str
    way: str
    by_hand: int
    by_device: int
    share: float
    lower: float
    upper: float
    seconds: int


class UplinkView(NamedTuple):
    """The line to HQ."""

    broker: bool
    hq: bool
    last_answer: float | None
    problem: str


class StoreView(NamedTuple):
    """Everything the page knows at one moment.

    `room_s` is for how many seconds of counting there is room, None until that can be told. `occupancy` None means
    that no line of the layout is an entrance, or nothing was counted yet today. `memory_only` is why there is no file.
    """

    store: str
    time_zone: str
    now: float
    speed: float
    sensors: tuple[SensorView, ...]
    occupancy: int | None
    occupancy_since: float
    uplink: UplinkView
    tally: Tally
    room_s: float | None
    storing_problem: str
    configuration_problem: str
    buffer_report: str
    kernels: str
    rss_mb: float
    version: str
    started: float
    backfill_done: int
    backfill_total: int
    health: Health
    alerts: tuple[AlertView, ...] = ()
    rules_problem: str = ""
    untold: tuple[str, ...] = ()  # those who do not take what they are told of alerts
    checks: tuple[LineCheck, ...] = ()
    memory_only: str = ""
    undated: int = 0  # rows that wait until this device knows the time
    zones: tuple[ZoneView, ...] = ()
