"""What waits to be decided is shared out between devices."""

from __future__ import annotations

from agent.contract.messages import Credit
from agent.foundation.mqtt import Received
from cloud_receiver.ingest.inbox import MOST_OF_ONE, Inbox, Limits, Verdict


def of(device: str) -> Received:
    return Received(f"footfall/v1/acme/s1/{device}/batch", b"x", 1, False, "", (), lambda: None)


def test_one_device_does_not_fill_the_window_of_all():
    """Beyond what a device may have on its way it is turned away at once, and the others are taken."""
    inbox = Inbox(Limits(200, Credit(rows_s=10_000)), lambda: 0.0)

    assert [inbox.put(of("mad"))[0] for _ in range(MOST_OF_ONE)] == [Verdict.TAKEN] * MOST_OF_ONE
    verdict, pause = inbox.put(of("mad"))
    assert verdict is Verdict.OVER
    assert pause > 0
    assert inbox.put(of("normal"))[0] is Verdict.TAKEN
