"""Tasks live and die together, and stopping is bounded."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from agent.foundation.tasks import TaskEnded, install_stop_signals, run_until_stopped


class Probe:
    """A task that runs until cancelled and remembers that it cleaned up."""

    def __init__(self):
        self.cleaned = False

    async def run(self):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned = True


async def test_stop_ends_all_tasks_and_raises_nothing():
    """A stop that was asked for is no error, and every task cleaned up before the call returned."""
    stop, one, two = asyncio.Event(), Probe(), Probe()
    asyncio.get_running_loop().call_soon(stop.set)

    await run_until_stopped({"one": one.run(), "two": two.run()}, stop)

    assert one.cleaned
    assert two.cleaned


async def test_a_dead_task_stops_the_others_and_its_error_is_raised():
    """The first error wins, names its task, and the rest of the process goes down with it."""

    async def dies():
        raise OSError("disk is gone")

    stop, other = asyncio.Event(), Probe()

    with pytest.raises(OSError, match="disk is gone") as caught:
        await run_until_stopped({"other": other.run(), "writer": dies()}, stop)

    assert caught.value.__notes__ == ["in the task 'writer'"]
    assert other.cleaned
    assert stop.is_set()


async def test_a_task_that_returns_early_is_an_error():
    """A stage that quietly ended would leave the agent half alive."""

    async def returns():
        return None

    with pytest.raises(TaskEnded, match="poller"):
        await run_until_stopped({"other": Probe().run(), "poller": returns()}, asyncio.Event())


async def test_an_error_while_stopping_is_raised():
    """A last write that failed is told, also when the stop was asked for."""

    async def fails_at_the_end():
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("last write failed")

    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)

    with pytest.raises(OSError, match="last write failed"):
        await run_until_stopped({"writer": fails_at_the_end()}, stop)


async def test_a_task_that_will_not_stop_is_named():
    """Stopping ends within the grace; who held it up is in the text."""
    release = asyncio.Event()

    async def stubborn():
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)

    with pytest.raises(TimeoutError, match=r"did not stop within 0.01 s: stubborn"):
        await run_until_stopped({"stubborn": stubborn()}, stop, grace=0.01)
    release.set()


async def test_a_cancelled_caller_takes_its_tasks_along():
    """Cancelling the whole leaves no task behind."""
    probe = Probe()
    whole = asyncio.create_task(run_until_stopped({"probe": probe.run()}, asyncio.Event()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    whole.cancel()

    with pytest.raises(asyncio.CancelledError):
        await whole
    assert probe.cleaned


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_set_the_stop_event(number):
    """systemd's SIGTERM and a person's Ctrl-C both mean: stop in good order."""
    stop = asyncio.Event()
    install_stop_signals(stop)

    os.kill(os.getpid(), number)
    await stop.wait()

    loop = asyncio.get_running_loop()
    assert loop.remove_signal_handler(signal.SIGTERM)
    assert not loop.remove_signal_handler(signal.SIGINT), "a second Ctrl-C must interrupt at once"
