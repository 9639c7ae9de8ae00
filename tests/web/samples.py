"""A store as the runtime describes it, in one state after another."""

from __future__ import annotations

import math
from datetime import datetime

from agent.buffer.buffer import Tally
from agent.contract.messages import Health, LaneHealth, SensorHealth
from agent.web.view import SensorView, StoreView, UplinkView

NOW = datetime.fromisoformat("2026-11-20T15:42:10+00:00").timestamp()
SINCE = datetime.fromisoformat("2026-11-20T04:00:00+00:00").timestamp()
NAMES = ("Main door, left", "Main door, right", "Car park", "Fitting rooms")


def day(seed: int, *, gap: range = range(0)) -> tuple[float | None, ...]:
    """A shop's day until NOW, in hours."""
    hours = int((NOW - SINCE) // 3600) + 1
    shape = (max(0.0, math.sin((i - 5) / 10 * math.pi)) * (120 + 28 * seed) for i in range(hours))
    return tuple(None if i in gap else float(round(v + (i * seed * 7) % 5)) for i, v in enumerate(shape))


def sensor(index: int = 0, **changes: object) -> SensorView:
    """One that answers."""
    whole = SensorView(
        f"cam-{index + 1}",
        NAMES[index % 4],
        up=True,
        last_answer=NOW - 12 - index,
        problem="",
        entered=412 - 61 * index if index % 4 != 3 else None,
        left=377 - 60 * index if index % 4 != 3 else None,
        today=day(index + 1),
        backfill_done=336,
        backfill_total=336,
    )
    return whole._replace(**changes)


def tally(**changes: object) -> Tally:
    """A buffer that HQ has emptied."""
    whole = Tally("3f9c1a7e5b20", 4, 148_213, 148_209, 0, 0, 4, 0, int(NOW) - 12, 21_400_000, 2_147_483_648)
    return whole._replace(**changes)


def health(sensors: tuple[SensorView, ...] = (), rows: Tally | None = None) -> Health:
    """The same as HQ gets it."""
    rows = rows or tally()
    return Health(
        ts="2026-11-20T15:42:10Z",
        boot=rows.boot,
        epoch=rows.epoch,
        created=rows.created,
        acked=rows.acked,
        void=rows.void,
        dropped=rows.dropped,
        buffer_bytes=rows.used_bytes,
        buffer_cap=rows.cap_bytes,
        fresh=LaneHealth(rows=rows.unsent_fresh),
        backlog=LaneHealth(rows=rows.unsent_backlog),
        sensors=[SensorHealth(sensor=s.id, up=s.up, problem=s.problem or None) for s in sensors],
        kernels="numba",
        rss_mb=88.4,
    )


def view(**changes: object) -> StoreView:
    """A store in which all is well."""
    sensors = changes.pop("sensors", tuple(sensor(i) for i in range(4)))
    rows = changes.pop("tally", tally())
    whole = StoreView(
        store="Lisboa Chiado",
        time_zone="Europe/Lisbon",
        now=NOW,
        speed=1.0,
        sensors=sensors,
        occupancy=87,
        occupancy_since=SINCE,
        uplink=UplinkView(broker=True, hq=True, last_answer=NOW - 2, problem=""),
        tally=rows,
        room_s=41.4 * 86400,
        storing_problem="",
        configuration_problem="",
        buffer_report="",
        kernels="numba",
        rss_mb=88.4,
        version="0.1.0",
        started=NOW - 3 * 86400 - 4000,
        backfill_done=1344,
        backfill_total=1344,
        health=health(sensors, rows),
    )
    return whole._replace(**changes)


SILENT = sensor(
    2,
    up=False,
    last_answer=NOW - 3 * 3600 - 130,
    problem="no complete answer within 10 seconds",
    trouble="no answer",
    today=day(3, gap=range(8, 12)),
)
REFUSED = sensor(
    1, up=False, last_answer=None, problem="it does not accept the user name and password", today=()
)._replace(trouble="credentials refused", entered=0, left=0)
GARBLED = sensor(0, up=False, problem="line 3, column 9: 'abc' is no number", trouble="answer not understood")
PARTLY = sensor(3, problem="it answers with an error (status 500)", trouble="no answer")
CUT = UplinkView(
    broker=False,
    hq=False,
    last_answer=NOW - 3 * 3600,
    problem="no connection to the broker: [Errno 111] Connect call failed ('192.0.2.7', 8883)",
)
WAITING = tally(acked=147_006, unsent_fresh=42, unsent_backlog=1_161, oldest_unsent=int(NOW) - 3 * 3600)
FRESH = sensor(0, up=False, last_answer=None, entered=None, left=None, today=(), backfill_done=0)

STATES = {
    "working": view(),
    "cut": view(uplink=CUT, tally=WAITING),
    "silent": view(sensors=(sensor(0), sensor(1), SILENT, sensor(3))),
    "starting": view(
        sensors=tuple(FRESH._replace(id=f"cam-{i}", name=NAMES[i]) for i in range(4)),
        started=NOW - 3,
        occupancy=None,
        room_s=None,
        kernels="warming",
        uplink=UplinkView(broker=False, hq=False, last_answer=None, problem="not connected yet"),
        tally=tally(created=0, acked=0, unsent_fresh=0, oldest_unsent=None, used_bytes=90_000),
        backfill_done=0,
    ),
    "backfilling": view(speed=60.0, backfill_done=833, sensors=tuple(sensor(i, backfill_done=200) for i in range(4))),
    "refused": view(sensors=(sensor(0), REFUSED, SILENT, PARTLY)),
    "all silent": view(
        sensors=tuple(SILENT._replace(id=f"cam-{i}", name=NAMES[i]) for i in range(4)), uplink=CUT, tally=WAITING
    ),
    "storing": view(storing_problem="database or disk is full"),
    "configuration": view(
        configuration_problem=(
            '/etc/footfall/agent.toml:12: mqtt.prot: unknown key - did you mean "port"? (broker 192.0.2.7:8883)'
        ),
        buffer_report=(
            "the buffer was damaged (database disk image is malformed): agent.db.damaged is kept, 812 rows were saved"
        ),
    ),
    "losing": view(uplink=CUT, tally=WAITING._replace(dropped=12_400), room_s=0.0),
    "hq silent": view(uplink=UplinkView(broker=True, hq=False, last_answer=NOW - 3 * 3600, problem=""), tally=WAITING),
}
