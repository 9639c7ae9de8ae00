"""The small messages beside the batches: birth, state, answers, hello, health. Plain JSON, one model each."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.contract.wire import Name, Span, WireError, parse_json

MAX_MESSAGE = 64 * 1024
M = TypeVar("M", bound="Message")


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
