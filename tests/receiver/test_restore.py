"""HQ's database comes back from an hour-old dump: what came since comes again, by itself."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from agent.contract.topics import Branch
from cloud_receiver.database.server import Server, programs
from tests.receiver.hq import TENANT
from tests.sync.headquarters import Shop

pytestmark = pytest.mark.timeout(90)

BRANCH = Branch(TENANT, "restored", "restored-pi")


def postgresql(program: str, url: str, *arguments: str) -> None:
    subprocess.run([str(programs() / program), f"--dbname={url}", *arguments], check=True, capture_output=True)


async def cells(hq) -> list[tuple]:
    return await hq.ask("SELECT place, value FROM observations WHERE stream = 0 ORDER BY place")


async def test_everything_that_came_since_the_dump_comes_again(alone, tmp_path):
    """A running device compares what HQ covers with what it was told, and sends what is missing; nothing twice."""
    hq, _ = alone(5)
    hq.start()
    await hq.register(BRANCH.device, BRANCH.store)
    async with Shop(tmp_path / "shop", hq.port, branch=BRANCH) as shop:
        await shop.count(1, 4)
        await shop.settled(4)
        dump = hq.folder / "dump"
        await asyncio.to_thread(postgresql, "pg_dump", hq.url, "--format=custom", f"--file={dump}")
        await shop.count(5, 4)
        await shop.settled(8)
        before = await cells(hq)
        [(boot,)] = await hq.ask("SELECT boot FROM workers")
        await asyncio.to_thread(hq.stop)

        server = Server(hq.folder / "hq")
        await server.start()
        await hq.ask("DROP SCHEMA public CASCADE")
        await hq.ask("CREATE SCHEMA public")
        await asyncio.to_thread(postgresql, "pg_restore", server.url, str(dump))
        assert len(await cells(hq)) == 4
        await server.stop()

        await asyncio.to_thread(hq.start)
        assert (await hq.ask("SELECT boot FROM workers"))[0][0] > boot
        while len(await cells(hq)) < 8:  # noqa: ASYNC110 - another process's rows
            await asyncio.sleep(0.1)
        await shop.count(9, 2)
        while len(await cells(hq)) < 10:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)

    assert set(before) < set(await cells(hq))
    assert await hq.ask("SELECT ranges::text, void::text FROM coverage") == [("{[1,11)}", "{}")]  # one epoch, no hole
    assert await hq.ask("SELECT count(*) FROM forks") == [(0,)]
    assert await asyncio.to_thread(hq.stop) == 0
