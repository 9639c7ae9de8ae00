"""What HQ's database holds, read by plain SQL over a connection of the oracle's own."""

from __future__ import annotations

import asyncpg

from tests.rig.oracle import Kept

ROWS = """
SELECT sensor, place, metric, start, "end", value, origin, device, epoch, number FROM observations WHERE stream = 0
"""


class Headquarters:
    """A reader of HQ's tables; each question is a connection, as the database may be killed between two."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def rows(self) -> list[Kept]:
        """Every row, withdrawn ones too."""
        return [Kept(*row) for row in await self._ask(ROWS)]

    async def count(self) -> int:
        """How many rows there are; an answer at all says that PostgreSQL is there."""
        return int((await self._ask("SELECT count(*) FROM observations"))[0][0])

    async def _ask(self, question: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return list(await connection.fetch(question))
        finally:
            await connection.close()
