"""What breaks the receiver, and that it mends: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import asyncpg
import psutil
import pytest

from tests.receiver.hq import CHECKOUT, START, Headquarters, row, rows
from tests.receiver.mosquitto import free_port

pytestmark = pytest.mark.timeout(30)


async def until_somebody_waits(connection) -> None:
    """Until the receiver stands before the table of rows: a batch is received and not committed."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'observations'::regclass"
    while not await connection.fetchval(waiting):  # noqa: ASYNC110 - another process's locks set no event of ours
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def standstill(hq):
    """Hold back every insert of rows."""
    connection = await asyncpg.connect(hq.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE observations IN SHARE ROW EXCLUSIVE MODE")
    try:
        yield lambda: until_somebody_waits(connection)
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await transaction.rollback()
        connection.terminate()  # a polite close would wait for a database that may be dead by now


async def test_a_receiver_killed_between_receive_and_commit_loses_nothing(hq, device):
    """Its next life has a higher boot; what the device then sends again is stored once."""
    before = await device.online()
    payload = device.batch([(1, 3)], rows(3))
    async with standstill(hq) as until_received:
        await device.publish("batch", payload)
        await until_received()
        hq.kill()
    assert await device.rows() == []
    assert await device.coverage() == []

    hq.start()
    assert (await device.online(before["boot"]))["boot"] > before["boot"]
    assert (await device.send(payload))["st"] == "committed"
    assert (await device.send(payload))["st"] == "duplicate"
    assert len(await device.rows()) == 3


async def test_a_receiver_killed_after_commit_answers_duplicate(hq, device):
    """The answer was lost, the rows were not: the resend is told so."""
    payload = device.batch([(1, 3)], rows(3))
    await device.send(payload)
    hq.kill()
    hq.start()
    answer = await device.send(payload)

    assert (answer["st"], answer["dup"]) == ("duplicate", 3)
    assert len(await device.rows()) == 3


async def test_a_database_of_a_killed_receiver_is_adopted(hq):
    """The next receiver finds it running, and stops it in the end."""
    postmaster = hq.postmaster
    hq.kill()
    hq.start()
    assert hq.postmaster == postmaster
    assert "database_adopted" in hq.log


async def test_a_killed_database_is_started_again_and_the_batch_in_flight_is_committed(hq, device):
    """The same receiver process mends it; the answer only comes late."""
    receiver = hq.process.pid
    payload = device.batch([(1, 2)], rows(2))
    async with standstill(hq) as until_received:
        await device.publish("batch", payload)
        await until_received()
        os.kill(hq.postmaster, signal.SIGKILL)
    assert (await device.answer())["st"] == "committed"

    assert hq.process.pid == receiver
    assert hq.process.poll() is None
    assert len(await device.rows()) == 2
    assert (await device.send(device.batch([(3, 3)], [row(1.0, start=START + 3600)])))["st"] == "committed"


async def test_a_database_killed_while_no_receiver_runs_is_started_by_the_next(hq, device):
    """A stale pid file and orphans are no obstacle."""
    await device.send(device.batch([(1, 2)], rows(2)))
    hq.kill()
    os.kill(hq.postmaster, signal.SIGKILL)
    hq.start()
    assert len(await device.rows()) == 2


async def test_a_database_killed_while_its_receiver_starts_is_started_again(hq, device):
    """The start waits for the database, and who waits is also who mends it."""
    hq.kill()
    connection = await asyncpg.connect(hq.url)
    await connection.execute("BEGIN; LOCK TABLE workers IN ACCESS EXCLUSIVE MODE")
    starting = asyncio.create_task(asyncio.to_thread(hq.start))
    while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    os.kill(hq.postmaster, signal.SIGKILL)
    await starting
    connection.terminate()
    assert (await device.send(device.batch([(1, 1)], rows(1))))["st"] == "committed"


async def test_a_transaction_that_the_database_ends_is_tried_again(hq, device):
    """A backend that was told to go, as at a restart or by an administrator, costs time only."""
    payload = device.batch([(1, 2)], rows(2))
    async with standstill(hq) as until_received:
        await device.publish("batch", payload)
        await until_received()
        await hq.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
    assert (await device.answer())["st"] == "committed"
    assert len(await device.rows()) == 2


async def test_a_deadlock_is_tried_again(hq, device):
    """The receiver is the one that is thrown out, comes back, and commits."""
    await device.send(device.batch([(1, 1)], [row(1.0)]))
    connection = await asyncpg.connect(hq.url)
    await connection.execute("SET deadlock_timeout = '60s'")  # the receiver's patience (1 s) ends first
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT 1 FROM coverage WHERE device = $1 FOR UPDATE", device.branch.device)
    await device.publish("batch", device.batch([(2, 2)], [row(2.0)]))
    while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        pass
    # The receiver holds rows and waits for its coverage; who has the coverage and wants the rows closes the ring.
    await connection.execute("LOCK TABLE observations IN SHARE ROW EXCLUSIVE MODE")
    await transaction.rollback()
    await connection.close()

    assert (await device.answer())["st"] == "committed"
    assert [r[4] for r in await device.rows()] == [2]
    assert "DeadlockDetectedError" in hq.log


async def test_a_killed_broker_is_found_again(hq, broker, device):
    """The receiver subscribes anew, says that it is there, and goes on in the same life."""
    before = await device.online()
    broker.kill()
    broker.start()
    assert (await device.online())["boot"] == before["boot"]
    assert (await device.send(device.batch([(1, 1)], rows(1))))["st"] == "committed"
    assert (await device.send(device.batch([(2, 2)], rows(1)), "backlog"))["st"] == "committed"
    assert hq.process.poll() is None


def living(folder) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if f"{folder}/hq" in " ".join(p.info["cmdline"] or [])]


async def test_a_clean_stop_says_so_and_leaves_no_process(alone):
    """Exit status 0, the state `offline`, and no PostgreSQL left behind."""
    hq, _ = alone(5)
    hq.start()
    async with hq.device() as device:
        await device.online()
        assert living(hq.folder)
        assert await asyncio.to_thread(hq.stop) == 0
        assert (await device.states.get())["st"] == "offline"
    assert living(hq.folder) == []


@pytest.fixture
def embedded(folder):
    """The broker of a machine without Mosquitto, which speaks 3.1.1 only."""
    pytest.importorskip("amqtt")
    (folder / "embedded").mkdir()
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.rig.embedded_broker", str(port)], cwd=CHECKOUT)
    yield Headquarters(folder / "embedded", port, version=4)
    process.terminate()
    process.wait()


async def test_the_embedded_broker_carries_both_lanes(embedded):
    """A demo without Mosquitto keeps the same promises, ten batches unanswered at a time."""
    embedded.start()
    try:
        async with embedded.device() as device:
            await device.online()
            for number in range(1, 61):
                payload = device.batch([(number, number)], [row(1.0, start=START + 60 * number)])
                await device.publish("batch" if number % 2 else "backlog", payload)
                if number % 10 == 0:
                    assert {(await device.answer())["st"] for _ in range(10)} == {"committed"}
            assert len(await device.rows()) == 60
    finally:
        assert await asyncio.to_thread(embedded.stop) == 0


async def test_mqtt_311_flows_without_shared_subscriptions(alone):
    """The same promises on the older protocol."""
    hq, _ = alone(4)
    hq.start()
    try:
        async with hq.device() as device:
            payload = device.batch([(1, 40)], rows(40))
            assert (await device.send(payload))["st"] == "committed"
            assert (await device.send(payload, "backlog"))["st"] == "duplicate"
    finally:
        assert await asyncio.to_thread(hq.stop) == 0
