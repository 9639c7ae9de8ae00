import pytest

from agent.contract.observation import Origin, Quality
from agent.drivers.base import Counter, Row
from agent.runtime.readings import Memory, Totals, backfilled, read, read_totals

H = 1_790_000_000 // 3600 * 3600
MINUTE = 60
HOUR = 3600


def row(value, start=H, end=None, *, repeated=False, metric="in"):
    return Row("line:1", metric, start, end or start + HOUR, value, "", repeated)


def drive(memory, readings):
    """Feed (tick, rows) one after the other; everything that came out."""
    return [made for tick, rows in readings for made in read(memory, "door", rows, tick)]


def live(rows):
    return [(r.start - H, r.end - H, r.value) for r in rows if r.origin is Origin.LIVE]


def log(rows):
    return [(r.start - H, r.end - H, r.value) for r in rows if r.origin is Origin.LOG]


def newest(rows):
    """What stays after revisions: the last value of each key."""
    return {(r.start, r.origin): r.value for r in rows}


def test_a_reading_less_the_one_before_is_the_minute():
    """A growing row becomes one row a tick, zeros included: somebody looked and nobody came."""
    made = drive(Memory(H, at=H), [(H + 60, [row(3)]), (H + 120, [row(3)]), (H + 180, [row(7)])])

    assert live(made) == [(0, 60, 3), (60, 120, 0), (120, 180, 4)]


def test_the_minutes_of_an_hour_sum_to_its_final_row():
    """Also when the row still grew after its hour ended: the last stretch is revised, nothing is lost."""
    ticks = [(H + 60 * i, [row(2 * i)]) for i in range(1, 60)]
    ticks += [(H + HOUR, [row(119)]), (H + HOUR + 60, [row(121)]), (H + HOUR + 120, [row(121)])]
    ticks += [(H + HOUR + 180, [row(121)])]

    made = drive(Memory(H, at=H), ticks)

    assert sum(value for (_, origin), value in newest(made).items() if origin is Origin.LIVE) == 121
    assert log(made) == [(0, HOUR, 121)]


def test_an_hour_is_final_only_after_ninety_seconds_and_two_equal_readings():
    """One reading after the end is not enough, nor are two before the ninety seconds."""
    memory = Memory(H, at=H)

    assert log(drive(memory, [(H + HOUR - 60, [row(5)]), (H + HOUR, [row(6)]), (H + HOUR + 60, [row(6)])])) == []
    assert log(drive(memory, [(H + HOUR + 120, [row(7)])])) == []
    assert log(drive(memory, [(H + HOUR + 180, [row(7)])])) == [(0, HOUR, 7)]
    assert memory.settled == H + HOUR


def test_the_first_reading_after_an_outage_covers_the_gap_in_one_row():
    """Ten silent minutes give one row of eleven, never eleven guesses."""
    made = drive(Memory(H, at=H), [(H + 60, [row(1)]), (H + 720, [row(12)])])

    assert live(made) == [(0, 60, 1), (60, 720, 11)]


def test_a_gap_over_an_hours_end_is_cut_there():
    """Each hour keeps what is its own, so hour totals stay exact."""
    readings = [(H + HOUR - 600, [row(10)]), (H + HOUR + 600, [row(14), row(3, H + HOUR)])]

    made = drive(Memory(H, at=H), readings)

    assert live(made)[1:] == [(HOUR - 600, HOUR, 4), (HOUR, HOUR + 600, 3)]


def test_a_row_that_decreases_was_reset():
    """The difference after a reset is the new reading, never negative, and says that it is an estimate."""
    made = drive(Memory(H, at=H), [(H + 60, [row(9)]), (H + 120, [row(2)])])

    assert live(made) == [(0, 60, 9), (60, 120, 2)]
    assert made[1].quality is Quality.ESTIMATED


def test_zeros_of_a_stretch_nobody_watched_are_unconfirmed():
    """An unplugged camera counted nothing; a count of its own in the stretch shows that it ran."""
    silent = drive(Memory(H, at=H), [(H + 60, [row(0)]), (H + 720, [row(0), row(0, metric="out")])])
    ran = drive(Memory(H, at=H), [(H + 60, [row(0)]), (H + 720, [row(0), row(2, metric="out")])])

    assert {made.quality for made in silent[1:]} == {Quality.UNCONFIRMED}
    assert {made.quality for made in ran[1:]} == {Quality.MEASURED}


def test_backfilled_zeros_are_unconfirmed_hour_by_hour():
    """Night hours of the camera's memory are sent, but not counted as observed."""
    made = backfilled("door", [row(0), row(0, metric="out"), row(0, H + HOUR), row(4, H + HOUR, metric="out")])

    assert [made_row.quality.words for made_row in made] == [
        "backfilled+unconfirmed",
        "backfilled+unconfirmed",
        "measured+backfilled",
        "measured+backfilled",
    ]


def test_hours_not_yet_begun_make_nothing():
    """A camera asked past now answers zeros for hours to come; they are no observations."""
    assert drive(Memory(H, at=H), [(H + 60, [row(1), row(0, H + HOUR)])])[1:] == []


def test_after_a_damaged_buffer_the_first_reading_is_only_a_baseline():
    """Earlier differences may be at HQ already: telling the hour so far again would count it twice."""
    memory = Memory(H, cold=True)

    assert live(drive(memory, [(H + 600, [row(50)]), (H + 660, [row(53)])])) == [(600, 660, 3)]


@pytest.mark.parametrize("restart_after", [0, 1, 2, 3])
def test_a_restart_between_two_ticks_changes_nothing(restart_after):
    """The memory is all there is between ticks, and it survives as JSON."""
    readings = [(H + 60 * i, [row(i * 3)]) for i in range(1, 5)]
    expected = drive(Memory(H, at=H), readings)

    memory = Memory(H, at=H)
    first = drive(memory, readings[:restart_after])
    second = drive(Memory.load(memory.dump()), readings[restart_after:])

    assert first + second == expected


def test_an_hour_that_kept_growing_through_its_repeat_is_one_row_of_two_hours():
    """The camera merged both passes: one estimated row, whose minutes still sum to it."""
    readings = [(H + 60 * i, [row(i)]) for i in range(1, 61)]
    readings += [(H + 60 * i, [row(i, end=H + 2 * HOUR, repeated=True)]) for i in range(61, 121)]
    readings += [(H + 60 * i, [row(120, end=H + 2 * HOUR, repeated=True)]) for i in range(121, 124)]

    made = drive(Memory(H, at=H), readings)

    assert log(made) == [(0, 2 * HOUR, 120)]
    assert next(r for r in made if r.origin is Origin.LOG).quality is Quality.ESTIMATED
    assert sum(value for (_, origin), value in newest(made).items() if origin is Origin.LIVE) == 120


def test_an_hour_that_fell_at_its_repeat_is_two_rows():
    """The camera wrote over the first pass: what was last read of it stays, the second pass is its own hour."""
    readings = [(H + 60 * i, [row(i)]) for i in range(1, 61)]
    readings += [(H + 60 * i, [row(2 * (i - 60), end=H + 2 * HOUR, repeated=True)]) for i in range(61, 121)]
    readings += [(H + 60 * i, [row(120, end=H + 2 * HOUR, repeated=True)]) for i in range(121, 125)]

    made = drive(Memory(H, at=H), readings)

    assert log(made) == [(0, HOUR, 60), (HOUR, 2 * HOUR, 120)]


def test_running_counters_become_differences():
    """A device's totals are told as what was added since the last reading; the first reading only begins."""
    totals = Totals()
    made = [
        read_totals(totals, "door", [Counter("sensor", "in", value)], H + 60 * i)
        for i, value in enumerate([100, 104, 104, 3], start=1)
    ]

    assert [[(r.start - H, r.end - H, r.value) for r in rows] for rows in made] == [
        [],
        [(60, 120, 4)],
        [(120, 180, 0)],
        [(180, 240, 3)],
    ]
    assert made[3][0].quality is Quality.ESTIMATED


def test_alarm_flags_are_written_on_change_and_once_an_hour():
    """A flag that stays as it is costs one row an hour."""
    totals = Totals()
    flag = [Counter("sensor", "alarm_counter", 0)]
    raised = [Counter("sensor", "alarm_counter", 1)]

    made = [len(read_totals(totals, "door", flag, H + 60 * i)) for i in range(1, 61)]

    assert sum(made) == 2
    assert len(read_totals(totals, "door", raised, H + HOUR + 60)) == 1
