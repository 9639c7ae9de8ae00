"""A device that sends at known times and falls silent: each minute of it ends as answered or as lost."""

import math

import pytest

from agent.drivers.base import Counter, Pushed, Row
from agent.runtime.post import Post
from agent.runtime.pushes import Dated, close, take
from agent.runtime.silences import CATCHES_UP, REASON

NOON = 1_795_089_600
QUARTER, MINUTE, HOUR = 900, 60, 3600
PATIENCE = 3 * QUARTER + MINUTE


def quarter(start, value=3.0):
    return Row("line:1", "in", start, start + QUARTER, value)


class Sender:
    """A device that tells quarters, and the ledger as its entries make it: by start, the last one counts."""

    def __init__(self, patience=PATIENCE):
        self.post, self.ledger, self.now = Post(patience=patience), {}, NOON

    def until(self, moment):
        while self.now < moment:
            self.now += MINUTE
            self._noted(close(self.post, "door", self.now))

    def sends(self, *rows, **more):
        self._noted(take(self.post, "door", Dated(Pushed(rows, **more), self.now)))

    def quarters(self, count):
        for _ in range(count):
            self.until(self.now + QUARTER)
            self.sends(quarter(self.now - QUARTER))

    def killed(self):
        """The agent is stopped and started: what it remembers is what was stored."""
        patience = self.post.patience
        self.post = Post.load(self.post.dump())
        self.post.patience = patience

    def _noted(self, made):
        for entry in made.entries:
            self.ledger[entry.start, entry.reason] = entry

    def told(self):
        return [(e.start - NOON, e.end - NOON, e.state) for e in sorted(self.ledger.values())]


@pytest.fixture
def sender():
    made = Sender()
    made.quarters(4)
    return made


def test_pending_while_it_lasts(sender):
    """Nothing is said before its patience is over; then it is pending, and every hour for an hour longer."""
    sender.until(sender.now + PATIENCE)
    assert sender.told() == []
    sender.until(sender.now + MINUTE)
    assert sender.told() == [(HOUR, HOUR + MINUTE, "pending")]
    sender.until(NOON + 6 * HOUR)
    assert sender.told() == [(HOUR, 6 * HOUR, "pending")]
    assert next(iter(sender.ledger.values())).reason == REASON


def test_sent_after_all(sender):
    """It kept what it counted, and sends it message by message: answered as soon as the last part came."""
    begin = sender.now
    sender.until(begin + 3 * HOUR)
    missed = range(begin, sender.now, QUARTER)
    for start in missed[:-1]:
        sender.sends(quarter(start))
    sender.until(sender.now + MINUTE)
    assert sender.told() == [(HOUR, 4 * HOUR, "pending")]
    sender.killed()
    sender.sends(quarter(missed[-1]))
    sender.until(sender.now + MINUTE)
    assert sender.told() == [(HOUR, 4 * HOUR, "answered")]


def test_never_sent(sender):
    """It had no power, and goes on as if nothing was: when its time to catch up is over, the rest is lost."""
    begin = sender.now
    sender.until(begin + 3 * HOUR)
    sender.sends(quarter(begin + HOUR))
    sender.quarters(3)
    assert [state for *_, state in sender.told()] == ["pending"]
    sender.killed()
    sender.quarters(CATCHES_UP // QUARTER)

    gap = [(start, end, state) for start, end, state in sender.told()]
    assert gap == [
        (HOUR, 2 * HOUR, "lost"),
        (2 * HOUR, 2 * HOUR + QUARTER, "answered"),
        (2 * HOUR + QUARTER, 4 * HOUR, "lost"),
    ]


def test_nobody_was_there_to_hear(sender):
    """An agent that was down notices with the first message how long it heard nothing."""
    sender.killed()
    sender.now += 5 * HOUR
    sender.sends(quarter(sender.now - QUARTER))
    sender.until(sender.now + MINUTE)
    assert sender.told() == [(HOUR, 6 * HOUR, "pending")]


def test_totals_tell_of_it():
    """Running totals that rose meanwhile answer a silence with one number over all of it, unconfirmed where it is 0."""
    sender = Sender(patience=4 * MINUTE)
    for total, pause in ((5, MINUTE), (8, MINUTE), (31, HOUR)):
        sender.until(sender.now + pause)
        sender.sends(counters=[Counter("line:1", "in", float(total))])
    sender.until(sender.now + 2 * MINUTE)

    assert [state for *_, state in sender.told()] == ["answered"]


def test_nobody_knows_when():
    """A device that sends when somebody walks by is not silent when nobody does."""
    sender = Sender(patience=math.inf)
    sender.quarters(1)
    sender.until(sender.now + 20 * HOUR)
    assert sender.told() == []


def test_our_own_clock_was_set(sender):
    """A silence moves with the clock that it was told by."""
    sender.until(sender.now + 2 * HOUR)
    sender.post.shift(HOUR)
    [silence] = sender.post.silences
    assert silence.since == NOON + 2 * HOUR
