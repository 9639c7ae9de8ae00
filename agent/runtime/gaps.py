"""The ledger of one sensor: stretches in which it did not answer are told as pending, then as answered or lost. Pure.

An entry's reason is part of its name: a pending one is closed under the reason it was opened with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.contract.observation import LedgerEntry
from agent.contract.times import DAY, HOUR, MINUTE
from agent.runtime.readings import MISSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.drivers.base import Kind
    from agent.runtime.book import Book


def watched_since(book: Book, tick: int) -> int:
    """Since when every tick was answered; this one, if it is the first after a silence."""
    return book.watched if book.watched and book.open_gap is None and tick - book.answered <= MISSED else tick


def silent(book: Book, sensor: str, tick: int, reason: str) -> list[LedgerEntry]:
    """It did not answer at this tick: a stretch begins, or goes on."""
    if book.open_gap is None:
        book.open_gap = (book.answered or tick - MINUTE, reason)
    return still_silent(book, sensor, tick)


def still_silent(book: Book, sensor: str, tick: int) -> list[LedgerEntry]:
    """The open stretch, told at once and then once an hour."""
    if book.open_gap is None:
        return []
    since, reason = book.open_gap
    told = since + max(MINUTE, (tick - since) // HOUR * HOUR)
    return [LedgerEntry(sensor, since, told, "pending", reason)]


def answers(book: Book, sensor: str, tick: int) -> list[LedgerEntry]:
    """It answered at this tick; the stretch that ends with it, also one in which nobody asked."""
    book.watched = watched_since(book, tick)
    before, book.answered = book.answered, tick
    if book.open_gap is None:
        if not before or tick - before <= MISSED:
            return []
        book.open_gap = (before, "nobody asked: the agent was not running")
    since, reason = book.open_gap
    book.open_gap = None
    if tick <= since:
        return []
    book.gaps.append((since, tick, reason))
    return [LedgerEntry(sensor, since, tick, "pending", reason)]


def answered_by_memory(
    book: Book, sensor: str, kinds: list[Kind], is_filling: Callable[[int, int], bool]
) -> list[LedgerEntry]:
    """Stretches whose every hour has since been told by the device's memory of these kinds."""
    settled = min(book.memories[kind].settled for kind in kinds)
    done = [gap for gap in book.gaps if gap[1] <= settled and not is_filling(gap[0], gap[1])]
    book.gaps = [gap for gap in book.gaps if gap not in done]
    return [LedgerEntry(sensor, start, end, "answered", reason) for start, end, reason in done]


def answered_by_totals(book: Book, sensor: str, *, told: bool) -> list[LedgerEntry]:
    """A device without a memory answers a gap by what its running totals rose in it; beyond a day they say nothing."""
    gaps, book.gaps = book.gaps, []
    return [
        LedgerEntry(sensor, start, end, "answered" if told and end - start <= DAY else "lost", reason)
        for start, end, reason in gaps
    ]
