"""Whom an alert is told to beside page and headquarters: which rules, how bad, which steps of its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.contract.wire import Name

if TYPE_CHECKING:
    from agent.alerts.state import Transition
    from agent.runtime.outgoing import Delivery

Severity = Literal["info", "warning", "critical"]
Step = Literal["firing", "acknowledged", "escalated", "resolved", "unknown"]
MOST_ARGUMENTS = 32


class NotTaken(Exception):
    """What was to be told was not taken; `final` says that trying again is useless."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Told(BaseModel):
    """Who is told of what; an empty list chooses all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    rules: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    states: tuple[Step, ...] = ("firing", "escalated", "resolved")

    def wants(self, step: Transition) -> bool:
        """Whether this step is for them; what another alert explains is told by that one."""
        return (
            not step.explained
            and step.state in self.states
            and (not self.rules or step.rule in self.rules)
            and (not self.severities or step.severity in self.severities)
        )


class WebhookTable(Told):
    """`[[alerts.webhook]]`: an address that takes a signed POST. `this_machine` lets it be one of this machine's."""

    url: Annotated[str, Field(max_length=2000)]
    secret_file: Annotated[str, Field(min_length=1)]
    ca_file: str = ""
    this_machine: bool = False

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError('write an address such as "https://hooks.example.com/footfall"')
        if parts.username is not None or parts.password is not None:
            raise ValueError("no user name or password in an address: the signature says who we are")
        return value

    @model_validator(mode="after")
    def _is_encrypted(self) -> WebhookTable:
        if urlsplit(self.url).scheme == "http" and not self.this_machine:
            raise ValueError("http only to this machine (this_machine = true); write https")
        return self


class CommandTable(Told):
    """`[[alerts.command]]`: a program of this machine, such as one that plays a sound; never a line for a shell."""

    argv: Annotated[tuple[Annotated[str, Field(max_length=500)], ...], Field(min_length=1, max_length=MOST_ARGUMENTS)]
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    states: tuple[Step, ...] = ("firing", "escalated")

    @field_validator("argv")
    @classmethod
    def _is_a_program(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0].startswith("/"):
            raise ValueError(f'{value[0]!r} is looked for nowhere; write the whole path, such as "/usr/bin/aplay"')
        return value


class Alerts(BaseModel):
    """`[alerts]` of agent.toml. `rules` is a file beside it; without any, the rules that come with the code hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: str = ""
    webhook: Annotated[tuple[WebhookTable, ...], Field(max_length=16)] = ()
    command: Annotated[tuple[CommandTable, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Alerts:
        names = [action.name for action in (*self.webhook, *self.command)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"more than one action is called {', '.join(sorted(twice))}")
        return self


class Action(Protocol):
    """One who is told."""

    @property
    def table(self) -> Told:
        """What they are told of."""

    @property
    def once(self) -> bool:
        """Whether it is forgotten before it is tried: a sound twice is worse than one missed."""

    async def tell(self, delivery: Delivery) -> None:
        """Tell it.

        Raises:
            NotTaken: it did not arrive.
        """
