"""A signed POST: who takes it can check that it is from this store, that it is of now, and that it comes once."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import ssl
import time
from typing import TYPE_CHECKING

import aiohttp

from agent.foundation import bounds
from agent.runtime.actions import NotTaken

if TYPE_CHECKING:
    from agent.runtime.actions import WebhookTable
    from agent.runtime.outgoing import Delivery

WITHIN = aiohttp.ClientTimeout(total=10.0)
MOST_ANSWER = 4096  # bytes that are read of an answer, of which only the status counts
NEVER = frozenset({400, 410, 413, 415, 422})  # statuses that another try would not change


class Webhook:
    """One `[[alerts.webhook]]`. Each message has its connection: they are few, and the address is looked up anew."""

    once = False

    def __init__(self, table: WebhookTable, secret: str, context: ssl.SSLContext | None = None) -> None:
        self.table = table
        self._secret = secret.encode()
        self._context = context or ssl.create_default_context()

    async def tell(self, delivery: Delivery) -> None:
        """See Action."""
        body = json.dumps(delivery.body, separators=(",", ":"), ensure_ascii=False).encode()
        try:
            status = await self._post(delivery.id, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EACCES:
                raise NotTaken(
                    "its address is this machine's own, its links' or nobody's, where none is sent"
                ) from None
            raise NotTaken(f"not reached: {type(error).__name__}") from None
        if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            raise NotTaken(f"it answers with status {status}", final=status in NEVER)

    async def _post(self, identity: str, body: bytes) -> int:
        connector = aiohttp.TCPConnector(
            ssl=self._context,
            force_close=True,
            use_dns_cache=False,
            socket_factory=bounds.socket_factory(loopback=self.table.this_machine),
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=WITHIN,
        ) as session:
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "footfall",
                "Idempotency-Key": identity,
                "Footfall-Signature": signature(self._secret, body, int(time.time())),
            }
            async with session.post(self.table.url, data=body, headers=headers, allow_redirects=False) as answer:
                async with asyncio.timeout(WITHIN.total):
                    await answer.content.read(MOST_ANSWER)
                return answer.status


def signature(secret: bytes, body: bytes, at: int) -> str:
    """The header's value: the time of sending, and the HMAC-SHA-256 of time, a point and the body."""
    return f"t={at},v1={hmac.new(secret, f'{at}.'.encode() + body, hashlib.sha256).hexdigest()}"
