"""What the page says of cameras' clocks, and of cameras that send by themselves."""

import math

import pytest

from agent.web.standing import Standing, standing
from agent.web.words import cards, clock_words
from tests.web.samples import NOW, sensor, view


@pytest.mark.parametrize(
    ("offset", "doubt", "words"),
    [
        (None, "", ""),
        (59.0, "", ""),
        (-181.0, "", "clock 3 min slow"),
        (7300.0, "", "clock 2 h fast"),
        (None, "stands still", "clock stands still"),
    ],
)
def test_a_clock_in_words(offset, doubt, words):
    """Beyond a minute it has a card that says what to do; below nobody is bothered."""
    one = sensor(0, clock_offset=offset, clock_doubt=doubt)
    said = [card for card in cards(view(sensors=(one, sensor(1)))) if card.key == "clocks"]

    assert clock_words(one) == words
    assert [words in card.meaning[0] for card in said] == [True] * bool(words)


def test_who_sends_by_itself_may_be_quiet():
    """A camera that tells crossings alone is well at night; one that sends every quarter is missed after three."""
    quiet = NOW - 3300

    assert standing(view(), sensor(0, last_answer=quiet)) is Standing.SILENT
    assert standing(view(), sensor(0, last_answer=quiet, patience=3600.0)) is Standing.ANSWERS
    assert standing(view(), sensor(0, last_answer=quiet, patience=math.inf)) is Standing.ANSWERS


def test_a_device_that_does_not_know_the_time():
    """It says how much waits for that, and what to do."""
    assert not [card for card in cards(view()) if card.key == "own-clock"]
    [said] = [card for card in cards(view(undated=12)) if card.key == "own-clock"]
    assert "12 rows" in said.meaning[0]
