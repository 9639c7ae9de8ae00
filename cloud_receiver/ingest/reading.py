"""What a message on `batch` or `backlog` says, read within the caps of the wire; pure."""

from __future__ import annotations

import contextlib
import re
import zlib
from typing import NamedTuple

from agent.contract import caps, topics, wire
from agent.contract.caps import WireError
from agent.contract.happenings import ALERTS, MANUAL, read_alerts, read_manual
from cloud_receiver.database.batches import Batch

LONGEST_ID = 200  # characters of an id that is only being answered
HEAD = 600  # plain bytes in which our own agent says id and epoch

_ID = re.compile(rb'"id":"([!#-~]{1,200})"')
_EPOCH = re.compile(rb'"epoch":"([!#-~]{1,200})"')

# What is decoded here; a batch of any other schema is kept raw until an upgrade.
KNOWN = (wire.OBSERVATIONS, wire.LEDGER, ALERTS, MANUAL)


class Told(NamedTuple):
    """What a message says it is: enough to answer it, also where it cannot be read."""

    id: str = ""
    epoch: str = ""


def read_batch(topic: str, payload: bytes, received: int) -> Batch:
    """The batch of a message.

    Raises:
        WireError: it breaks the contract; the text says where.
    """
    branch, leaf = _parsed(topic)
    envelope = wire.open_envelope(payload)
    if envelope.device != branch.device:
        raise WireError(f"device: the envelope says {envelope.device}, the topic {branch.device}")
    batch = Batch(
        tenant=branch.tenant,
        device=envelope.device,
        epoch=envelope.epoch,
        id=_clean(envelope.id, "id"),
        sha=wire.sha_of(payload),
        lane=leaf,
        schema=_clean(envelope.schema_, "schema"),
        seq=envelope.seq,
        void=envelope.void,
        n=envelope.n,
        received=received,
        payload=payload,
    )
    if envelope.schema_ == wire.OBSERVATIONS:
        return batch._replace(rows=wire.read_observations(envelope), sensors=envelope.dict_.sensor)
    if envelope.schema_ == wire.LEDGER:
        return batch._replace(entries=wire.read_ledger(envelope))
    if envelope.schema_ == ALERTS:
        return batch._replace(alerts=read_alerts(envelope))
    if envelope.schema_ == MANUAL:
        return batch._replace(manual=read_manual(envelope))
    return batch._replace(newer=True)


def told(payload: bytes) -> Told:
    """The id and epoch of a message that could not be read, as far as they can be made out."""
    with contextlib.suppress(WireError):
        found = caps.parse_json(caps.inflate(payload))
        return Told(_shown(found.get("id")), _shown(found.get("epoch")))
    return Told()


def named(payload: bytes) -> Told:
    """The same from a message's first bytes alone: 20 µs where reading takes 1 ms, for who is turned away."""
    head = payload[:HEAD]
    if payload.startswith(caps.GZIP):
        with contextlib.suppress(zlib.error):
            head = zlib.decompressobj(wbits=31).decompress(payload, HEAD)
    found, epoch = _ID.search(head), _EPOCH.search(head)
    return Told(found[1].decode() if found else "", epoch[1].decode() if epoch else "")


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_ID else ""


def _parsed(topic: str) -> tuple[topics.Branch, str]:
    try:
        return topics.parse(topic)
    except ValueError as problem:
        raise WireError(str(problem)) from None


def _clean(text: str, name: str) -> str:
    if not text.isprintable():
        raise WireError(f"{name}: holds a character that cannot be shown")
    return text
