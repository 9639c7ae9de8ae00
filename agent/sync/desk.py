"""Where HQ's wishes arrive: commands, each done once or refused with the reason, and the configuration it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import structlog

from agent.contract.caps import WireError, parse_json
from agent.contract.messages import COMMANDS, Command, Desired, Reply, Reported, read_message
from agent.contract.times import parse_rfc3339, rfc3339
from agent.foundation.mqtt import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent.buffer.buffer import Buffer
    from agent.contract.messages import ResendCommand
    from agent.contract.topics import Branch
    from agent.foundation.clock import Clock

log = structlog.get_logger()

KEEP_IDS = 48 * 3600  # seconds; a command that expires later than that is refused
MOST_IDS = 1000  # commands in 48 hours; beyond them all are refused, so none is ever forgotten too early
SEEN = "commands"  # the buffer's state with the ids
REPLY_EXPIRY = 3600  # seconds
LONGEST_REASON = 500  # characters


class Refusal(Exception):
    """A command is not carried out; the text is the reply's `why`."""


class Wishes(Protocol):
    """What becomes of the configuration that HQ wants."""

    async def take(self, desired: Desired) -> Reported:
        """Try it, or say why not."""

    def standing(self) -> Reported | None:
        """What is to be told at each connection, None where HQ never wanted anything."""

    def heard(self) -> Reported | None:
        """HQ said hello: a configuration on trial is proven. News, where that is some."""


class Desk:
    """Takes what comes on `cmd/{verb}` and `config/desired`, and words what is answered."""

    leaves = ("cmd/+", "config/desired")

    def __init__(
        self,
        branch: Branch,
        buffer: Buffer,
        clock: Clock,
        actions: Mapping[str, Callable[[Any], Awaitable[dict[str, Any] | None]]],
        wishes: Wishes,
    ) -> None:
        self._branch, self._buffer, self._clock = branch, buffer, clock
        self._actions: dict[str, Callable[[Any], Awaitable[dict[str, Any] | None]]] = {
            "resend": self._resend,
            "rebirth": self._rebirth,
            **actions,
        }
        self._wishes = wishes
        self.greet_again: Callable[[], None] = lambda: None  # the uplink puts its own here

    async def take(self, leaf: str, payload: bytes) -> Message | None:
        """What to publish about a message on one of the leaves."""
        if leaf == "config/desired":
            return await self._take_desired(payload) if payload else None  # empty: HQ has cleared it
        reply = await self._obey(leaf.removeprefix("cmd/"), payload)
        log.info("command", verb=reply.verb, id=reply.id, st=reply.st, why=reply.why)
        return Message(
            self._branch.topic("reply"), reply.payload(), expiry=REPLY_EXPIRY, content_type="application/json"
        )

    def standing(self) -> list[Message]:
        """What is said at each connection."""
        return [self._reported(reported) for reported in [self._wishes.standing()] if reported]

    def heard(self) -> Message | None:
        """HQ said hello."""
        reported = self._wishes.heard()
        return self._reported(reported) if reported else None

    # ---- commands

    async def _obey(self, verb: str, payload: bytes) -> Reply:
        identity = ""
        try:
            identity = _identity(payload)
            command = self._checked(verb, payload)
            await self._once(command.id)
            result = await self._actions[verb](command)
        except (Refusal, WireError) as error:
            return self._reply(identity, verb, "refused", str(error)[:LONGEST_REASON], None)
        return self._reply(identity, verb, "done", None, result)

    def _checked(self, verb: str, payload: bytes) -> Command:
        if verb not in COMMANDS or verb not in self._actions:
            raise Refusal(f"there is no command of this name; there are: {', '.join(COMMANDS)}")
        if parse_json(payload).get("verb", verb) != verb:
            raise Refusal("the message names another verb than its topic")
        command = read_message(COMMANDS[verb], payload)
        if command.device != self._branch.device:
            raise Refusal(f"this is {self._branch.device}, not {command.device}")
        now, expires = self._clock.now(), parse_rfc3339(command.expires)
        if expires <= now:
            raise Refusal(f"it expired at {command.expires}; here it is {rfc3339(now)}")
        if expires > now + KEEP_IDS:
            raise Refusal("it expires in more than 48 hours, for which ids are not remembered")
        return command

    async def _resend(self, command: ResendCommand) -> dict[str, Any]:
        if command.epoch != self._buffer.epoch:
            raise Refusal(f"the epoch is {self._buffer.epoch}, not {command.epoch}")
        if command.last < command.first:
            raise Refusal("first…last runs backwards")
        rows = await self._buffer.unsend(command.first, command.last)
        self.greet_again()
        return {"rows": rows}

    async def _rebirth(self, _command: Command) -> None:
        self.greet_again()

    async def _once(self, identity: str) -> None:
        """Remember the id before anything is done: at most once, also when we die in the middle.

        The id is kept in the buffer for 48 hours; a command expires earlier.
        """
        now = self._clock.now()
        stored: dict[str, float] = await self._buffer.state(SEEN) or {}
        seen = {known: at for known, at in stored.items() if at > now - KEEP_IDS}
        if identity in seen:
            raise Refusal("this id was used before")
        if len(seen) >= MOST_IDS:
            raise Refusal(f"more than {MOST_IDS} commands within 48 hours")
        await self._buffer.append(state={SEEN: seen | {identity: now}})

    def _reply(self, identity: str, verb: str, st: Any, why: str | None, result: dict[str, Any] | None) -> Reply:  # noqa: ANN401 - one of the model's two words
        at = rfc3339(self._clock.now())
        return Reply(id=identity, verb=verb[:64], st=st, why=why, at=at, result=result)

    # ---- configuration

    async def _take_desired(self, payload: bytes) -> Message:
        return self._reported(await self._wishes.take(read_message(Desired, payload)))

    def _reported(self, reported: Reported) -> Message:
        topic = self._branch.topic("config/reported")
        return Message(topic, reported.payload(), retain=True, content_type="application/json")


def _identity(payload: bytes) -> str:
    """The id of a command as far as it can be made out, so that also a refusal can be matched."""
    try:
        found = parse_json(payload[: 64 * 1024]).get("id")
    except WireError:
        return ""
    return found[:64] if isinstance(found, str) and found.isprintable() else ""
