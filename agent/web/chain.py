"""The chain from the cameras to headquarters: the first link that is not well is whose fault it is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import DAY
from agent.web.standing import (
    COUNTING,
    CUT,
    Level,
    Line,
    Standing,
    is_losing,
    last_count,
    line,
    since,
    standing,
    waiting_rows,
)

if TYPE_CHECKING:
    from agent.web.phrases import Sentence
    from agent.web.view import StoreView


class Link(NamedTuple):
    """One link of the chain from the cameras to headquarters."""

    name: str
    level: Level
    word: str
    last: Sentence
    part: str  # of the page, to jump to


def chain(view: StoreView) -> tuple[Link, ...]:
    """Cameras, agent, buffer, broker, headquarters."""
    return (_cameras_link(view), _agent_link(view), _buffer_link(view), *_line_links(view))


def _cameras_link(view: StoreView) -> Link:
    stand = [standing(view, sensor) for sensor in view.sensors]
    well, last = sum(one in COUNTING for one in stand), last_count(view)
    ill = any(one not in (Standing.ANSWERS, Standing.WAITING) for one in stand)
    level = Level.WARN if well and ill else Level.BAD if ill or not stand else Level.GOOD if well else Level.WAIT
    word = {Level.WAIT: "Being asked", Level.BAD: "Silent"}.get(level, f"{well} of {len(stand)} answer")
    return Link("Cameras", level, word, () if last is None else (since(view, last),), "cameras")


def _agent_link(view: StoreView) -> Link:
    if view.configuration_problem:
        return Link("Agent", Level.WARN, "Old configuration", (since(view, view.now),), "device")
    return Link("Agent", Level.GOOD, "Running", (since(view, view.now),), "device")


def _buffer_link(view: StoreView) -> Link:
    last = last_count(view)
    stored: Sentence = () if last is None else (since(view, last),)
    if view.storing_problem:
        return Link("Buffer", Level.BAD, "Cannot write", (), "buffer")
    if view.memory_only:
        return Link("Buffer", Level.BAD, "In memory only", stored, "buffer")
    if is_losing(view):
        return Link("Buffer", Level.BAD, "Full", stored, "buffer")
    short = line(view) in CUT and view.room_s is not None and view.room_s < DAY
    if waiting_rows(view) and line(view) in CUT:
        return Link("Buffer", Level.WARN if short else Level.GOOD, "Keeping rows", stored, "buffer")
    return Link("Buffer", Level.GOOD, "Stores", stored, "buffer")


def _line_links(view: StoreView) -> tuple[Link, Link]:
    how, answered = line(view), view.uplink.last_answer
    last: Sentence = () if answered is None else (since(view, answered),)
    broker_last: Sentence = (since(view, view.now),) if view.uplink.broker else last
    broker, word = {
        Line.NO_BROKER: (Level.BAD, "Not reached"),
        Line.REFUSED: (Level.BAD, "Refuses us"),
        Line.CLOCK: (Level.BAD, "Clock differs"),
        Line.CONNECTING: (Level.WAIT, "Connecting"),
    }.get(how, (Level.GOOD, "Connected"))
    if view.uplink.broker:
        broker, word = Level.GOOD, "Connected"
    hq, said = {
        Line.OPEN: (Level.GOOD, "Answers"),
        Line.CONNECTING: (Level.WAIT, "Being greeted"),
        Line.HQ_SILENT: (Level.BAD, "Silent"),
    }.get(how, (Level.WAIT, "Out of reach"))
    return Link("Broker", broker, word, broker_last, "buffer"), Link("HQ", hq, said, last, "buffer")
