"""Alert transitions and manual counts: the two kinds of row that people make or wait for, and their columns."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.contract.caps import WireError
from agent.contract.observation import WIDEST
from agent.contract.wire import Int, Name, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.contract.wire import Envelope

ALERTS = "alerts/1"
MANUAL = "manual/1"

Text = Annotated[str, StringConstraints(max_length=500)]
State = Literal["pending", "firing", "acknowledged", "escalated", "resolved", "unknown"]
Severity = Literal["info", "warning", "critical"]
C = TypeVar("C", bound=BaseModel)


class Alert(NamedTuple):
    """One step in the life of an alert: what `state` it is in since `at` (UTC seconds).

    `id` names the life (the same for all its steps), `rule` what was asked, `scope` where: a place, or SENSOR/place.
    `value` is what the rule looked at, None where nothing was observed; `text` says it to people.
    """

    id: str
    rule: str
    scope: str
    state: str
    severity: str
    at: int
    value: float | None = None
    text: str = ""


class ManualCount(NamedTuple):
    """What a person counted at a place over [start, end), to check a sensor by. `by` is a role, never a name."""

    sensor: str
    place: str
    start: int
    end: int
    entered: int
    left: int
    by: str = "staff"


class AlertColumns(BaseModel):
    """The rows of an `alerts/1` batch, a list a column; the k-th step is at t0 plus the first k+1 of `t`."""

    model_config = ConfigDict(extra="ignore")

    id: list[Text]
    r: list[Text]
    p: list[Text]
    st: list[State]
    sv: list[Severity]
    t0: Int
    t: list[Int]
    x: list[Value]
    tx: list[Text]


class ManualColumns(BaseModel):
    """The rows of a `manual/1` batch: sensor, place, from, length, persons in and out, the counter's role."""

    model_config = ConfigDict(extra="ignore")

    s: list[Name]
    p: list[Text]
    t0: Int
    t: list[Int]
    d: list[Annotated[int, Field(strict=True, gt=0, le=WIDEST)]]
    i: list[Annotated[int, Field(strict=True, ge=0, le=2**31)]]
    o: list[Annotated[int, Field(strict=True, ge=0, le=2**31)]]
    by: list[Text]


def alert_columns(alerts: Sequence[Alert]) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The dictionary (empty) and columns of these alert transitions, for `wire.encode`."""
    return {}, {
        "id": [alert.id for alert in alerts],
        "r": [alert.rule for alert in alerts],
        "p": [alert.scope for alert in alerts],
        "st": [alert.state for alert in alerts],
        "sv": [alert.severity for alert in alerts],
        **_times([alert.at for alert in alerts]),
        "x": [alert.value for alert in alerts],
        "tx": [alert.text for alert in alerts],
    }


def manual_columns(counts: Sequence[ManualCount]) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The dictionary (empty) and columns of these manual counts, for `wire.encode`."""
    return {}, {
        "s": [count.sensor for count in counts],
        "p": [count.place for count in counts],
        **_times([count.start for count in counts]),
        "d": [count.end - count.start for count in counts],
        "i": [count.entered for count in counts],
        "o": [count.left for count in counts],
        "by": [count.by for count in counts],
    }


def read_alerts(envelope: Envelope) -> list[tuple[int, Alert]]:
    """The alert transitions of an `alerts/1` batch with their numbers.

    Raises:
        WireError: a column is missing, has another length, or is out of bounds.
    """
    cols = _validated(AlertColumns, envelope)
    rows = zip(cols.id, cols.r, cols.p, cols.st, cols.sv, _starts(cols.t0, cols.t), cols.x, cols.tx, strict=True)
    return list(zip(envelope.numbers, map(Alert._make, rows), strict=True))


def read_manual(envelope: Envelope) -> list[tuple[int, ManualCount]]:
    """The manual counts of a `manual/1` batch with their numbers.

    Raises:
        WireError: a column is missing, has another length, or is out of bounds.
    """
    cols = _validated(ManualColumns, envelope)
    starts = _starts(cols.t0, cols.t)
    ends = [start + length for start, length in zip(starts, cols.d, strict=True)]
    rows = zip(cols.s, cols.p, starts, ends, cols.i, cols.o, cols.by, strict=True)
    return list(zip(envelope.numbers, map(ManualCount._make, rows), strict=True))


def _times(starts: list[int]) -> dict[str, Any]:
    first = starts[0] if starts else 0
    return {"t0": first, "t": [at - before for before, at in zip([first, *starts], starts, strict=False)]}


def _starts(first: int, steps: list[int]) -> list[int]:
    return list(accumulate(steps, initial=first))[1:]


def _validated(model: type[C], envelope: Envelope) -> C:
    try:
        cols = model.model_validate(envelope.cols)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise WireError(f"cols.{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    for name in model.model_fields:
        column = getattr(cols, name)
        if isinstance(column, list) and len(column) != envelope.n:
            raise WireError(f"cols.{name} has {len(column)} entries, n says {envelope.n}")
    return cols
