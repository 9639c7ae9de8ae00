"""The schedule of a chaos campaign: replayable, and hard enough that an agent that believes PUBACK must lose."""

from __future__ import annotations

from collections import Counter

import pytest

from agent.sync.uplink import Timing
from tests.campaigns.schedule import PARTS, schedule


def test_a_seed_gives_the_same_events_for_ever():
    """What failed once can be tried again."""
    assert schedule(7, 60) == schedule(7, 60)
    assert schedule(7, 60) != schedule(8, 60)


@pytest.mark.parametrize("seed", [1, 60, 201])
def test_every_part_is_killed_as_often(seed):
    """Luck does not spare anybody."""
    killed = Counter(event.target for event in schedule(seed, 60) if event.what == "killed")

    assert killed == dict.fromkeys(PARTS, 15)


@pytest.mark.parametrize("seed", [1, 60, 201])
def test_a_receiver_is_frozen_for_longer_than_an_agent_pauses_before_it_is_killed(seed):
    """So at each of its deaths the broker has acknowledged a batch that nobody committed."""
    events = schedule(seed, 60, (*PARTS, "worker 2"))
    frozen = [e.lasting for e in events if e.what == "killed" and e.target in ("receiver", "worker 2")]

    assert len(frozen) == 24
    assert min(frozen) > Timing().every
