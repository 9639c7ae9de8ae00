"""What the page says: the verdict and what to do. Pure: a view goes in, words come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.contract.times import DAY, MINUTE
from agent.web.phrases import Sentence, anonymous, at, counted, stretch
from agent.web.standing import (
    COUNTING,
    CUT,
    Level,
    Line,
    Standing,
    has_expired,
    is_losing,
    last_count,
    line,
    since,
    standing,
    waiting_rows,
    zone_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.web.view import SensorView, StoreView

ERRNO = "[Errno"
TAKEN_OVER = "were taken over"  # how a report ends of rows that were put back, which is no trouble
SOON_ENDS = 30  # days: from then on a certificate that was not renewed is somebody's business
MOST_CARDS_OF_A_KIND = 2  # from the third on, cameras in the same trouble share a card


class Verdict(NamedTuple):
    """The one sentence for which most people come."""

    level: Level
    headline: Sentence
    detail: Sentence


class Card(NamedTuple):
    """One root cause: what it is, what it means, and the next step."""

    key: str
    level: Level
    title: str
    meaning: Sentence
    step: str


# ---- the verdict


def verdict(view: StoreView) -> Verdict:
    """Whether people are being counted, first of all; then what else wants somebody's attention."""
    stand = [standing(view, sensor) for sensor in view.sensors]
    counting = sum(one in COUNTING for one in stand)
    if view.storing_problem:
        return Verdict(Level.BAD, ("Not counting",), ("the numbers cannot be stored on this device",))
    if not counting and Standing.WAITING in stand:
        return Verdict(Level.WAIT, ("Starting",), (f"asking {counted(len(stand), 'camera')} for the first time",))
    if not counting:
        return _not_counting(view)
    ill = sum(one not in (Standing.ANSWERS, Standing.WAITING) for one in stand)
    if ill:
        headline = f"{counted(ill, 'camera')} {'needs' if ill == 1 else 'need'} attention"
        others = (f"{counting} of {len(stand)} count, ",) if counting < len(stand) else ()
        return Verdict(Level.WARN, (headline,), (*others, *_last(view)))
    return _counting(view)


def _not_counting(view: StoreView) -> Verdict:
    if not view.sensors:
        return Verdict(Level.BAD, ("Not counting",), ("no camera is set up",))
    last = last_count(view)
    if last is None:
        began = ("no camera has answered since the agent started ", since(view, view.started))
        return Verdict(Level.BAD, ("Not counting",), began)
    return Verdict(Level.BAD, ("Not counting since ", at(last, view.now, zone_of(view))), ("no camera answers",))


def _counting(view: StoreView) -> Verdict:
    waits = f", {counted(waiting_rows(view), 'row')} wait{'s' if waiting_rows(view) == 1 else ''}"
    if is_losing(view):
        return Verdict(Level.BAD, ("Losing numbers",), ("the buffer is full and nobody takes its rows",))
    if view.memory_only:
        return Verdict(Level.BAD, ("Working in memory only",), (*_last(view), waits))
    if view.configuration_problem:
        return Verdict(Level.WARN, ("Working with the last good configuration",), _last(view))
    if line(view) in CUT:
        return Verdict(Level.WARN, ("Working, not sending",), (*_last(view), waits))
    if view.buffer_report and not view.buffer_report.endswith(TAKEN_OVER):
        return Verdict(Level.WARN, ("Working, storage needs attention",), _last(view))
    return Verdict(Level.GOOD, ("Working",), _last(view))


def _last(view: StoreView) -> Sentence:
    last = last_count(view)
    return () if last is None else ("last count ", since(view, last))


# ---- what to do


def cards(view: StoreView) -> tuple[Card, ...]:
    """Root causes only, the worst first: what merely follows from one of them has no card."""
    found = [
        *_storage(view),
        *_configuration(view),
        *_rules(view),
        *_own_clock(view),
        *_cameras(view),
        *_clocks(view),
        *_uplink(view),
        *_forked(view),
        *_mended(view),
    ]
    return tuple(sorted(found, key=lambda card: card.level is not Level.BAD))


def _storage(view: StoreView) -> list[Card]:
    if view.memory_only and not view.storing_problem:
        return [_memory(view)]
    if not view.storing_problem:
        return []
    meaning = (f"What the cameras count now is not kept here: {anonymous(view.storing_problem)}.",)
    step = (
        "See that the device's card or disk is not full and not worn out, then restart the device. The cameras remember"
        " some days; what they remember is fetched as soon as storing works again."
    )
    return [Card("storing", Level.BAD, "Numbers cannot be stored", meaning, step)]


def _memory(view: StoreView) -> Card:
    room = "" if view.room_s is None else f" Memory has room for {stretch(view.room_s)} more."
    meaning = (
        f"Its card or disk cannot be used: {anonymous(view.memory_only)}. Counting goes on in memory, and headquarters"
        f" gets every number while the line is there.{room} What it does not have"
        " yet is lost when the device loses power."
    )
    step = (
        "Do not unplug the device while rows wait. See whether its card or disk is full, locked against writing or worn"
        " out; a new one needs the device enrolled again. It is looked at twice a minute, and used as soon as it works."
    )
    return Card("memory", Level.BAD, "This device's storage cannot be used", (meaning,), step)


def _configuration(view: StoreView) -> list[Card]:
    if not view.configuration_problem:
        return []
    meaning = (f"The last good one is used until it is put right. {anonymous(view.configuration_problem)}",)
    step = "Correct the line that is named, then run “footfall-agent check” on the device."
    return [Card("configuration", Level.WARN, "The configuration has a mistake", meaning, step)]


def _rules(view: StoreView) -> list[Card]:
    found = []
    if view.rules_problem:
        meaning = (f"Others are used until they are put right. {anonymous(view.rules_problem)}",)
        step = "Correct the line that is named, then run “footfall-agent check” on the device and restart it."
        found.append(Card("rules", Level.WARN, "The rules of the alerts have a mistake", meaning, step))
    if view.untold:
        meaning = (f"They do not take it: {', '.join(view.untold)}. It is tried again for a day.",)
        step = "See that the address is right and answers. Alerts are shown here all the while."
        found.append(Card("untold", Level.WARN, "Somebody is not told of alerts", meaning, step))
    return found


def _cameras(view: StoreView) -> list[Card]:
    by: dict[Standing, list[SensorView]] = {}
    for sensor in view.sensors:
        by.setdefault(standing(view, sensor), []).append(sensor)
    silent = by.get(Standing.SILENT, [])
    if len(silent) == len(view.sensors) > 1:
        return [_all_silent(view)]
    made: list[Card] = []
    for which in (Standing.SILENT, Standing.REFUSED, Standing.GARBLED, Standing.PARTLY):
        sensors = by.get(which, [])
        if len(sensors) > MOST_CARDS_OF_A_KIND:
            made.append(_card(view, which, sensors))
        else:
            made += [_card(view, which, [sensor]) for sensor in sensors]
    return made


def _all_silent(view: StoreView) -> Card:
    meaning: Sentence = ("Nobody is counted. They went together, so the cause is most likely what they share.",)
    step = (
        "See that the network switch that feeds the cameras has power and its lights are on, and that this device's own"
        " network cable sits well."
    )
    title = f"None of the {len(view.sensors)} cameras answers"
    return Card("cameras", Level.BAD, title, meaning, step)


TITLES = {
    Standing.SILENT: ("does not answer", "do not answer"),
    Standing.REFUSED: ("refuses the user name or password", "refuse the user name or password"),
    Standing.GARBLED: ("answers in a way that is not understood", "answer in a way that is not understood"),
    Standing.PARTLY: ("answers only in part", "answer only in part"),
}
STEPS = {
    Standing.SILENT: (
        "See that the camera has power and its network cable sits well. What it remembers meanwhile is fetched when it"
        " is back."
    ),
    Standing.REFUSED: (
        "Was its password changed? Put the new one into the password file of this device, or set the old one in the"
        " camera. It is tried again every five minutes, so that the camera does not lock us out."
    ),
    Standing.GARBLED: (
        "Was its firmware changed, or is another kind of camera at its address? Restart the camera; if that does not"
        " help, send the text above to support."
    ),
    Standing.PARTLY: "If this stays for more than ten minutes, restart the camera and send the text above to support.",
}


def _card(view: StoreView, which: Standing, sensors: Sequence[SensorView]) -> Card:
    one = len(sensors) == 1
    title = f"{sensors[0].name if one else counted(len(sensors), 'camera')} {TITLES[which][0 if one else 1]}"
    last = max((s.last_answer for s in sensors if s.last_answer is not None), default=None)
    seen: Sentence = (
        ("It has not answered since the agent started.",) if last is None else ("Last answer ", since(view, last), ".")
    )
    why = f" What happened: {anonymous(sensors[0].problem)}." if one and sensors[0].problem else ""
    names = "" if one else f" {', '.join(sensor.name for sensor in sensors)}."
    lone = which not in COUNTING and len(view.sensors) == 1
    return Card(f"camera-{sensors[0].id}", Level.BAD if lone else Level.WARN, title, (*seen, why + names), STEPS[which])


def _own_clock(view: StoreView) -> list[Card]:
    if not view.undated:
        return []
    meaning = (f"{counted(view.undated, 'row')} of what the cameras told can be shown and sent when it knows it.",)
    step = (
        "Connect the device to the internet, or to a time server in the store's network. Without either it goes by its"
        " own clock after a week at most, and says that its times are estimates."
    )
    return [Card("own-clock", Level.WARN, "This device does not know the time yet", meaning, step)]


def _clocks(view: StoreView) -> list[Card]:
    """Cameras whose clock is off by so much that it is corrected, or that is not believed."""
    off = [sensor for sensor in view.sensors if clock_words(sensor)]
    if not off:
        return []
    names = ", ".join(f"{sensor.name}: {clock_words(sensor)}" for sensor in off)
    title = f"The clock of {off[0].name if len(off) == 1 else counted(len(off), 'camera')} is wrong"
    meaning = (f"{names}. Its times are put right as they come in, as well as that can be done.",)
    step = "Set the camera's time and time zone, and let it take the time from the network (NTP)."
    return [Card("clocks", Level.WARN, title, meaning, step)]


def clock_words(sensor: SensorView) -> str:
    """What is wrong with a camera's clock; empty where it is within a minute, or not known."""
    if sensor.clock_doubt:
        return f"clock {sensor.clock_doubt}"
    if sensor.clock_offset is None or abs(sensor.clock_offset) <= MINUTE:
        return ""
    return f"clock {stretch(abs(sensor.clock_offset))} {'fast' if sensor.clock_offset > 0 else 'slow'}"


def _uplink(view: StoreView) -> list[Card]:
    how = line(view)
    if how not in CUT:
        return _certificate(view)
    title, step = EXPIRED if how is Line.REFUSED and has_expired(view) else UPLINK[how]
    if is_losing(view):
        lost = f"The buffer is full: {counted(view.tally.dropped, 'row')} had to go, the oldest first."
        return [Card("uplink", Level.BAD, title, (lost, *_silence(view)), step)]
    room = "" if view.room_s is None else f" There is room for {stretch(view.room_s)} more."
    waits = waiting_rows(view)
    rows = f"{counted(waits, 'row')} {'waits' if waits == 1 else 'wait'} here, to be sent" if waits else "Rows are sent"
    goes_on = any(standing(view, sensor) in COUNTING for sensor in view.sensors) and not view.storing_problem
    first = "Counting goes on." if goes_on else "What was counted is kept."
    told = view.uplink.problem if ERRNO not in view.uplink.problem else ""  # of the system's errors the title is enough
    why = f" What happened: {anonymous(told)}." if told else ""
    meaning = f"{first} {rows} as soon as it answers.{room}{why}"
    return [Card("uplink", Level.WARN, title, (meaning, *_silence(view)), step)]


def _certificate(view: StoreView) -> list[Card]:
    """While it still works: that it soon will not, although it should have been renewed long ago."""
    days = view.health.certificate_days
    if days is None or days > SOON_ENDS:
        return []
    left = "has expired" if days <= 0 else f"ends in {stretch(days * DAY)}"
    meaning = "It is renewed by itself from a third of its life on, which has not worked. Without it nothing is sent."
    step = (
        "Tell headquarters: the device asks there for a new certificate every hour or two, over HTTPS. Nothing in the"
        " store needs repair."
    )
    return [Card("certificate", Level.WARN, f"This device's certificate {left}", (meaning,), step)]


def _silence(view: StoreView) -> Sentence:
    last = view.uplink.last_answer
    return () if last is None else (" Headquarters last answered ", since(view, last), ".")


EXPIRED = (
    "This device's certificate has expired",
    (
        "Tell headquarters: the device asks there for a new certificate every hour or two, over HTTPS, and goes on by"
        " itself once it has one. Is the time on this page right? Where it is years ahead, the clock is the cause."
    ),
)
UPLINK = {
    Line.NO_BROKER: (
        "The broker cannot be reached",
        (
            "Does a phone on the store's network reach the internet? If not, restart the router or call the provider."
            " If it does, tell headquarters that the broker does not answer this store."
        ),
    ),
    Line.REFUSED: (
        "The broker refuses this device",
        (
            "Tell headquarters: the device's user name, password or certificate is not accepted. Nothing in the store"
            " needs repair."
        ),
    ),
    Line.CLOCK: (
        "This device's clock may be wrong",
        (
            "Nothing can be sent while its time and that of headquarters' certificate do not fit. Compare the time on"
            " this page with your phone. Where it differs, restart the device with its network cable in, so that it"
            " asks for the time. Where it is right, tell headquarters that the broker's certificate has expired."
        ),
    ),
    Line.HQ_SILENT: (
        "Headquarters does not answer",
        (
            "The store's internet works and the broker is there, so nothing in the store needs repair. Tell"
            " headquarters if it stays so for an hour."
        ),
    ),
}


def _forked(view: StoreView) -> list[Card]:
    if not view.health.forked:
        return []
    meaning = (
        "Headquarters gets other numbers under this device's name, as from a copy of its card. Both are kept apart."
    )
    step = (
        "Is there a second device with a copy of this card? Take it out of use, or enrol it under a name of its own."
        " Tell headquarters, where somebody decides whose numbers count (footfall-receiver forks)."
    )
    return [Card("forked", Level.WARN, "A copy of this device is running", (meaning,), step)]


def _mended(view: StoreView) -> list[Card]:
    if not view.buffer_report:
        return []
    if view.buffer_report.endswith(TAKEN_OVER):
        meaning = (f"{anonymous(view.buffer_report)}.",)
        return [Card("beside", Level.WAIT, "The buffer was put together again", meaning, "Nothing needs to be done.")]
    meaning = (f"It was mended when the agent started: {anonymous(view.buffer_report)}.",)
    step = "Nothing for now. If it happens again, the device's memory card or disk is wearing out: have it replaced."
    return [Card("mended", Level.WARN, "The buffer's file was damaged", meaning, step)]
