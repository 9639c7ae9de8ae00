"""The rules of a store as TOML has them: `[[alert]]` tables of many kinds, and maintenance windows."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, Union

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from agent.alerts import kinds
from agent.alerts.base import Common  # noqa: TC001 - it stands in for the union
from agent.contract.contradictions import Contradiction, Contradictions

MOST = 200  # rules; a store with twenty zones has about thirty

KINDS: dict[str, type[Common]] = {
    found.name: importlib.import_module(f"{kinds.__name__}.{found.name}").Rule
    for found in pkgutil.iter_modules(kinds.__path__)
}


def _kind(table: Any) -> str:  # noqa: ANN401 - whatever the file has there
    written = table.get("kind", "threshold") if isinstance(table, dict) else getattr(table, "kind", "threshold")
    return str(written)


if TYPE_CHECKING:
    AnyRule = Common
else:  # the folder's files are the list of kinds, so the union can only be made when it is read
    AnyRule = Annotated[
        Union[tuple(Annotated[model, Tag(name)] for name, model in KINDS.items())],  # noqa: UP007 - made from a list
        Discriminator(
            _kind,
            custom_error_type="unknown_kind",
            custom_error_message=f"there is no such kind of alert; known here: {', '.join(KINDS)}",
        ),
    ]


class Maintenance(BaseModel):
    """A stretch in which nothing new is raised in these scopes (all where none is named); what is open may resolve."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: Annotated[datetime, Field(alias="from")]
    until: datetime
    scopes: tuple[str, ...] = ()
    reason: str = ""

    @field_validator("start", "until")
    @classmethod
    def _has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; write {value.isoformat()}Z or {value.isoformat()}+01:00")
        return value

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until <= self.start:
            raise ValueError("it ends before it begins; exchange from and until")
        return self

    def covers(self, scope: str, sensors: frozenset[str], moment: float) -> bool:
        """Whether a scope is under maintenance at a moment; a sensor's window covers what it alone measures."""
        within = self.start.timestamp() <= moment < self.until.timestamp()
        named = not self.scopes or scope in self.scopes or bool(sensors and sensors <= set(self.scopes))
        return within and named


class Rules(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alert: Annotated[tuple[AnyRule, ...], Field(max_length=MOST)] = ()
    maintenance: Annotated[tuple[Maintenance, ...], Field(max_length=MOST)] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [rule.name for rule in self.alert]
        twice = [
            Contradiction(("alert", i, "name"), f"another alert is called {name}; give one of them another name")
            for i, name in enumerate(names)
            if name in names[:i]
        ]
        if twice:
            raise Contradictions(tuple(twice))
        return self
