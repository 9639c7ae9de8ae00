"""What in a layout cannot be so: each with the key where it stands and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.contract.layout import Layout, Zone

Key = tuple[str | int, ...]
DAY = 24 * 60


class Contradiction(NamedTuple):
    """A key and what is wrong with it."""

    key: Key
    text: str


class Contradictions(ValueError):
    """All that contradicts itself. `located` lets whoever read the file tell the line of each."""

    def __init__(self, located: tuple[Contradiction, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, key))}: {text}" for key, text in located))
        self.located = located


def found_in(layout: Layout) -> Iterator[Contradiction]:
    """Everything in a layout that contradicts itself."""
    yield from _twice(layout)
    for index, zone in enumerate(layout.zone):
        yield from _zone(layout, index, zone)
    yield from _shared(layout)
    yield from _shares(layout)
    yield from _relationships(layout)
    yield from _overlaps(layout)
    yield from _hours(layout)


def _twice(layout: Layout) -> Iterator[Contradiction]:
    yield from _repeated(("sensor",), "id", (sensor.id for sensor in layout.sensor), "two sensors have the id {}")
    for index, sensor in enumerate(layout.sensor):
        for kind, parts in (("line", sensor.line), ("region", sensor.region)):
            numbers = (str(part.number) for part in parts)
            told = f"two {kind}s of {sensor.id} have the number {{}}"
            yield from _repeated(("sensor", index, kind), "number", numbers, told)
    yield from _repeated(("zone",), "name", (zone.name for zone in layout.zone), "two zones have the name {}")
    dates = (holiday.date.isoformat() for holiday in layout.holiday)
    yield from _repeated(("holiday",), "date", dates, "{} is there twice; a holiday may have several hours")


def _repeated(table: Key, key: str, names: Iterable[str], text: str) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Contradiction((*table, index, key), f"{text.format(name)}; give one of them another")
        seen.add(name)


def _zone(layout: Layout, index: int, zone: Zone) -> Iterator[Contradiction]:
    lines, regions = _places(layout)
    if not zone.sources:
        there = ", ".join(sorted(lines | regions)) or "none yet"
        text = f"zone {zone.name} has no source; name a region or line in places (this store has {there})"
        yield Contradiction(("zone", index, "name"), text)
    sources: tuple[tuple[str, tuple[str, ...], set[str]], ...] = (
        ("places", zone.places, lines | regions),
        ("joins", zone.joins, lines),
        ("leaves", zone.leaves, lines),
    )
    for key, places, known in sources:
        for place in places:
            if place not in known:
                text = f"zone {zone.name}: place {place!r} is none of {', '.join(sorted(known)) or '(there is none)'}"
                yield Contradiction(("zone", index, key), text)
    for place in sorted(set(zone.joins) & set(zone.leaves)):
        text = f"{place} both joins and leaves; a line in joins also counts those who leave against its arrow"
        yield Contradiction(("zone", index, "leaves"), text)
    if zone.closed and not (zone.joins or zone.leaves):
        text = "a closed zone needs its borders: name the lines around it in joins and leaves"
        yield Contradiction(("zone", index, "closed"), text)
    if zone.capacity and layout.capacity and zone.capacity > layout.capacity:
        text = f"zone {zone.name} holds {zone.capacity} persons and the store {layout.capacity}; mend one of the two"
        yield Contradiction(("zone", index, "capacity"), text)
    if zone.lanes and zone.lanes.usual > zone.lanes.most:
        text = f"{zone.lanes.usual} lanes are usually open and {zone.lanes.most} are the most; mend one of the two"
        yield Contradiction(("zone", index, "lanes", "usual"), text)


def _shared(layout: Layout) -> Iterator[Contradiction]:
    owner: dict[str, str] = {}
    for index, zone in enumerate(layout.zone):
        for place in zone.places if zone.exclusive else ():
            if "/region:" in place and place in owner:
                text = (
                    f"{place} is also in zone {owner[place]}, and both are exclusive, so its people would count twice;"
                    " take it out of one, or write exclusive = false"
                )
                yield Contradiction(("zone", index, "places"), text)
            owner.setdefault(place, zone.name)


def _shares(layout: Layout) -> Iterator[Contradiction]:
    given = [(index, zone) for index, zone in enumerate(layout.zone) if zone.share_of_store]
    for index, _ in given[1:]:
        text = (
            f"zone {given[0][1].name} has one too, and one zone corrects the doors; keep the better counted of the two"
        )
        yield Contradiction(("zone", index, "share_of_store"), text)
    for index, zone in given[:1]:
        if not any("/region:" in place for place in zone.places):
            text = f"zone {zone.name} has no region in places, so no device tells how many are in it; leave it out"
            yield Contradiction(("zone", index, "share_of_store"), text)


def _relationships(layout: Layout) -> Iterator[Contradiction]:
    names = {zone.name for zone in layout.zone}
    for index, relation in enumerate(layout.relationship):
        for key, name in (("from", relation.start), ("to", relation.to)):
            if name not in names:
                text = f"there is no zone {name!r}; known here: {', '.join(sorted(names)) or 'none'}"
                yield Contradiction(("relationship", index, key), text)
        if relation.start == relation.to:
            yield Contradiction(("relationship", index, "to"), f"zone {relation.to} cannot be related to itself")
    for name in sorted(names):
        shares = [r.expected_flow or 0.0 for r in layout.relationship if r.start == name]
        if sum(shares) > 1.0 + 1e-9:
            last = max(i for i, r in enumerate(layout.relationship) if r.start == name)
            text = f"{sum(shares):.0%} of the people in {name} go on; the shares of a zone add up to 1 at most"
            yield Contradiction(("relationship", last, "expected_flow"), text)


def _overlaps(layout: Layout) -> Iterator[Contradiction]:
    lines, regions = _places(layout)
    for index, overlap in enumerate(layout.overlap):
        for place in overlap.places:
            if place not in lines | regions:
                text = f"place {place!r} is none of {', '.join(sorted(lines | regions))}"
                yield Contradiction(("overlap", index, "places"), text)
        if len({place.partition("/")[2].partition(":")[0] for place in overlap.places}) > 1:
            text = "a line and a region do not see the same: write lines with lines and regions with regions"
            yield Contradiction(("overlap", index, "places"), text)


def _hours(layout: Layout) -> Iterator[Contradiction]:
    reset = layout.reset_hour * 60
    stretches = [(o.minutes, ("opening", i)) for i, o in enumerate(layout.opening)]
    stretches += [(s.minutes, ("holiday", i)) for i, h in enumerate(layout.holiday) for s in h.hours]
    for (first, last), where in stretches:
        if last - first < DAY and any(first < moment < last for moment in (reset, reset + DAY)):
            text = (
                f"{layout.reset_hour}:00 lies within the hours of {where[0]}.{where[1]}, and the day must begin while"
                f" nobody is inside; write reset_hour = {_quiet_hour(layout)}"
            )
            yield Contradiction(("reset_hour",) if "reset_hour" in layout.model_fields_set else where, text)
            return
    for index, opening in enumerate(layout.opening):
        for other in layout.opening[:index]:
            (a, b), (c, d) = opening.minutes, other.minutes
            if set(opening.days) & set(other.days) and a < d and c < b:
                days = ", ".join(sorted(set(opening.days) & set(other.days)))
                text = f"these hours overlap others on {days}; write the longer stretch once"
                yield Contradiction(("opening", index, "from"), text)
                break


def _quiet_hour(layout: Layout) -> int:
    """The hour outside all opening hours that lies longest after closing, else 4."""
    stretches = [o.minutes for o in layout.opening] + [s.minutes for h in layout.holiday for s in h.hours]
    hours = [
        hour
        for hour in range(24)
        if not any(first < m < last for first, last in stretches for m in (hour * 60, hour * 60 + DAY))
    ]
    return min(hours, key=lambda hour: abs(hour - 4), default=4)


def _places(layout: Layout) -> tuple[set[str], set[str]]:
    lines = {f"{s.id}/line:{x.number}" for s in layout.sensor for x in s.line}
    return lines, {f"{s.id}/region:{x.number}" for s in layout.sensor for x in s.region}
