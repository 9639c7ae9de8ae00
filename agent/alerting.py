"""The alerts of one store as parts: which rules run, whom they are told to, who may take them on."""

from __future__ import annotations

import ssl
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog

from agent.contract.times import HOUR, MINUTE
from agent.foundation.positions import lines_of
from agent.foundation.toml import ConfigurationError
from agent.last_good import place
from agent.runtime.alarms import Alarms
from agent.runtime.outgoing import Outgoing
from agent.runtime.program import Program
from agent.runtime.webhook import Webhook
from agent.sync.desk import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from typing import Any

    from agent.alerts.binding import Bound
    from agent.alerts.facts import Fact
    from agent.buffer.buffer import Buffer
    from agent.contract.happenings import Alert
    from agent.contract.messages import AcknowledgeCommand
    from agent.foundation.clock import Clock
    from agent.runtime.actions import Action
    from agent.runtime.lookout import Rules
    from agent.runtime.poller import Poller
    from agent.settings import Configuration

log = structlog.get_logger()

DEFAULTS = Path(str(resources.files("agent.contract") / "library" / "alerts.toml"))
SHORTEST_SECRET, SHORTEST_PIN = 16, 6  # characters
SLOWEST = HOUR - MINUTE  # seconds: the engine takes no fact that lies an hour ahead


def rules_file(configuration: Configuration) -> Path | None:
    """The file of the store's own rules; None where there is none, so that those that come with the code hold.

    Raises:
        ConfigurationError: one is named in the settings, and it is not there.
    """
    named = configuration.settings.alerts.rules
    # A layout may come from headquarters: it names a file of this folder and no other.
    file = configuration.beside(named or Path(configuration.layout.rules).name)
    if file.is_file():
        return file
    if named:
        raise ConfigurationError(f"{configuration.file}: alerts.rules: there is no file {file}")
    return None


def check(configuration: Configuration) -> Bound:
    """The rules of a configuration; loads rule-engine.

    Raises:
        ConfigurationError: all that is wrong with them, or with what the alerts need.
    """
    from agent.layouts import read_rules  # noqa: PLC0415 - rule-engine takes 0.4 s, which nobody waits for

    check_secrets(configuration)
    return read_rules(rules_file(configuration) or DEFAULTS, configuration.layout)


def check_secrets(configuration: Configuration) -> None:
    """Whether PIN and secrets are long enough to be any.

    Raises:
        ConfigurationError: one is not.
    """
    settings = configuration.settings
    least = {hook.secret_file: SHORTEST_SECRET for hook in settings.alerts.webhook}
    least |= {settings.page.pin_file: SHORTEST_PIN} if settings.page.pin_file else {}
    for name, length in least.items():
        if len(configuration.secret(name)) < length:
            lines = lines_of(configuration.file.read_text(encoding="utf-8-sig"))
            at = next((line for key, line in lines.items() if key and key[-1] in ("pin_file", "secret_file")), 1)
            raise ConfigurationError(f"{configuration.file}:{at}: {name} is too short: {length} characters at least")


def read(configuration: Configuration) -> tuple[Bound, str]:
    """The rules to run and what is wrong with the newest: then the last good ones hold, else those of the code."""
    from agent.layouts import read_rules  # noqa: PLC0415 - as above

    kept = place(configuration.file) / "alerts.toml"
    try:
        file = rules_file(configuration) or DEFAULTS
        found, problem = read_rules(file, configuration.layout), ""
        _keep(file, kept)
    except ConfigurationError as error:
        found, problem = _otherwise(configuration, kept), str(error)
    if problem:
        log.error("rules_are_wrong", why=problem)
    for refusal in found.refused:
        log.info("rule_refused", rule=refusal.rule, scope=refusal.scope, why=refusal.reason)
    return found, problem


def read_all(configuration: Configuration) -> tuple[Rules, str]:
    """The rules for every version of the layout that holds or is to come, so that nobody waits at its midnight."""
    versions = configuration.layouts
    now = next(i for i, one in enumerate(versions) if one.version == configuration.layout.version)
    found = {one.version: read(configuration._replace(layout=one)) for one in versions[max(0, now - 1) :]}
    problems = dict.fromkeys(problem for _, problem in found.values() if problem)
    return lambda layout: found[layout.version][0], "\n".join(problems)


def _otherwise(configuration: Configuration, kept: Path) -> Bound:
    from agent.layouts import read_rules  # noqa: PLC0415 - as above

    try:
        return read_rules(kept, configuration.layout)
    except ConfigurationError:
        return read_rules(DEFAULTS, configuration.layout)


def _keep(file: Path, kept: Path) -> None:
    part = kept.with_suffix(".part")
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.write_bytes(file.read_bytes())
        part.replace(kept)
    except OSError as error:  # there is only no way back then
        log.info("rules_not_kept", why=str(error))


def _actions(configuration: Configuration) -> list[Action]:
    """Those who are told.

    Raises:
        ConfigurationError: a file that is named cannot be read.
    """
    check_secrets(configuration)
    alerts = configuration.settings.alerts
    actions: list[Action] = [Program(table) for table in alerts.command]
    for table in alerts.webhook:
        context = ssl.create_default_context(cafile=str(configuration.named(table.ca_file)) if table.ca_file else None)
        actions.append(Webhook(table, configuration.secret(table.secret_file), context))
    return actions


async def open_alerting(
    configuration: Configuration, buffer: Buffer, clock: Clock, pollers: Iterable[Poller]
) -> Alerting:
    """All of it, where the last commit was."""
    store = configuration.settings.store.id
    outgoing = Outgoing(buffer, clock, store, _actions(configuration))
    alarms = Alarms(buffer, configuration.layout, store, clock, outgoing)
    await alarms.load({one.sensor: _lag(one) for one in pollers})
    return Alerting(configuration, alarms, outgoing)


def _lag(one: Poller) -> float:
    """How much longer than a minute a working sensor may take between two answers; one that only sends, an hour."""
    return min(SLOWEST, max(0.0, float(min(one.driver.cadence.values(), default=HOUR)) - MINUTE))


class Alerting(NamedTuple):
    """The stage, those it tells, and who may take an alert on: over the page, the command line, from headquarters."""

    configuration: Configuration
    alarms: Alarms
    outgoing: Outgoing

    @property
    def open(self) -> int:
        """How many alerts are."""
        return len(self.alarms.raised)

    @property
    def tasks(self) -> dict[str, Coroutine[object, object, object]]:
        """What runs for ever."""
        return {"alarms": self.alarms.run(lambda: read_all(self.configuration)), "actions": self.outgoing.run()}

    def connect(
        self,
        told: Callable[[Sequence[Alert]], Awaitable[None]],
        vitals: Callable[[float], Awaitable[list[Fact]]],
    ) -> None:
        """Whom each commit's transitions are shown to, and who says how the agent is."""
        self.alarms.told, self.alarms.vitals = told, vitals

    async def here(self, alert: str, by: str) -> bool:
        """Somebody in the store takes it on; False where there is no such open alert."""
        return await self.alarms.acknowledge(alert, by) is not None

    async def wish(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The command line does.

        Raises:
            ValueError: there is no such open alert.
        """
        if not await self.here(str(asked["alert"]), str(asked.get("by") or "command line")[:64]):
            raise ValueError(f"there is no open alert {asked['alert']}")
        return {"st": "done"}

    async def hq(self, command: AcknowledgeCommand) -> dict[str, Any]:
        """Somebody at headquarters does.

        Raises:
            Refusal: there is no such open alert.
        """
        step = await self.alarms.acknowledge(command.alert, command.by or "headquarters")
        if step is None:
            raise Refusal(f"there is no open alert {command.alert}")
        return {"rule": step.rule, "scope": step.scope, "state": step.state}
