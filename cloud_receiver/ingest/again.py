"""Bytes that were kept are read once more: from quarantine when an operator says so, kept raw after an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.contract.caps import WireError
from agent.contract.topics import Branch
from cloud_receiver.database import batches, quarantine
from cloud_receiver.database.batches import Fate
from cloud_receiver.database.pool import Refused, persistently
from cloud_receiver.ingest.reading import KNOWN, read_batch

if TYPE_CHECKING:
    from cloud_receiver.database.batches import Batch
    from cloud_receiver.database.pool import Pool

NOWHERE = "-"  # the store part of a topic, which the registry knows better


async def replay(pool: Pool, message: int, now: int) -> str:
    """What became of a message set aside: `committed`, else why it stays where it is."""
    found = await quarantine.find(pool, message)
    if found is None:
        return "there is no such message"
    entry, payload = found
    try:
        batch = read_batch(entry.topic, payload, now)
        [outcome] = await persistently(lambda: batches.store(pool, [batch], decided=True), "replay")
    except (WireError, Refused) as problem:
        return str(problem)
    if outcome.fate is not Fate.COMMITTED:
        return outcome.fate.value
    await quarantine.drop(pool, message)
    return outcome.fate.value


async def decode_raw(pool: Pool) -> int:
    """Write what was kept raw and can be read by now; how many batches that were."""
    done = 0
    while await persistently(lambda: batches.store_raw(pool, KNOWN, _read), "raw batches"):
        done += 1
    return done


def _read(tenant: str, device: str, payload: bytes) -> Batch | None:
    try:
        return read_batch(Branch(tenant, NOWHERE, device).topic("batch"), payload, 0)
    except WireError:
        return None
