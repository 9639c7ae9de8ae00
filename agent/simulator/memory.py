"""A camera's memory: what it counted, by the hours of its own clock, and its running counters."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from agent.contract.times import utc_of
from agent.simulator.buckets import Bucket, Run, buckets
from agent.simulator.movement import SECOND, Movement, missed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.simulator.installation import Camera
    from agent.simulator.shop import Shop

HOUR = timedelta(hours=1)
DAYS_KEPT_EXTRA = 8  # beyond the memory

Sight = dict[str, Movement]  # what this camera saw on one day by place
Seen = list[tuple[Sight, int, int]]  # with the stretch of that day, in milliseconds


class Hour(NamedTuple):
    """One row: its local text, the UTC interval it stands for by the camera's clock, and what was seen in it."""

    local: datetime
    start: int
    end: int
    begun: bool
    finished: bool
    seen: Seen


class Counters(NamedTuple):
    """The running counters since they last began, over all lines."""

    entered: int
    left: int
    since: float


class Memory:
    """Everything the camera could tell. Its hours are those of its own clock; what happened is the shop's."""

    def __init__(self, camera: Camera, shop: Shop, now: Callable[[], float]) -> None:
        self.camera = camera
        self.zone = ZoneInfo(camera.zone) if camera.zone else shop.zone
        self.history_days = shop.scenario.history_days
        self._shop = shop
        self._now = now
        self._began = now()
        self._cleared = -math.inf
        self._sights: dict[date, Sight] = {}
        self._lines = {f"line:{line.number}": line for line in camera.line}
        self._dark: list[tuple[int, int]] = []
        self._dark_since: int | None = None
        self._frozen = math.inf if camera.clock_frozen is None else self.moment(camera.clock_frozen)

    # ---- its clock and its power

    def moment(self, when: float | datetime) -> float:
        """UTC seconds of a moment of the scenario: seconds since the start, or a time."""
        return when.timestamp() if isinstance(when, datetime) else self._began + when

    def clock(self) -> float:
        """What the camera believes the time is, in UTC seconds."""
        return min(self._now(), self._frozen) + self.camera.clock_skew

    def local(self) -> datetime:
        """The camera's own local time, without zone as it shows it."""
        return datetime.fromtimestamp(self.clock(), tz=self.zone).replace(tzinfo=None)

    def _really(self, shown: float) -> int:
        """When, in milliseconds, the camera's clock came to show this; now where it never does or did not yet."""
        real = shown - self.camera.clock_skew
        now = self._now()
        return int((now if real > self._frozen else min(real, now)) * SECOND)

    @property
    def is_dark(self) -> bool:
        """Whether it is without power."""
        return self._dark_since is not None

    def power_cut(self) -> None:
        """Nothing is counted from now on."""
        self._dark_since = self._dark_since or int(self._now() * SECOND)

    def power_back(self) -> None:
        """It counts again; its hours and counters were kept."""
        if self._dark_since is not None:
            self._dark.append((self._dark_since, int(self._now() * SECOND)))
            self._dark_since = None

    def clear_counters(self) -> None:
        """The running counters begin again, as by hand on the device; its hours stay."""
        self._cleared = self._now()

    # ---- its hours

    def hours(self, since: datetime, until: datetime, days: int, step: timedelta = HOUR) -> Iterator[Hour]:
        """The hours (or shorter steps) that touch [since, until], both included, as far back as it remembers."""
        oldest = datetime.combine(self.local().date() - timedelta(days=days), time())
        shown = self.clock()
        if max(since, oldest) > until:
            return
        for bucket in buckets(max(since, oldest), until, step, self.zone, self.camera.fold, shown):
            yield self._hour(bucket, shown)

    def steps(self, since: float, until: float, seconds: int) -> Iterator[Hour]:
        """The whole steps of UTC within [since, until), for devices that keep UTC themselves."""
        shown = self.clock()
        for start in range(-(-int(since) // seconds) * seconds, int(until) - seconds + 1, seconds):
            local = datetime.fromtimestamp(start, self.zone).replace(tzinfo=None)
            yield self._hour(Bucket(local, (Run(local, start, start + seconds),)), shown)

    def _hour(self, bucket: Bucket, shown: float) -> Hour:
        local, runs = bucket
        begun = runs[0].start <= shown
        seen = [part for run in runs if begun for part in self._seen(self._really(run.start), self._really(run.end))]
        return Hour(local, runs[0].start, runs[-1].end, begun, runs[-1].end <= shown, seen)

    def _seen(self, start: int, end: int) -> Seen:
        """[start, end) in real milliseconds without the stretches in the dark, by local day of the shop."""
        return [
            (self._sight(piece.date), piece.start, piece.end)
            for lit_start, lit_end in self._lit(start, end)
            for piece in self._shop.pieces(lit_start, lit_end)
        ]

    def _lit(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        running = [] if self._dark_since is None else [(self._dark_since, end)]
        for dark, light in self._dark + running:
            if start < dark < end:
                yield start, dark
            if dark < end and start < light:
                start = light
        if start < end:
            yield start, end

    def _sight(self, local: date) -> Sight:
        if local not in self._sights:
            if len(self._sights) > self._shop.scenario.history_days + DAYS_KEPT_EXTRA:
                del self._sights[next(iter(self._sights))]
            self._sights[local] = self._look(local)
        return self._sights[local]

    def _look(self, local: date) -> Sight:
        """What the camera saw of a day of the shop, its misses drawn from the seed."""
        day = self._shop.day(local).movements
        sight = dict(day)
        for line in self.camera.line:
            sight[f"line:{line.number}"] = missed(
                day[line.counts], self._rng(local, f"line:{line.number}"), line.miss_in, line.miss_out
            )
        for region in self.camera.region:
            watched = day[region.watches]
            stays = watched._replace(ins=watched.starts, outs=watched.ends)
            rng = self._rng(local, f"region:{region.number}")
            sight[f"region:{region.number}"] = missed(stays, rng, region.miss, 0)
        return sight

    def _rng(self, local: date, place: str) -> Random:
        return Random(f"{self._shop.scenario.seed}:{self.camera.id}:{place}:{local}")  # noqa: S311 - a simulation

    # ---- its numbers

    def crossings(self, seen: Seen, number: int) -> tuple[int, int]:
        """In and out of a line as the camera tells them; 0 for a line that was not drawn."""
        place = f"line:{number}"
        line = self._lines.get(place)
        if line is None:
            return 0, 0
        entered = sum(sight[place].entered(start, end) for sight, start, end in seen)
        left = sum(sight[place].left(start, end) for sight, start, end in seen)
        return (left, entered) if line.inverted else (entered, left)

    def visits(self, seen: Seen, number: int) -> int:
        """Persons who entered a region; 0 for a region that was not drawn."""
        place = f"region:{number}"
        return sum(sight[place].entered(start, end) for sight, start, end in seen if place in sight)

    def person_seconds(self, seen: Seen) -> int:
        """Time that all persons in view spent there, in the scale of this model."""
        sources = self.camera.sources
        spent = sum(sight[source].person_ms(start, end) for sight, start, end in seen for source in sources)
        return int(spent * self.camera.heat_scale) // SECOND

    def counters(self) -> Counters:
        """The running counters of this moment."""
        since = max(self._counting_since(), self._cleared)
        seen = self._seen(int(since * SECOND), int(self._now() * SECOND))
        both = [self.crossings(seen, line.number) for line in self.camera.line]
        return Counters(sum(entered for entered, _ in both), sum(left for _, left in both), since)

    def totals(self, number: int) -> tuple[int, int]:
        """In and out of one line since the running counters last began."""
        since = max(self._counting_since(), self._cleared)
        return self.crossings(self._seen(int(since * SECOND), int(self._now() * SECOND)), number)

    def present(self, number: int, moment: float) -> int:
        """How many are in a region at a moment of the camera's clock."""
        at = self._really(moment)
        [(sight, _, _)] = self._seen(at, at + 1) or [({}, 0, 0)]
        return sight[f"region:{number}"].present(at) if f"region:{number}" in sight else 0

    def _counting_since(self) -> float:
        """When the counters last began by themselves, in real UTC seconds."""
        if self.camera.counter_reset is None:
            first_day = datetime.fromtimestamp(self._began, tz=self.zone).date()
            return float(utc_of(datetime.combine(first_day, time()), self.zone))
        shown = self.local()
        reset = datetime.combine(shown.date(), self.camera.counter_reset)
        if reset > shown:
            reset -= timedelta(days=1)
        return utc_of(reset, self.zone) - self.camera.clock_skew

    def recently(self, seconds: float) -> tuple[bool, bool]:
        """Whether anybody entered, or left, one of the regions within the last seconds."""
        now = int(self._now() * SECOND)
        seen = self._seen(now - int(seconds * SECOND), now)
        places = [f"region:{region.number}" for region in self.camera.region]
        entered = any(sight[place].entered(start, end) for sight, start, end in seen for place in places)
        left = any(sight[place].left(start, end) for sight, start, end in seen for place in places)
        return entered, left

    # ---- what really happened

    def happened(self, hour: Hour) -> Iterator[tuple[str, str, int]]:
        """Of each drawn line what really crossed in an hour, before misses and inversion: (place, metric, value).

        Darkness is not part of it: people walk whether or not the camera has power.
        """
        for line in self.camera.line:
            pieces = list(self._shop.pieces(self._really(hour.start), self._really(hour.end)))
            days = [(self._shop.day(piece.date).movements[line.counts], piece) for piece in pieces]
            yield f"line:{line.number}", "in", sum(day.entered(p.start, p.end) for day, p in days)
            yield f"line:{line.number}", "out", sum(day.left(p.start, p.end) for day, p in days)
