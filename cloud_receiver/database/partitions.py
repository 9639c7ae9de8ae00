"""Tables cut by time: parts made ahead, filled from the catch-all, and dropped whole when their time is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog
from asyncpg.exceptions import LockNotAvailableError

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Connection, Pool

log = structlog.get_logger()

DAY = 86_400
WEEK = 7 * DAY
AHEAD = 2  # parts made before their time
ROOM = 5_000  # rows a DELETE takes at a time, so that ingest never waits long for its locks

LOCK = 7_305_815  # one worker at a time

IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = $1::regclass"
PARTS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::regclass"
FORGET_HEALTH = "DELETE FROM device_health_hours WHERE hour < $1"
FORGET_QUARANTINE = "DELETE FROM quarantine WHERE received < $1"
FORGET_COMPARISONS = "DELETE FROM comparisons WHERE day < $1"


class Policy(NamedTuple):
    """For how long HQ keeps what."""

    observations_months: int = 13
    batches_days: int = 63
    quarantine_days: int = 90
    health_days: int = 30


class Part(NamedTuple):
    """One partition: [first, beyond) of its table's time column."""

    table: str
    first: int
    beyond: int

    @property
    def name(self) -> str:
        return f"{self.table}_{datetime.fromtimestamp(self.first, UTC):%Y_%m_%d}"


async def keep(pool: Pool, policy: Policy, now: int) -> list[str]:
    """Make the parts that will be needed and drop what is over; the names dropped. Nothing where another does it.

    Raises:
        PostgresError: a statement failed; what was done before it stays done.
    """
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            return []
        try:
            return await _keep(connection, policy, now)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _keep(connection: Connection, policy: Policy, now: int) -> list[str]:
    horizon = month(now, -policy.observations_months)
    oldest = now - policy.batches_days * DAY
    dropped = []
    if await connection.fetchval(IS_PARTITIONED, "observations"):
        for step in range(-policy.observations_months, AHEAD + 1):
            await _make(connection, Part("observations", month(now, step), month(now, step + 1)), "start")
        dropped += await _drop(connection, "observations", "start", horizon)
    else:
        await connection.execute("SELECT drop_chunks('observations', older_than => $1::bigint)", horizon)
    weeks = range(oldest - oldest % WEEK, now + AHEAD * WEEK, WEEK)
    for first in weeks:
        await _make(connection, Part("batches", first, first + WEEK), "received")
    dropped += await _drop(connection, "batches", "received", weeks[0])
    await connection.execute(FORGET_HEALTH, now - policy.health_days * DAY)
    await connection.execute(FORGET_QUARANTINE, now - policy.quarantine_days * DAY)
    await connection.execute(FORGET_COMPARISONS, now - policy.quarantine_days * DAY)
    return dropped


async def _make(connection: Connection, part: Part, column: str) -> None:
    """Make a part and move into it what the catch-all holds of its time, in one transaction."""
    if await connection.fetchval("SELECT to_regclass($1)", part.name) is not None:
        return
    within = f"{column} >= {part.first} AND {column} < {part.beyond}"
    try:
        async with connection.transaction():
            # The whole table, briefly: who had opened it before would look for rows where they were, and find none.
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(f"LOCK TABLE {part.table} IN ACCESS EXCLUSIVE MODE")
            await connection.execute(f"CREATE TABLE {part.name} (LIKE {part.table} INCLUDING ALL)")
            await connection.execute(
                f"WITH moved AS (DELETE FROM {part.table}_other WHERE {within} RETURNING *)"  # noqa: S608 - names of ours
                f" INSERT INTO {part.name} SELECT * FROM moved"
            )
            await connection.execute(
                f"ALTER TABLE {part.table} ATTACH PARTITION {part.name}"
                f" FOR VALUES FROM ({part.first}) TO ({part.beyond})"
            )
    except LockNotAvailableError:
        log.info("partition_later", name=part.name)  # its rows go to the catch-all until then


async def _drop(connection: Connection, table: str, column: str, horizon: int) -> list[str]:
    """Drop the parts that end before the horizon, and what the catch-all holds from before it."""
    dropped = []
    for record in await connection.fetch(PARTS, table):
        name = str(record[0])
        stated = name.removeprefix(f"{table}_")
        if stated == "other":
            continue
        first = int(datetime.strptime(stated, "%Y_%m_%d").replace(tzinfo=UTC).timestamp())
        beyond = month(first, 1) if table == "observations" else first + WEEK
        if beyond <= horizon:
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL lock_timeout = '5s'")
                    await connection.execute(f"DROP TABLE {name}")
            except LockNotAvailableError:
                continue
            dropped.append(name)
    old = f"SELECT ctid FROM {table}_other WHERE {column} < {horizon} LIMIT {ROOM}"  # noqa: S608 - names of ours
    while not (await connection.execute(f"DELETE FROM {table}_other WHERE ctid = ANY (ARRAY({old}))")).endswith(" 0"):  # noqa: S608 - as above
        pass
    return dropped


def month(moment: int, step: int) -> int:
    """The first second of the month so many months after a moment's own (UTC)."""
    at = datetime.fromtimestamp(moment, UTC)
    count = at.year * 12 + at.month - 1 + step
    return int(datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC).timestamp())
