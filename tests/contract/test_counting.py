from agent.contract.counting import Count, Unplaced, count
from agent.contract.observation import Observation, Origin, Quality

H = 1_790_000_000 // 3600 * 3600
HOUR = 3600
QUARTER = 900


def row(start, end, value, origin, quality=Quality.MEASURED):
    return Observation("door", "line:1", "in", H + start, H + end, value, origin, quality)


def quarters():
    return [(H + at, H + at + QUARTER) for at in range(0, HOUR, QUARTER)]


def test_a_finished_hour_wins_in_every_bucket_it_fits_in():
    """The camera's memory is the truth of an hour; its own differences do not add to it."""
    rows = [row(0, HOUR, 10, Origin.LOG), row(0, QUARTER, 7, Origin.LIVE), row(QUARTER, HOUR, 2, Origin.LIVE)]

    assert count(rows, [(H, H + HOUR)]) == ([Count(10, HOUR)], [])


def test_finer_buckets_count_push_then_live_and_the_rest_is_unplaced():
    """What the hour says beyond its parts is shown beside them, never spread over them."""
    rows = [
        row(0, HOUR, 10, Origin.LOG),
        row(0, QUARTER, 4, Origin.PUSH),
        row(0, QUARTER, 3, Origin.LIVE),
        row(QUARTER, 2 * QUARTER, 2, Origin.LIVE),
    ]

    counts, unplaced = count(rows, quarters())

    assert counts == [Count(4, QUARTER), Count(2, QUARTER), Count(None, 0), Count(None, 0)]
    assert unplaced == [Unplaced(H, H + HOUR, 4.0)]


def test_while_the_hour_runs_its_differences_count():
    """Before the hour is finished its minutes are all there is."""
    rows = [row(0, QUARTER, 3, Origin.LIVE), row(QUARTER, 2 * QUARTER, 0, Origin.LIVE)]

    assert count(rows, [(H, H + HOUR)])[0] == [Count(3, 2 * QUARTER)]


def test_a_gap_is_not_zero():
    """Unconfirmed zeros, withdrawn rows and numbers of the edge leave a bucket without a value."""
    rows = [
        row(0, QUARTER, 0, Origin.LOG, Quality.UNCONFIRMED),
        row(QUARTER, 2 * QUARTER, None, Origin.LIVE),
        row(0, HOUR, 5, Origin.EDGE),
    ]

    assert count(rows, [(H, H + HOUR)])[0] == [Count(None, 0)]
