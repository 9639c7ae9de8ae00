"""What is fuzzed: every reader of bytes that come from outside, with seeds, and what must hold of whatever it makes."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import re
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from agent.contract import caps, messages, wire
from agent.contract.layout import Layout
from agent.contract.metrics import METRICS
from agent.contract.observation import LedgerEntry, Observation, Origin, Quality, is_place
from agent.drivers.base import Device, Garbled
from agent.drivers.reading import authorization
from agent.drivers.reading.brands import brand, brands
from agent.drivers.reading.decoded import observations, unwrapped
from agent.foundation.toml import ConfigurationError, load
from agent.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
LISBON = ZoneInfo("Europe/Lisbon")
LATER = 1_793_000_000.0
SMALL = 20_000  # bytes of a seed
WIDEST = 25 * 3600
T0 = 1_790_000_000
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_-]{2,24}")


class Target(NamedTuple):
    """`read` raises nothing, whatever the bytes."""

    name: str
    read: Callable[[bytes], None]
    seeds: list[bytes]

    @property
    def words(self) -> list[bytes]:
        """The names in the seeds: what chance alone would not write."""
        found = {word for seed in self.seeds for word in _WORD.findall(seed)}
        return sorted(found)[:400]


def targets() -> dict[str, Target]:
    """All of them by name."""
    found = [_decode(name) for name in brands()] + [_receive(name) for name in SENDERS]
    found += [_wire(), _messages(), _log_in(), _toml("settings", Settings, "config/agent.toml")]
    found += [_toml("layout", Layout, "config/layout.toml")]
    return {target.name: target for target in found}


SENDERS: dict[str, dict[str, object]] = {
    "axis": {},
    "hikvision": {},
    "milesight": {"family": "push"},
    "onvif": {},
    "vivotek": {},
    "xovis": {},
}


def _recorded(name: str) -> list[bytes]:
    paths = sorted((ROOT / "tests/data" / name).iterdir())
    return [unwrapped(path.read_bytes()) for path in paths if path.stat().st_size < SMALL]


def _decode(name: str) -> Target:
    module = brand(name)

    def read(body: bytes) -> None:
        try:
            _, history = module.decode(body, None, LISBON, LATER)
        except Garbled:
            return
        for row in history.rows:
            _storable(row.place, row.metric, row.start, row.end, row.value)
        json.dumps(observations(name, body, None, LISBON, LATER)[0])

    return Target(f"decode-{name}", read, _recorded(name))


def _receive(name: str) -> Target:
    nothing = SimpleNamespace()
    device = Device("fuzz", "192.0.2.10", LISBON, nothing, lambda: LATER, options=SENDERS[name])  # type: ignore[arg-type]  # opens nothing
    driver = brand(name).open_driver(device)

    def read(body: bytes) -> None:
        try:
            found = driver.receive(body, "application/json", {"topic": "a/Device1Scenario1"})  # type: ignore[attr-defined]  # a Listener
        except Garbled:
            return
        assert found.fingerprint
        for row in [*found.rows, *found.crossings]:
            _storable(row.place, row.metric, row.start, row.end, row.value)
        for counter in found.counters:
            _storable(counter.place, counter.metric, 0, 1, counter.value)

    return Target(f"receive-{name}", read, _recorded(name))


def _storable(place: str, metric: str, start: int, end: int, value: float) -> None:
    assert metric in METRICS, metric
    assert is_place(place), place
    assert math.isfinite(value), value
    assert value >= 0, value
    assert 0 <= end - start <= WIDEST, (start, end)


# ---- what comes over the wire


def _wire() -> Target:
    """Payloads of batches; the checksum is put right, as otherwise nothing behind it would be reached."""

    def read(body: bytes) -> None:
        try:
            plain = caps.inflate(body)
            envelope = wire.open_envelope(_summed(plain))
            if envelope.schema_ == wire.LEDGER:
                wire.read_ledger(envelope)
            else:
                wire.read_observations(envelope)
        except caps.WireError:
            return

    rows = [
        Observation("door", f"line:{n}", "in", T0 + 60 * n, T0 + 60 * n + 60, 3.0, Origin.LIVE, Quality.MEASURED)
        for n in range(1, 4)
    ]
    batch = wire.encode(_head(3, wire.OBSERVATIONS), *wire.observation_columns(rows))
    entries = [LedgerEntry("door", T0, T0 + 60, "lost", "the buffer is full", ((3, 9), (12, 12)))]
    ledger = wire.encode(_head(1, wire.LEDGER), *wire.ledger_columns(entries))
    return Target("wire-batch", read, [caps.inflate(batch), caps.inflate(ledger), gzip.compress(batch, mtime=0)])


def _summed(plain: bytes) -> bytes:
    head, found, _ = plain.rpartition(b',"crc":"')
    head = head if found else plain
    return head + b',"crc":"%08x"}' % zlib.crc32(head)


def _head(rows: int, schema: str) -> dict[str, object]:
    seq = [(5, 4 + rows)]
    envelope = {"v": 1, "id": wire.batch_id("pi", "e1", seq), "device": "pi", "epoch": "e1", "seq": seq, "void": []}
    envelope |= {"lane": "fresh", "boot": 1, "run": "r", "sent": "2026-11-20T07:15:02Z", "schema": schema}
    return envelope | {"clock": {"sync": "ntp", "offset_ms": 12}, "layout": "1", "n": rows, "tz": "UTC"}


def _messages() -> Target:
    models = [getattr(messages, name) for name in ("Birth", "State", "Answer", "Hello", "Health", "Command", "Reply")]
    adapters = [TypeAdapter(model) for model in models]

    def read(body: bytes) -> None:
        try:
            found = caps.parse_json(caps.inflate(body))
        except caps.WireError:
            return
        for adapter in adapters:
            try:
                adapter.validate_python(found)
            except ValidationError:
                continue

    return Target("wire-messages", read, [b'{"v":1,"schema":"hello/1","device":"d","epoch":"e"}', gzip.compress(b"{}")])


# ---- what else


def _log_in() -> Target:
    """`WWW-Authenticate` of a hostile device."""

    def read(body: bytes) -> None:
        way = authorization.strongest(body.decode("latin-1").split("\n"))
        if way is not None:
            header = way.header("/a?b=c", "name", "word")
            assert header.isprintable(), header

    seeds = [b'Basic realm="a"\nDigest realm="b", qop="auth,auth-int", nonce="c", opaque="d", algorithm=SHA-256-sess']
    return Target("log-in", read, [*seeds, b"Digest nonce=x, Basic"])


def _toml(name: str, model: type[Settings | Layout], sample: str) -> Target:
    folder = Path(tempfile.mkdtemp(prefix="footfall-fuzz-"))
    file = folder / "fuzz.toml"

    def read(body: bytes) -> None:
        file.write_bytes(body)
        with contextlib.suppress(ConfigurationError):
            load(file, model)

    return Target(f"toml-{name}", read, [(ROOT / sample).read_bytes()])
