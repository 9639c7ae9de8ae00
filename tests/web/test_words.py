"""Every state has its verdict, its cards and its place in the chain."""

from __future__ import annotations

import re

import pytest

from agent.web.chain import chain
from agent.web.standing import Level, Line, Standing, crossings, line, standing
from agent.web.view import UplinkView
from agent.web.words import cards, verdict
from tests.web.samples import CUT, FRESH, GARBLED, NOW, PARTLY, REFUSED, SILENT, STATES, WAITING, sensor, tally, view

UP = UplinkView(broker=True, hq=True, last_answer=NOW - 2, problem="")
REFUSING = CUT._replace(problem="no connection to the broker: refused: Not authorized")
YOUNG = NOW - 5


def said(sentence) -> str:
    return "".join(part if isinstance(part, str) else part.text for part in sentence)


VERDICTS = {
    "all answer": (view(), "good", "Working", "last count 12 s ago"),
    "one sensor": (view(sensors=(sensor(),)), "good", "Working", "last count 12 s ago"),
    "one of four silent": (STATES["silent"], "warn", "1 camera needs attention", "3 of 4 count, last count 12 s ago"),
    "one of four in part": (
        view(sensors=(sensor(0), sensor(1), sensor(2), PARTLY)),
        "warn",
        "1 camera needs attention",
        "last count 12 s ago",
    ),
    "three in trouble": (STATES["refused"], "warn", "3 cameras need attention", "2 of 4 count, last count 12 s ago"),
    "one not asked yet": (view(sensors=(sensor(0), FRESH), started=YOUNG), "good", "Working", "last count 12 s ago"),
    "one never answered": (
        view(sensors=(sensor(0), FRESH)),
        "warn",
        "1 camera needs attention",
        "1 of 2 count, last count 12 s ago",
    ),
    "first seconds": (STATES["starting"], "wait", "Starting", "asking 4 cameras for the first time"),
    "none ever answered": (
        view(sensors=(FRESH,), started=NOW - 300),
        "bad",
        "Not counting",
        "no camera has answered since the agent started 5 min ago",
    ),
    "no sensors": (view(sensors=()), "bad", "Not counting", "no camera is set up"),
    "all silent": (STATES["all silent"], "bad", "Not counting since 12:40", "no camera answers"),
    "silent since yesterday": (
        view(sensors=(SILENT._replace(last_answer=NOW - 86400),)),
        "bad",
        "Not counting since Thu 19 Nov, 15:42",
        "no camera answers",
    ),
    "the poller stands still": (
        view(sensors=(sensor(last_answer=NOW - 301),)),
        "bad",
        "Not counting since 15:37",
        "no camera answers",
    ),
    "the disk is full": (
        STATES["storing"],
        "bad",
        "Not counting",
        "the numbers cannot be stored on this device",
    ),
    "broker cut": (STATES["cut"], "warn", "Working, not sending", "last count 12 s ago, 1,203 rows wait"),
    "one row waits": (
        view(uplink=CUT, tally=tally(unsent_fresh=1)),
        "warn",
        "Working, not sending",
        "last count 12 s ago, 1 row waits",
    ),
    "broker refuses": (
        view(uplink=REFUSING, tally=WAITING),
        "warn",
        "Working, not sending",
        "last count 12 s ago, 1,203 rows wait",
    ),
    "HQ silent": (STATES["hq silent"], "warn", "Working, not sending", "last count 12 s ago, 1,203 rows wait"),
    "broker not reached yet": (
        view(started=YOUNG, uplink=CUT._replace(last_answer=None)),
        "good",
        "Working",
        "last count 12 s ago",
    ),
    "rows are being lost": (
        STATES["losing"],
        "bad",
        "Losing numbers",
        "the buffer is full and nobody takes its rows",
    ),
    "configuration": (
        STATES["configuration"],
        "warn",
        "Working with the last good configuration",
        "last count 12 s ago",
    ),
    "buffer mended": (
        view(buffer_report="mended"),
        "warn",
        "Working, storage needs attention",
        "last count 12 s ago",
    ),
    "clock ahead": (view(sensors=(sensor(last_answer=NOW + 5),)), "good", "Working", "last count just now"),
}


@pytest.mark.parametrize("state", VERDICTS)
def test_verdict(state):
    """One sentence says whether people are being counted, whatever else is the matter."""
    shown, level, headline, detail = VERDICTS[state]

    found = verdict(shown)

    assert (found.level.value, said(found.headline), said(found.detail)) == (level, headline, detail)


CARDS = {
    "all answer": (view(), []),
    "starting": (STATES["starting"], []),
    "silent": (STATES["silent"], ["Car park does not answer"]),
    "refused, silent, in part": (
        STATES["refused"],
        [
            "Car park does not answer",
            "Main door, right refuses the user name or password",
            "Fitting rooms answers only in part",
        ],
    ),
    "not understood": (
        view(sensors=(GARBLED, sensor(1))),
        ["Main door, left answers in a way that is not understood"],
    ),
    "three of four silent": (
        view(sensors=(sensor(0), *(SILENT._replace(id=str(i)) for i in range(3)))),
        ["3 cameras do not answer"],
    ),
    "all silent": (STATES["all silent"], ["None of the 4 cameras answers", "The broker cannot be reached"]),
    "broker cut": (STATES["cut"], ["The broker cannot be reached"]),
    "broker refuses": (view(uplink=REFUSING), ["The broker refuses this device"]),
    "HQ silent": (STATES["hq silent"], ["Headquarters does not answer"]),
    "storing": (STATES["storing"], ["Numbers cannot be stored"]),
    "losing": (STATES["losing"], ["The broker cannot be reached"]),
    "configuration and buffer": (
        STATES["configuration"],
        ["The configuration has a mistake", "The buffer's file was damaged"],
    ),
}


@pytest.mark.parametrize("state", CARDS)
def test_cards(state):
    """Root causes only, the worst first, each with its meaning and its next step."""
    shown, titles = CARDS[state]

    found = cards(shown)

    assert [card.title for card in found] == titles
    assert all(said(card.meaning).strip() and card.step for card in found)
    assert len({card.key for card in found}) == len(found)


def test_the_only_camera_is_worse_than_one_of_many():
    """With one camera, its silence is the store's."""
    assert cards(view(sensors=(SILENT,)))[0].level is Level.BAD


def test_a_cut_line_says_plainly_that_counting_goes_on():
    """How much waits, and how long there is room."""
    meaning = said(cards(STATES["cut"])[0].meaning)

    assert meaning == (
        "Counting goes on. 1,203 rows wait here, to be sent as soon as it answers. There is room for 41 days more."
        " Headquarters last answered 3 h ago."
    )


def test_a_cut_line_does_not_say_so_where_nothing_is_counted():
    """No card contradicts another."""
    assert "Counting goes on" not in said(cards(STATES["all silent"])[1].meaning)


def test_what_is_dropped_is_said():
    """A full buffer says how much it had to give up."""
    card = cards(STATES["losing"])[0]

    assert card.level is Level.BAD
    assert "12,400 rows had to go" in said(card.meaning)


def test_several_cameras_on_one_card_are_named():
    """A technician must know which."""
    card = cards(view(sensors=(sensor(0), *(SILENT._replace(id=str(i), name=f"Door {i}") for i in range(3)))))[0]

    assert said(card.meaning) == "Last answer 3 h ago. Door 0, Door 1, Door 2."


CHAINS = {
    "working": ["good", "good", "good", "good", "good"],
    "starting": ["wait", "good", "good", "wait", "wait"],
    "silent": ["warn", "good", "good", "good", "good"],
    "all silent": ["bad", "good", "good", "bad", "wait"],
    "cut": ["good", "good", "good", "bad", "wait"],
    "hq silent": ["good", "good", "good", "good", "bad"],
    "storing": ["good", "good", "bad", "good", "good"],
    "losing": ["good", "good", "bad", "bad", "wait"],
    "configuration": ["good", "warn", "good", "good", "good"],
}


@pytest.mark.parametrize("state", CHAINS)
def test_chain(state):
    """The first link that is not well is whose fault it is."""
    links = chain(STATES[state])

    assert [link.name for link in links] == ["Cameras", "Agent", "Buffer", "Broker", "HQ"]
    assert [link.level.value for link in links] == CHAINS[state]
    assert all(link.word for link in links)


def test_little_room_is_seen_in_the_chain():
    """Less than a day of room, and nobody takes the rows."""
    assert chain(view(uplink=CUT, tally=WAITING, room_s=3600 * 5))[2].level is Level.WARN


@pytest.mark.parametrize(
    ("uplink", "rows", "expected"),
    [
        (UP, tally(), Line.OPEN),
        (UP._replace(last_answer=NOW - 121), tally(), Line.OPEN),
        (UP._replace(last_answer=NOW - 121), tally(oldest_unsent=int(NOW) - 121), Line.HQ_SILENT),
        (UP._replace(last_answer=NOW - 121), tally(oldest_unsent=None, unsent_fresh=0), Line.OPEN),
        (UP._replace(hq=False, last_answer=NOW - 5), tally(), Line.CONNECTING),
        (UP._replace(hq=False, last_answer=None), tally(), Line.HQ_SILENT),
        (CUT, tally(), Line.NO_BROKER),
        (REFUSING, tally(), Line.REFUSED),
        (UP._replace(problem="the broker: refused: it denies this device its topics"), tally(), Line.REFUSED),
        (CUT._replace(problem="no connection to the broker: this device's clock is wrong: …"), tally(), Line.CLOCK),
    ],
)
def test_the_line_to_headquarters(uplink, rows, expected):
    """Headquarters is silent only when something waits for it longer than its resends take."""
    assert line(view(uplink=uplink, tally=rows)) is expected


def test_patience_is_in_real_seconds():
    """At sixty times speed four minutes of the store are four seconds, and no camera is late."""
    late = sensor(last_answer=NOW - 240 * 5)

    assert standing(view(), late) is Standing.SILENT
    assert standing(view(speed=60.0), late) is Standing.ANSWERS


def test_the_runtime_need_not_say_what_kind_of_trouble():
    """Without it a camera is silent, and its own words tell the rest."""
    assert standing(view(), REFUSED._replace(trouble="")) is Standing.SILENT


def test_nothing_told_is_not_zero():
    """A camera that has told nothing today has no zero."""
    assert crossings(REFUSED) is None
    assert crossings(sensor(entered=0, left=0)) == (0, 0)
    assert crossings(sensor(3)) is None


@pytest.mark.parametrize("state", STATES)
def test_no_sentence_holds_an_address(state):
    """Anyone in the store may read the page."""
    shown = STATES[state]
    text = " ".join([said(card.meaning) + card.step for card in cards(shown)] + [link.word for link in chain(shown)])

    assert not re.search(r"\d+\.\d+\.\d+\.\d+|/etc", text)


def health_of(base, **changes):
    return base._replace(health=base.health.model_copy(update=changes))


@pytest.mark.parametrize(
    ("state", "title", "says"),
    [
        (
            view(memory_only="disk I/O error"),
            "This device's storage cannot be used",
            "Its card or disk cannot be used: disk I/O error. Counting goes on in memory",
        ),
        (
            health_of(view(), forked="2026-11-20T15:40:00Z"),
            "A copy of this device is running",
            "Headquarters gets other numbers under this device's name",
        ),
        (health_of(view(), certificate_days=12.5), "This device's certificate ends in 12 days", "which has not worked"),
        (
            health_of(view(uplink=REFUSING._replace(problem=f"{REFUSING.problem} x")), certificate_days=-3.0),
            "This device's certificate has expired",
            "Counting goes on.",
        ),
        (
            view(
                uplink=CUT._replace(problem="no connection to the broker: this device's clock is wrong: it says 2024")
            ),
            "This device's clock may be wrong",
            "What happened: no connection to the broker: this device's clock is wrong: it says 2024.",
        ),
        (
            view(uplink=CUT._replace(problem="no connection to the broker: the broker's packet makes no sense: …")),
            "The broker cannot be reached",
            "What happened: no connection to the broker: the broker's packet makes no sense: ….",
        ),
    ],
)
def test_what_is_wrong_with_the_device_itself(state, title, says):
    """Disk, certificate, clock and a line that talks nonsense: one card each, with what happened."""
    [card] = cards(state)

    assert card.title == title
    assert says in said(card.meaning)


def test_a_certificate_that_is_young_is_no_news():
    """Nor is one of which nobody keeps the date."""
    assert cards(health_of(view(), certificate_days=400.0)) == cards(view()) == ()


def test_a_buffer_put_together_again_is_no_damage():
    """Rows from beside the file were taken over: said, without alarm."""
    state = view(buffer_report="2 rows of agent.older.db, written beside the buffer meanwhile, were taken over")

    assert [card.title for card in cards(state)] == ["The buffer was put together again"]
    assert verdict(state).level is Level.GOOD
