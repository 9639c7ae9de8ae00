"""What must be there for a figure to be measured at all: one function a condition, the reason where it is not met.

Each is given the layout and what the figure is about - the layout itself, a zone, a sensor, a line, a way between two.
"""

from __future__ import annotations

from agent.contract.layout import Layout, Purpose, Role, Sensor, Told, Zone

OTHER_PURPOSE = "the zone's purpose is {}, not queue"


def nothing(_layout: Layout, _subject: object) -> str:
    """It can always be measured."""
    return ""


def doors(layout: Layout, _subject: object = None) -> str:
    """Lines at the entrances."""
    return "" if layout.lines(Role.ENTRANCE) else 'no line has role = "entrance"'


def capacity(layout: Layout, _subject: object) -> str:
    """Doors, and how many the store holds."""
    return doors(layout) or ("" if layout.capacity else "the store has no capacity; write capacity = N at the top")


def passers(layout: Layout, _subject: object) -> str:
    """Lines on the pavement."""
    return "" if layout.lines(Role.PASSER_BY) else 'no line has role = "passer-by"'


def capture(layout: Layout, _subject: object) -> str:
    """Doors and the pavement."""
    return doors(layout) or passers(layout, None)


def told(layout: Layout, zone: Zone, *told: Told) -> bool:
    """Whether every region of a zone is told in one of these ways."""
    tells = {sensor.id: sensor.tells for sensor in layout.sensor}
    regions = [place.partition("/")[0] for place in zone.places if "/region:" in place]
    return bool(regions) and all(set(told) & set(tells[sensor]) for sensor in regions)


def visits(layout: Layout, subject: object) -> str:
    """Who comes into a zone."""
    zone = as_zone(subject)
    if zone.joins or zone.closed or any("/line:" in place for place in zone.places) or told(layout, zone, Told.VISITS):
        return ""
    return "no line leads into it and its devices do not tell visits to regions"


def dwell(layout: Layout, subject: object) -> str:
    """How long people stay in a zone."""
    zone = as_zone(subject)
    if not present(layout, zone) or (told(layout, zone, Told.VISITS) and told(layout, zone, Told.PERSON_SECONDS)):
        return ""
    return "it needs visits and person_seconds of its regions, or the number of people present"


def present(layout: Layout, subject: object) -> str:
    """How many people are in a zone."""
    zone = as_zone(subject)
    if zone.closed or told(layout, zone, Told.OCCUPANCY, Told.QUEUE_LENGTH):
        return ""
    return (
        "these devices tell how many entered a region, not how many are in it; a sensor that tells occupancy, or lines"
        " on all its borders (joins, leaves, closed = true), would"
    )


def store_area(layout: Layout, _subject: object) -> str:
    """Doors, and how large the store is."""
    return doors(layout) or ("" if layout.area_m2 else "the store has no area; write area_m2 = N at the top")


def zone_area(layout: Layout, subject: object) -> str:
    """Who is in a zone, and how large it is."""
    zone = as_zone(subject)
    return present(layout, zone) or ("" if zone.area_m2 else "the zone has no area; write area_m2 = N")


def spent(layout: Layout, subject: object) -> str:
    """Time spent in a zone."""
    zone = as_zone(subject)
    if not present(layout, zone) or told(layout, zone, Told.PERSON_SECONDS):
        return ""
    return "it needs person_seconds of its regions, or the number of people present"


def jam(_layout: Layout, subject: object) -> str:
    """Lines where people come into a zone and where they leave it."""
    zone = as_zone(subject)
    if zone.joins and (zone.leaves or zone.closed):
        return ""
    return "it takes lines where people come into the zone (joins) and where they leave it (leaves)"


def way(layout: Layout, subject: object) -> str:
    """Who is in each of two zones, and doors."""
    ends = as_pair(subject)
    uncounted = [z.name for z in layout.zone if z.name in ends and present(layout, z)]
    if uncounted:
        return f"nobody counts who is in {' and '.join(uncounted)}, and flow is told from the people in both zones"
    shared = [z.name for z in layout.zone if z.name in ends and not z.exclusive]
    twice = f"{' and '.join(shared)} is not exclusive, so people are in two zones at once" if shared else ""
    return doors(layout) or twice


def zone_capacity(layout: Layout, subject: object) -> str:
    """Who is in a zone, and how many it holds."""
    zone = as_zone(subject)
    return present(layout, zone) or ("" if zone.capacity else "the zone has no capacity; write capacity = N")


def queue(layout: Layout, subject: object) -> str:
    """Who waits in a queue."""
    zone = as_zone(subject)
    if zone.purpose is not Purpose.QUEUE:
        return OTHER_PURPOSE.format(zone.purpose)
    if (zone.joins and zone.leaves) or not present(layout, zone):
        return ""
    return (
        "queue not measurable with this camera: it tells visits in an interval, which are not people waiting; it takes"
        " a sensor that tells occupancy or queue_length, or one line where people join and one where they leave"
    )


def served(layout: Layout, subject: object) -> str:
    """Who waits, and who was served."""
    zone = as_zone(subject)
    return queue(layout, zone) or ("" if zone.leaves else "no line in leaves counts those who were served")


def wait(layout: Layout, subject: object) -> str:
    """A wait that the device tells, or a queue of which it is known who was served."""
    zone = as_zone(subject)
    by_itself = told(layout, zone, Told.QUEUE_WAIT) and zone.purpose is Purpose.QUEUE
    return "" if by_itself else served(layout, zone)


def lanes(layout: Layout, subject: object) -> str:
    """A queue with its tills."""
    zone = as_zone(subject)
    return served(layout, zone) or (
        "" if zone.lanes else "the zone has no [zone.lanes]; write how many tills there are"
    )


def abandoned(_layout: Layout, subject: object) -> str:
    """A queue with one line where people join and another where they are served."""
    zone = as_zone(subject)
    if zone.purpose is not Purpose.QUEUE:
        return OTHER_PURPOSE.format(zone.purpose)
    if zone.joins and zone.leaves:
        return ""
    return "it takes one line where people join the queue and another where they are served"


def reach(layout: Layout, subject: object) -> str:
    """Who comes into a zone, and into the store."""
    return visits(layout, subject) or doors(layout)


def staff(layout: Layout, subject: object) -> str:
    """Where staff is."""
    zone = as_zone(subject)
    if layout.staffing.entered or told(layout, zone, Told.STAFF):
        return ""
    return (
        "no device here tags staff and nobody enters who is where; use sensors that tell staff, or write"
        " [staffing] entered = true and enter it"
    )


def unattended(layout: Layout, subject: object) -> str:
    """Where staff is, and where customers are."""
    return staff(layout, subject) or present(layout, subject)


def crossings(_layout: Layout, subject: object) -> str:
    """A sensor's own lines."""
    sensor = as_sensor(subject)
    return "" if sensor.line and Told.CROSSINGS in sensor.tells else "it has no line"


def as_zone(subject: object) -> Zone:
    """What a figure of zones is about."""
    assert isinstance(subject, Zone)  # noqa: S101 - the tables below pair zones with zones' figures
    return subject


def as_pair(subject: object) -> tuple[str, str]:
    """What a figure of a way between zones is about."""
    assert isinstance(subject, tuple)  # noqa: S101 - as above
    return subject


def as_sensor(subject: object) -> Sensor:
    """What a figure of sensors is about."""
    assert isinstance(subject, Sensor)  # noqa: S101 - as above
    return subject
