"""The small messages beside the batches: birth, state, answers, hello, health, commands, configuration.

Plain JSON, one model each.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.contract.caps import WireError, parse_json
from agent.contract.times import parse_rfc3339
from agent.contract.wire import Name, Span

MAX_MESSAGE = 64 * 1024
M = TypeVar("M", bound="Message")


def _moment(text: str) -> str:
    parse_rfc3339(text)
    return text


Moment = Annotated[str, StringConstraints(max_length=40), AfterValidator(_moment)]  # RFC 3339 with its zone
Correlation = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Message(BaseModel):
    """A JSON message; unknown fields of newer versions are ignored."""

    model_config = ConfigDict(extra="ignore")

    def payload(self) -> bytes:
        """The bytes to publish; absent fields are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Credit(Message):
    """What HQ lets a device send; `pause_s` says to send nothing of the lane for so long."""

    rows_s: Annotated[float, Field(gt=0)] = 500
    bytes_s: Annotated[float, Field(gt=0)] = 60_000
    pause_s: Annotated[float, Field(ge=0, le=3600)] = 0


class Birth(Message):
    """Retained by a device at each connection: who it is and what it has."""

    device: Name
    epoch: Name
    boot: int
    run: str
    highest: int  # the highest number given so far in this epoch
    version: str
    tz: str
    sensors: list[str]
    schemas: list[str]
    ts: str
    nonce: str = ""  # HQ's hello repeats it: a hello to an older birth would look like a loss at HQ


class State(Message):
    """Retained: there or not; the will says offline with the same boot."""

    st: Literal["online", "offline"]
    boot: int
    ts: str
    run: str = ""


class Answer(Message):
    """What became of a batch. Only `committed` and `duplicate`, with id and sha of a batch in the outbox, free rows."""

    id: str
    sha: str
    epoch: str
    seq: list[Span] = []
    void: list[Span] = []
    st: Literal["committed", "duplicate", "retry", "rejected", "fork"]
    new: int = 0
    dup: int = 0
    err: str | None = None
    at: str
    credit: Credit | None = None


class Hello(Message):
    """HQ's answer to a birth: what it holds of this epoch. Until it came, nothing of the epoch is sent."""

    st: Literal["hello"] = "hello"
    run: str
    nonce: str | None = None  # of the birth it answers
    epoch: str
    coverage: list[Span]
    credit: Credit = Credit()


class LaneHealth(Message):
    """What waits in one lane."""

    rows: int
    oldest_s: float | None = None


class SensorHealth(Message):
    """When a sensor last answered, and what it said if it does not."""

    sensor: str
    up: bool
    last_answer: str | None = None
    problem: str | None = None
    clock_offset: float | None = None  # seconds its clock is ahead, where that is known; beyond 60 it is corrected
    clock_doubt: str | None = None  # stands still, jumps: when its answers came in counts instead


class AlertCounts(Message):
    """How many alerts are open, of these how many critical, and how many somebody has taken on."""

    open: int
    critical: int = 0
    acknowledged: int = 0


class Health(Message):
    """Every minute, and what the local page shows: one model for both."""

    ts: str
    boot: int
    epoch: str
    created: int  # rows given a number, ever
    acked: int
    void: int
    dropped: int
    buffer_bytes: int
    buffer_cap: int
    fresh: LaneHealth
    backlog: LaneHealth
    sensors: list[SensorHealth]
    kernels: str
    rss_mb: float
    bytes_sent: int = 0  # payloads handed to the broker since this boot, resends included
    disk_free: int | None = None  # bytes
    temperature: float | None = None  # degrees Celsius of the processor
    clock: str = "unknown"  # whether something keeps it right: ntp, none, unknown
    dead_letters: int = 0  # batches HQ ever rejected; the bytes of the newest hundred are still here
    bytes_written: int = 0  # towards the device's card since this boot
    bytes_written_day: int | None = None  # of them in a day of the store, by the last day; None in the first minutes
    damaged: int = 0  # rows found to be not what was written, or not to be read any more; each is told as lost
    forked: str | None = None  # when HQ last told this device, since its start, that a copy of it sends as well
    certificate_days: float | None = None  # until the device's own ends, below 0 where it has; None without one
    storing_problem: str | None = None  # why nothing can be stored at the moment
    last_number: int = 0  # the highest number of `epoch`; HQ's coverage of it should reach there
    alerts: AlertCounts | None = None  # absent before the rules are read


class Live(Message):
    """Retained at `live/{zone}` (`store` for the whole store), QoS 0: what is there now; null where it is not known.

    It may be lost and is never counted from: `batch` and `backlog` carry the truth.
    """

    ts: Moment
    occupancy: float | None = None  # persons present
    queue: float | None = None  # persons waiting
    flow: float | None = None  # persons entering a minute
    alerts: int | None = None  # open alerts


class AlertStep(Message):
    """A copy of a step in the life of an alert, for whoever listens; the one that counts travels in a batch."""

    id: str  # of the alert: the same for all its steps
    rule: str
    scope: str
    state: str
    severity: str
    at: Moment
    value: float | None = None
    text: str = ""


# ---- commands: cmd/{verb}, each answered on reply


class Command(Message):
    """What HQ asks of one device. `id` is used once: a second command with it is refused, as is one that expired."""

    id: Correlation
    device: Name
    expires: Moment


class BackfillCommand(Command):
    """Read a sensor's own memory of [start, end) again."""

    verb: Literal["backfill"] = "backfill"
    sensor: Name
    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]


class ResendCommand(Command):
    """Send the numbers first…last of an epoch again, as far as the device still has them; else they are told void.

    HQ takes the numbers out of its coverage first: it has no rows to compare them with, and would see a fork. They come
    in batches with new ids (a mark after the numbers).
    """

    verb: Literal["resend"] = "resend"
    epoch: Name
    first: Annotated[int, Field(ge=1, lt=2**62)]
    last: Annotated[int, Field(ge=1, lt=2**62)]


class RebirthCommand(Command):
    """Say birth again; HQ answers it with hello."""

    verb: Literal["rebirth"] = "rebirth"


class DiagnoseCommand(Command):
    """Health, settings without secrets, and the last log lines."""

    verb: Literal["diagnose"] = "diagnose"
    lines: Annotated[int, Field(ge=0, le=200)] = 100


class AcknowledgeCommand(Command):
    """Somebody at HQ has taken on an alert."""

    verb: Literal["acknowledge"] = "acknowledge"
    alert: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    by: Annotated[str, StringConstraints(max_length=128)] = ""


COMMANDS: dict[str, type[Command]] = {
    "backfill": BackfillCommand,
    "resend": ResendCommand,
    "rebirth": RebirthCommand,
    "diagnose": DiagnoseCommand,
    "acknowledge": AcknowledgeCommand,
}  # the closed list of verbs


class Reply(Message):
    """What became of a command; `id` is the command's, empty where that could not be read."""

    id: str
    verb: str
    st: Literal["done", "refused"]
    why: str | None = None
    at: str
    result: dict[str, Any] | None = None


# ---- configuration: config/desired and config/reported, both retained


class Desired(Message):
    """The configuration HQ wants. Versions only grow; `doc` holds tables of the agent's file, never a secret.

    `doc` is {"settings": {table: {…}, "sensor": […]}, "layout": {…}}, both parts optional; a table that is absent stays
    as the device has it.
    """

    version: Annotated[int, Field(ge=1, lt=2**53)]
    sha256: Sha256
    doc: dict[str, Any]


class Reported(Message):
    """What became of it: `trying` for five minutes, then `running`, or `reverted` where contact broke."""

    version: int
    sha256: str
    state: Literal["running", "trying", "refused", "reverted"]
    why: str | None = None
    at: str


def document_sha(doc: dict[str, Any]) -> str:
    """The SHA-256 that names a configuration: of its JSON with sorted keys, no spaces and no escapes, as UTF-8."""
    text = json.dumps(doc, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_message(model: type[M], payload: bytes) -> M:
    """A small message read within its cap.

    Raises:
        WireError: too large, no JSON, or a field is wrong.
    """
    if len(payload) > MAX_MESSAGE:
        raise WireError(f"{len(payload)} bytes are more than the {MAX_MESSAGE} a message may have")
    try:
        return model.model_validate(parse_json(payload))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise WireError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
