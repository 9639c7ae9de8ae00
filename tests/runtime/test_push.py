"""Messages of cameras over real sockets to a real agent: counted once, whatever is killed and sent again."""

import asyncio
import gzip
import json
import random
import zlib

import aiohttp
import pytest

from agent.contract.observation import Quality
from tests.runtime.sending import MILESIGHT, SECRET, Agent, now_minute, periodic, trigger

pytestmark = pytest.mark.timeout(120)


async def test_killed_between_and_sent_again(tmp_path):
    """Every message is sent until it is answered, through four kills at any moment; each crossing counts once."""
    chance, minute = random.Random(5), now_minute() - 600  # noqa: S311 - the same kills every time
    crossings = [trigger(minute + second, line=1 + second % 2) for second in range(0, 300, 3)]
    async with Agent(tmp_path, {"door": MILESIGHT}) as agent:

        async def send(message, number):
            while (status := await agent.post("door", message)) != 200:
                assert status in {0, 503}
                await asyncio.sleep(0.05)
            if number % 4 == 0:  # its answer was lost: the camera sends it once more
                assert await agent.post("door", message | {"isRetransmission": True}) in {0, 200}

        async def kill():
            for _ in range(4):
                await asyncio.sleep(chance.uniform(0.1, 0.6))
                await agent.kill()
                await agent.start()

        killing = asyncio.create_task(kill())
        waiting = [list(enumerate(crossings))[at : at + 10] for at in range(0, len(crossings), 10)]
        for some in waiting:
            await asyncio.gather(*(send(message, number) for number, message in some))
            await asyncio.sleep(0.3)
        await killing
        rows = agent.rows()

    expected = {}
    for second in range(0, 300, 3):
        key = ("door", f"line:{1 + second % 2}", "in", (minute + second) // 60 * 60)
        expected[key] = (60, expected.get(key, (60, 0))[1] + 1.0, Quality.MEASURED)
    assert rows == expected


async def announced(agent, size):
    """The first line of the answer to a message that is larger than it may be, before any of it is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    writer.write(f"POST /push/door/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return line


async def test_what_a_stranger_learns_and_what_a_camera_is_told(tmp_path):
    """Unknown sensors and wrong secrets look the same; every cap has its status; the secret is nowhere."""
    minute = now_minute()
    async with Agent(tmp_path, {"door": MILESIGHT}) as agent:

        async def answer(method, url, **options):
            async with agent.session.request(method, url, **options) as found:
                return found.status, await found.read()

        door, bearer = agent.url("door", ""), {"Authorization": f"Bearer {SECRET}"}
        body = json.dumps(periodic(minute - 60, 3, 2)).encode()
        wrong = await answer("POST", agent.url("door", "x" * 20), data=body)
        assert wrong == await answer("POST", agent.url("nowhere"), data=body)
        assert wrong[0] == 404
        assert (await answer("POST", door, data=body))[0] == 401
        assert (await answer("GET", agent.url("door")))[0] == 200
        assert (await answer("DELETE", agent.url("door")))[0] == 405
        assert (await answer("POST", agent.url("door"), data=b"no counts at all"))[0] == 400
        assert b" 413 " in await announced(agent, 3 * 1024 * 1024)
        bomb = {"Content-Encoding": "gzip"}
        assert (await answer("POST", agent.url("door"), data=gzip.compress(bytes(2**26)), headers=bomb))[0] == 413
        assert (await answer("POST", agent.url("door"), data=b"not gzip", headers=bomb))[0] == 400
        assert (await answer("POST", agent.url("door"), data=body, headers={"Content-Encoding": "br"}))[0] == 415
        assert agent.rows() == {}

        assert (await answer("POST", door, data=body, headers=bearer))[0] == 200
        packed = {"Authorization": aiohttp.encode_basic_auth("anybody", SECRET), "Content-Encoding": "deflate"}
        deflated = zlib.compress(json.dumps(periodic(minute - 120, 1, 0)).encode())
        assert (await answer("POST", door, data=deflated, headers=packed))[0] == 200
        told = {key[1:]: row[1] for key, row in agent.rows().items()}

        codes = await asyncio.gather(*(answer("POST", agent.url("door"), data=b"") for _ in range(320)))
        assert {code for code, _ in codes} == {200, 429}
        page = (await answer("GET", agent.page))[1] + (await answer("GET", f"{agent.page}/api/health"))[1]
        await agent.process.stop()
        kept = b"".join(
            file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".secret"
        )

    line = "line:1"
    assert told == {
        (line, "in", minute - 60): 3.0,
        (line, "out", minute - 60): 2.0,
        (line, "in", minute - 120): 1.0,
        (line, "out", minute - 120): 0.0,
    }
    assert SECRET.encode() not in page + kept
