"""Rows that are not what was written: void, told as lost, and asked of the camera again; never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.buffer import kept
from agent.buffer.append import append_entry, joined
from agent.buffer.kinds import KINDS
from agent.contract.observation import WIDEST, LedgerEntry
from agent.contract.ranges import Ranges
from agent.contract.times import HOUR

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from agent.buffer.numbers import Numbers
    from agent.contract.observation import Series

DAMAGED = "the storage was damaged"
AGAIN = "ask_again"  # the name under which stretches wait to be asked of the cameras again
STORE = "store"  # the sensor of an entry where nobody can tell whose row it was
MOST = 1000  # stretches kept to be asked again

# The key's index is a second copy of where a row belongs. The + keeps SQLite from looking the number up in the table.
WHERE = "SELECT start, series FROM observation INDEXED BY observation_key WHERE +number = ? AND start > -1"
NEIGHBOUR = "SELECT start, number FROM observation WHERE number < ? ORDER BY number DESC LIMIT 1"
HELD = " UNION ALL ".join(f"SELECT number FROM {kind.table} WHERE number BETWEEN ?1 AND ?2" for kind in KINDS)  # noqa: S608 - our own names


def give_up(
    connection: sqlite3.Connection, numbers: Numbers, series: Mapping[int, Series], damaged: Iterable[tuple[Any, ...]]
) -> None:
    """Rows found damaged, or numbers without any row: those that HQ does not have yet will never come.

    A damaged row stays where it is: deleting it would need its entry in the index, whose key it no longer tells.
    """
    found = kept.get(connection, AGAIN) or []
    again = list(found)
    for number, *rest in damaged:
        numbers.identity.damaged_rows += 1
        if number in numbers.acked or number in numbers.past or number in numbers.void or number in numbers.outbox:
            continue
        sensor, start, end = _where(connection, series, number, rest)
        entry = LedgerEntry(sensor, start, end, "lost", DAMAGED, ((number, number),))
        numbers.void.add(number, number)
        append_entry(connection, numbers, joined(connection, entry))
        if sensor != STORE:
            again = [*again, [sensor, start, end]][-MOST:]
    if again != found:
        kept.put(connection, AGAIN, again)


def _where(
    connection: sqlite3.Connection, series: Mapping[int, Series], number: int, rest: list[Any]
) -> tuple[str, int, int]:
    """Sensor, start and end as far as they can still be told."""
    found = connection.execute(WHERE, (number,)).fetchone()
    if found and found[1] in series:
        start, end = found[0], rest[2] if len(rest) > 2 else None  # noqa: PLR2004 - series, start, end
        whole = isinstance(end, int) and start < end <= start + WIDEST
        return series[found[1]].sensor, start, end if whole and end else start + HOUR
    neighbour = connection.execute(NEIGHBOUR, (number,)).fetchone()
    start = neighbour[0] if neighbour and isinstance(neighbour[0], int) else 0
    return STORE, start, start + HOUR


def missing(connection: sqlite3.Connection, within: Ranges) -> Ranges:
    """Numbers for which there is no row of any kind, although they were given."""
    lacking = within.copy()
    for first, last in within:
        held = Ranges.of_numbers(sorted(number for (number,) in connection.execute(HELD, (first, last))))
        lacking.subtract(held)
    return lacking
