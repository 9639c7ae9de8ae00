"""HQ lost rows and asks for them again: they come back, once; who will not or cannot says so."""

from __future__ import annotations

import asyncio
import re

import pytest

from agent.contract.topics import Branch
from cloud_receiver.database.coverage import forget
from cloud_receiver.database.pool import open_pool
from tests.receiver.hq import TENANT, rows
from tests.receiver.mosquitto import free_port
from tests.sync.headquarters import Shop, eventually
from tests.sync.test_desk import desk

pytestmark = pytest.mark.timeout(60)

NUMBERS = "SELECT o.number FROM observations AS o WHERE o.device = $1 AND stream = 0 ORDER BY 1"
COVERED = "SELECT ranges::text, void::text FROM coverage WHERE device = $1"
FORKS = "SELECT count(*) FROM forks WHERE device = $1"


async def asked(hq, *arguments: str):
    return await asyncio.to_thread(hq.command, "device", "resend", *arguments)


async def be_born(hq, device) -> None:
    """HQ knows which epoch the device is in."""
    await hq.ask(
        "INSERT INTO device_state (device, boot, st, since, run, epoch) VALUES ($1, 1, 'online', 1, 'r', 'e1')",
        device.branch.device,
    )


async def numbers(hq, device: str) -> list[int]:
    return [number for (number,) in await hq.ask(NUMBERS, device)]


async def lose(hq, device: str, first: int, last: int) -> None:
    await hq.ask("DELETE FROM observations WHERE device = $1 AND number BETWEEN $2 AND $3", device, first, last)


async def test_rows_lost_at_hq_come_back_when_it_asks(hq, tmp_path):
    """Only what is missing is written; nothing counts twice, nobody takes it for a fork, and all is covered again."""
    branch = Branch(TENANT, "careless", "careless-pi")
    await hq.register(branch.device, branch.store)
    async with Shop(tmp_path, hq.port, branch=branch, desk=desk) as shop:
        await shop.count(1, 12)
        await shop.settled(12)
        whole = await hq.ask("SELECT * FROM observations WHERE device = $1 ORDER BY number", branch.device)
        epoch = shop.buffer.epoch
        await lose(hq, branch.device, 3, 7)
        await shop.count(13)  # the device goes on and knows of nothing
        await shop.settled(13)
        assert await numbers(hq, branch.device) == [1, 2, *range(8, 14)]

        ended = await asked(hq, branch.device, "--numbers", "2-9")
        assert (ended.returncode, ended.stdout.startswith(f"{branch.device} sends 8 rows again")) == (0, True), ended
        await eventually(lambda: has(hq, branch.device, range(1, 14)))
        await shop.settled(13)
        await eventually(lambda: covers(hq, branch.device, ("{[1,14)}", "{}")))

        assert await hq.ask("SELECT * FROM observations WHERE device = $1 ORDER BY number LIMIT 12", branch.device) == (
            whole
        )
        assert await hq.ask(FORKS, branch.device) == [(0,)]
        assert shop.buffer.epoch == epoch


async def has(hq, device: str, wanted) -> bool:
    return await numbers(hq, device) == list(wanted)


async def covers(hq, device: str, wanted) -> bool:
    return await hq.ask(COVERED, device) == [wanted]


async def test_a_device_that_is_away_finds_out_at_its_next_hello(hq, tmp_path):
    """The command says so, and needs no second one."""
    branch = Branch(TENANT, "closed", "closed-pi")
    await hq.register(branch.device, branch.store)
    async with Shop(tmp_path, hq.port, branch=branch, desk=desk) as shop:
        await shop.count(1, 6)
        await shop.settled(6)
    await lose(hq, branch.device, 1, 6)
    ended = await asked(hq, branch.device)
    assert (ended.returncode, "not there now" in ended.stdout) == (0, True), ended

    async with Shop(tmp_path, hq.port, branch=branch, desk=desk):
        await eventually(lambda: has(hq, branch.device, range(1, 7)))


async def test_a_device_that_refuses_leaves_everything_as_it_was(hq, device):
    """What HQ had forgotten for it is covered again, and the reason is shown."""
    await device.send(device.batch([(1, 2)], rows(2), void=[(3, 4)]))
    before = await hq.ask(COVERED, device.branch.device)
    assert before == [("{[1,5)}", "{[3,5)}")]
    await be_born(hq, device)
    async with device.obeying(lambda _: ("refused", "the shop is on fire")):
        ended = await asked(hq, device.branch.device, "--numbers", "2-3")

    assert (ended.returncode, ended.stdout) == (1, f"{device.branch.device} refused: the shop is on fire\n")
    assert await hq.ask(COVERED, device.branch.device) == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nobody"], 1, "there is no device nobody; footfall-receiver device list shows them"),
        (["KNOWN"], 1, "has never said which epoch it is in, so it has nothing to send again"),
        (["BORN", "--epoch", "e0"], 1, "is in the epoch e1: of e0 it can send nothing again"),
        (["KNOWN", "--numbers", "9-3"], 78, "--numbers 9-3: write the first and the last, such as 100-250"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_words(hq, device, arguments, code, says):
    """Nobody of that name, an epoch the device has left, a range that runs backwards."""
    if "BORN" in arguments:
        await be_born(hq, device)
    ended = await asked(hq, *(device.branch.device if word in ("KNOWN", "BORN") else word for word in arguments))
    assert (ended.returncode, says in ended.stderr) == (code, True), ended.stderr


async def test_a_broker_that_is_away_changes_nothing(hq, device):
    """The coverage that was to be forgotten is there again."""
    await device.send(device.batch([(1, 2)], rows(2), void=[(3, 4)]))
    await be_born(hq, device)
    right = hq.configuration.read_text()
    hq.configuration.write_text(right.replace(f"port = {hq.port}", f"port = {free_port()}"))
    try:
        ended = await asked(hq, device.branch.device)
    finally:
        hq.configuration.write_text(right)

    assert ended.returncode == 1
    says = r"receiver.toml:6: mqtt.host: 127.0.0.1, port \d+: .*Connect call failed.* Nothing was changed"
    assert re.search(says, ended.stderr)
    assert await hq.ask(COVERED, device.branch.device) == [("{[1,5)}", "{[3,5)}")]


async def test_a_batch_whose_numbers_were_forgotten_is_no_duplicate(hq, device):
    """The device may send the very bytes again: its name alone proves no rows, and they are covered once more."""
    payload = device.batch([(1, 3)], rows(3))
    await device.send(payload)
    await lose(hq, device.branch.device, 2, 2)
    assert (await device.send(payload))["st"] == "duplicate"
    async with open_pool(hq.url) as pool:
        await forget(pool, device.branch.device, "e1", 2, 3)
    answer = await device.send(payload)

    assert (answer["st"], answer["new"], answer["dup"]) == ("committed", 2, 1)
    assert [r[7] for r in await device.rows()] == [1, 2, 3]
    assert await device.coverage() == [(1, 3)]
    assert (await device.send(payload))["st"] == "duplicate"
