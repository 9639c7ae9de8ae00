"""What every kind of alert has: who is told what, how long it must hold, when it is over, how often it may speak."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.alerts.durations import Duration
from agent.contract.layout import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.alerts.facts import Inputs, Verdict

Scope = Literal["store", "zone", "sensor", "line", "region", "agent"]
Severity = Literal["info", "warning", "critical"]


class Judge:
    """A rule made ready for one scope: the metrics it reads, and what it says of them."""

    def __init__(self, names: Iterable[str], judge: Callable[[Inputs, tuple[float, ...]], Verdict]) -> None:
        self.names = tuple(sorted(names))
        self.judge = judge


def _with_its_kind(schema: dict[str, Any]) -> None:
    """A kind that is left out means threshold, so every other must be written; editors need to know."""
    if schema["properties"].get("kind", {}).get("default") != "threshold":
        schema["required"] = [*schema.get("required", []), "kind"]


class Common(BaseModel):
    """One `[[alert]]`. A kind is a subclass in a file of its own in `kinds/`, whose name is the kind's.

    `judge` is asked with the inputs of a scope whenever one of them changed, in the order of time, and gets back the
    memory it returned before; it never sees a clock.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, json_schema_extra=_with_its_kind)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    enabled: bool = True
    scope: Scope = "store"
    purposes: tuple[Purpose, ...] = ()
    places: tuple[str, ...] = ()
    hold: Annotated[Duration, Field(alias="for")] = 0
    clear_for: Duration = 60
    cooldown: Duration = 300
    stale_after: Duration = 180
    escalate_after: Duration = 0
    max_per_hour: Annotated[int, Field(ge=1, le=60)] = 6
    flaps: Annotated[int, Field(ge=2, le=60)] = 4
    severity: Severity = "warning"
    only_open: bool = True
    text: Annotated[str, Field(max_length=200)] = ""
    advice: Annotated[str, Field(max_length=500)] = ""

    @field_validator("text")
    @classmethod
    def _plain_fields(cls, value: str) -> str:
        for _, field, spec, _ in string.Formatter().parse(value):
            if field is not None and (not field.isidentifier() or (spec and "{" in spec)):
                raise ValueError(
                    f"{{{field}}} is no metric's name; write one such as {{queue_length:.0f}}, or {{place}}"
                )
        return value

    @model_validator(mode="after")
    def _zones_have_purposes(self) -> Common:
        if self.purposes and self.scope != "zone":
            raise ValueError(f'purposes choose zones, and the scope is {self.scope}; write scope = "zone"')
        if self.places and self.scope in ("store", "agent"):
            raise ValueError(f"there is one {self.scope}, so places choose nothing; leave them out")
        return self

    def conditions(self) -> tuple[str, ...]:
        """The conditions it is written with, each of which must be able to hold."""
        return ()

    def ready(self, known: Iterable[str]) -> Judge:
        """The judge of a scope that knows these names.

        Raises:
            ValueError: the rule names what there is not, or can never fire.
        """
        raise NotImplementedError
