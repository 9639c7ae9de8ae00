"""Keeps the certificate young: from a third of its life on it asks for a new one, tries it, and only then uses it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import TYPE_CHECKING

import structlog

from agent.contract.enrolment import RENEW_FROM
from agent.enrol import identity
from agent.enrol.joining import Denied, EnrolmentError, renew

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agent.contract.enrolment import Identity
    from agent.foundation.dial import TlsSettings

log = structlog.get_logger()

HOUR = 3600.0
DAY = 24 * HOUR
FAILED = 60.0  # real seconds at least after a failure, where a disk that takes nothing cannot keep the time of the try
TELL_FROM = 30 * DAY  # before its end a certificate that cannot be renewed is somebody's business
_TRIED = "tried"  # a file whose time says when; a restart must not try sooner


class Renewal:
    """The part of the agent that renews. `accepts` tries the broker: why not, or nothing."""

    def __init__(
        self,
        folder: Path,
        accepts: Callable[[TlsSettings], Awaitable[str]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._accepts, self._now = folder, accepts, now

    async def run(self) -> None:
        """Look once an hour or two, for ever: thousands of devices do not ask in the same minute."""
        while True:
            await asyncio.sleep(self._rest())
            held = identity.read_identity(self._folder)
            waits = identity.tls_of(self._folder, identity.NEXT)
            if held and (waits or self._now() >= due(held)) and not await self.once(held):
                await asyncio.sleep(FAILED)

    async def once(self, held: Identity) -> bool:
        """Try to renew; whether a new certificate is in use. The old one stays until the new one is proved."""
        try:
            self._note_try()
            await self._prove(await self._candidate(held))
        except (EnrolmentError, OSError) as problem:
            self._tell(held, problem)
            return False
        identity.adopt(self._folder)
        log.info("certificate_renewed", device=held.device)
        return True

    async def _candidate(self, held: Identity) -> TlsSettings:
        """What waits to be proved; asked of headquarters where nothing does."""
        if waits := identity.tls_of(self._folder, identity.NEXT):
            return waits
        authority = identity.authority(self._folder).read_text(encoding="ascii")
        issued, asked = await renew(held.url, held.device, authority, identity.read_pair(self._folder))
        return identity.lay_beside(self._folder, issued, asked.key, held.url)

    async def _prove(self, candidate: TlsSettings) -> None:
        """A certificate that the broker refuses is asked for anew; one that merely did not reach it waits."""
        why = await self._accepts(candidate)
        if why.startswith("refused"):
            identity.drop_next(self._folder)
        if why:
            raise EnrolmentError(f"the broker does not take the new certificate: {why}")

    def _tell(self, held: Identity, problem: Exception) -> None:
        left = held.ends - self._now()
        say = log.error if left < TELL_FROM or isinstance(problem, Denied) else log.warning
        say("certificate_not_renewed", why=str(problem), days_left=int(left // DAY))

    def _rest(self) -> float:
        """From one to two hours after the last try, also across a restart; a clock that went back changes nothing."""
        pause = HOUR * (1 + random.random())  # noqa: S311 - spreads, hides nothing
        try:
            since = self._now() - (self._folder / _TRIED).stat().st_mtime
        except OSError:
            return random.random() * HOUR  # noqa: S311 - as above
        return pause - since if 0 <= since < pause else (pause if since < 0 else 1.0)

    def _note_try(self) -> None:
        file = self._folder / _TRIED
        file.touch(mode=0o600)
        os.utime(file, (self._now(), self._now()))


def due(held: Identity) -> float:
    """From when on a certificate is renewed."""
    return held.begins + (held.ends - held.begins) * RENEW_FROM
