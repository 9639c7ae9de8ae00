"""Messages that devices send: read, counted once, and answered for only when they are committed.

Messages that come while a commit is under way share the next one, and the stores' cameras send on the minute, so that
a store writes once a minute and not once a camera.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from agent.contract.times import MINUTE
from agent.drivers.base import Garbled
from agent.runtime.poller import fit
from agent.runtime.post import Post
from agent.runtime.pushes import Dated, Made, close, take
from agent.runtime.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.buffer.buffer import Buffer
    from agent.contract.observation import Observation
    from agent.drivers.base import Listener, Pushed
    from agent.foundation.clock import Clock
    from agent.runtime.book import Condition
    from agent.runtime.doubt import Doubt

log = structlog.get_logger()

GATHER = 0.2  # real seconds in which further messages join a commit
MOST_WAITING = 500  # messages that wait for a commit; one has at most some hundred kB of rows
AT_ONCE = 100  # messages of one commit
AGAIN_AFTER = 2.0  # real seconds until a disk that took nothing is tried again
PRINT = 16  # characters kept of a fingerprint, 64 bits
MISSING = 3  # messages that may be missing before a sensor counts as silent


class NotStored(Exception):
    """The buffer cannot take it now; whoever sent it should send it again."""


@dataclass
class Box:
    """One sensor whose messages are taken.

    counters: running totals count from its messages; else the poller asks for them. asks_nothing: its messages are all
    that tells how it is.
    """

    sensor: str
    driver: Listener
    condition: Condition
    post: Post
    seen: Seen
    counters: bool = True
    asks_nothing: bool = True
    stored: str = ""  # the post as the file has it

    def shift(self, by: int) -> None:
        """Our own clock was set."""
        self.post.shift(by)


class _Mail(NamedTuple):
    box: Box
    pushed: Pushed
    received: float
    done: asyncio.Future[bool]


class Inbox:
    """Takes messages for the sensors that send. `run` commits them."""

    def __init__(self, boxes: Sequence[Box], buffer: Buffer, clock: Clock, doubt: Doubt | None = None) -> None:
        self.boxes: Mapping[str, Box] = {box.sensor: box for box in boxes}
        self._buffer, self._clock, self._doubt = buffer, clock, doubt
        self._mail: list[_Mail] = []
        self._came = asyncio.Event()
        for box in boxes:
            box.stored = json.dumps(box.post.dump())

    async def put(self, sensor: str, body: bytes, content_type: str, headers: Mapping[str, str]) -> bool:
        """Read a message and keep what it counts; False where it was kept before. Returns after the commit.

        Raises:
            Garbled: nothing of it can be understood.
            NotStored: the buffer does not take it, or too many wait.
        """
        box = self.boxes[sensor]
        if len(self._mail) >= MOST_WAITING:
            raise NotStored(f"{MOST_WAITING} messages wait already")
        try:
            pushed = box.driver.receive(body, content_type, headers)
        except Garbled as error:
            self._trouble(box, error)
            raise
        if not (pushed.rows or pushed.crossings):  # running totals: the next message tells them again
            self._note(box, pushed)
            return True
        if not pushed.fingerprint:
            pushed = pushed._replace(fingerprint=hashlib.sha256(body).hexdigest())
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._mail.append(_Mail(box, pushed, self._clock.now(), done))
        self._came.set()
        return await done

    def _note(self, box: Box, pushed: Pushed) -> None:
        """Take in what needs no commit of its own: some cameras tell their totals many times a second."""
        now = self._clock.now()
        self._well(box, now, pushed)
        if pushed.clock is not None and not pushed.again:
            box.post.time.heard(pushed.clock, now)
            self._tell_time(box)
        take(box.post, box.sensor, Dated(pushed, int(now), box.post.time.believed), counters=box.counters)

    async def run(self) -> None:
        """Commit what comes, and what minutes that end add, until cancelled."""
        minute = int(self._clock.now()) // MINUTE
        while True:
            await self._wait(minute)
            batch, self._mail = self._mail[:AT_ONCE], self._mail[AT_ONCE:]
            now = int(self._clock.now())
            if self._doubt and self._doubt.look():
                minute, batch = now // MINUTE, [mail._replace(received=float(now)) for mail in batch]
            ended = now // MINUTE > minute
            if await self._commit(batch, now if ended else None) and ended:
                minute = now // MINUTE
                self._look_for_silence(now)

    async def _wait(self, minute: int) -> None:
        """Until a message came, and a little longer for those that come with it; at most until the minute ends."""
        if not self._mail:
            self._came.clear()
            left = self._clock.real((minute + 1) * MINUTE - self._clock.now())
            try:
                async with asyncio.timeout(max(0.01, left)):
                    await self._came.wait()
            except TimeoutError:
                return
        await asyncio.sleep(min(GATHER, self._clock.real(MINUTE) / 4))

    async def _commit(self, batch: Sequence[_Mail], now: int | None) -> bool:
        made, state, news = Made([], [], [], []), dict[str, Any](), list[bool]()
        touched: dict[str, Box] = {}
        for mail in batch:
            news.append(self._take(mail, made, state))
            touched[mail.box.sensor] = mail.box
        if now is not None:
            for box in self.boxes.values():
                before = len(made.rows) + len(made.crossings) + len(made.entries)
                _join(made, close(box.post, box.sensor, now))
                if len(made.rows) + len(made.crossings) + len(made.entries) > before:
                    touched[box.sensor] = box
        if not touched:
            return True
        state |= {state_name(box.sensor): box.post.dump() for box in touched.values()}
        rows, _ = fit(made.rows)
        crossings, _ = fit(_not_told_by_intervals(made))
        try:
            await (self._doubt or self._buffer).append(rows, made.entries, state, crossings=crossings)
        except sqlite3.OperationalError as error:
            await self._give_back(batch, touched, str(error))
            return False
        for box in touched.values():
            box.seen.commit()
            box.stored = json.dumps(state[state_name(box.sensor)])
        for mail, is_news in zip(batch, news, strict=True):
            if not mail.done.done():
                mail.done.set_result(is_news)
        return True

    def _take(self, mail: _Mail, made: Made, state: dict[str, Any]) -> bool:
        """Count a message that was not seen before; whether it was news."""
        box, pushed = mail.box, mail.pushed
        self._well(box, mail.received, pushed)
        time, now, fingerprint = box.post.time, mail.received, pushed.fingerprint[:PRINT]
        if pushed.fingerprint == box.post.print and not pushed.again and fingerprint in box.seen:
            time.heard_again(now)
        if time.doubt:  # messages of a clock that stands still may be alike
            fingerprint = f"{fingerprint[: PRINT // 2]}{int(now) // MINUTE:08x}"
        if fingerprint in box.seen:
            return False
        if pushed.clock is not None and not pushed.again and pushed.fingerprint != box.post.print:
            time.heard(pushed.clock, now)
        box.post.print = pushed.fingerprint
        self._tell_time(box)
        found = take(box.post, box.sensor, Dated(pushed, int(now), time.believed), counters=box.counters)
        if found.problems:
            self._trouble(box, found.problems[0])
        _join(made, found)
        state |= box.seen.add(fingerprint, now)
        return True

    async def _give_back(self, batch: Sequence[_Mail], touched: Mapping[str, Box], why: str) -> None:
        """Forget what was not stored, and say so to whoever sent it."""
        log.error("push_not_stored", messages=len(batch), why=why)
        for box in touched.values():
            box.post = replace(Post.load(json.loads(box.stored)), patience=box.post.patience)
            box.seen.rollback()
        for mail in batch:
            if not mail.done.done():
                mail.done.set_exception(NotStored(why))
        await asyncio.sleep(AGAIN_AFTER)

    # ---- how the sensors are

    def _well(self, box: Box, now: float, pushed: Pushed) -> None:
        condition = box.condition
        if condition.last_answer is None:
            log.info("sensor_sends", sensor=box.sensor)
        elif condition.problem and not pushed.problems and box.asks_nothing:
            log.info("sensor_returned", sensor=box.sensor)
        condition.last_answer = max(now, condition.last_answer or now)
        if pushed.problems:
            self._trouble(box, pushed.problems[0])
        elif box.asks_nothing:
            condition.problem = condition.trouble = ""
        condition.up = True

    @staticmethod
    def _tell_time(box: Box) -> None:
        condition, time = box.condition, box.post.time
        if time.doubt != condition.doubt:
            log.warning("sensor_clock", sensor=box.sensor, what=time.doubt or "goes evenly again")
        condition.offset, condition.doubt = time.offset, time.doubt

    def _trouble(self, box: Box, error: Garbled) -> None:
        if not box.condition.problem:
            # Not its raw text: messages carry pictures and the ids of persons.
            log.warning("push_not_understood", sensor=box.sensor, why=str(error))
        box.condition.problem, box.condition.trouble = str(error), "answer not understood"

    def unreachable(self, sensors: Sequence[str], why: str) -> None:
        """Say of sensors that nothing of theirs can come in."""
        for box in (self.boxes[sensor] for sensor in sensors):
            if box.asks_nothing and not box.condition.problem:
                box.condition.up, box.condition.problem, box.condition.trouble = False, why, "no answer"

    def _look_for_silence(self, now: int) -> None:
        """Say of a sensor that sends at known times that nothing comes any more."""
        for box in self.boxes.values():
            last = box.condition.last_answer
            if box.asks_nothing and box.condition.up and last is not None and now - last > box.condition.patience:
                why = f"it sent nothing for {(now - last) // MINUTE:.0f} minutes"
                log.warning("sensor_silent", sensor=box.sensor, why=why)
                box.condition.up, box.condition.problem, box.condition.trouble = False, why, "no answer"


def _not_told_by_intervals(made: Made) -> list[Observation]:
    """The crossings but those that came in the same commit as an interval that tells of them."""
    spans: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for row in made.rows:
        spans.setdefault(row[:3], []).append((row.start, row.end))
    return [row for row in made.crossings if not any(start <= row.start < end for start, end in spans.get(row[:3], ()))]


def patience(every: int) -> float:
    """How long a sensor need not be heard of that sends so often; for ever where nobody knows how often."""
    return MISSING * every + MINUTE if every else math.inf


def _join(made: Made, more: Made) -> None:
    made.rows.extend(more.rows)
    made.crossings.extend(more.crossings)
    made.entries.extend(more.entries)
    made.problems.extend(more.problems)


async def load_box(sensor: str, driver: Listener, condition: Condition, buffer: Buffer) -> Box:
    """A sensor's box as it was last committed."""
    stored = await buffer.state(state_name(sensor))
    post = Post.load(stored) if stored else Post()
    if post.last:
        condition.last_answer = float(post.last)
        condition.offset, condition.doubt = post.time.offset, post.time.doubt
    return Box(sensor, driver, condition, post, await Seen.load(buffer, sensor))


def state_name(sensor: str) -> str:
    """Under which name what is remembered of a sensor's messages is kept in the buffer."""
    return f"push:{sensor}"
