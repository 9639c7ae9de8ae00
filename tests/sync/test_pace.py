from agent.buffer.outbox import Frozen
from agent.contract.messages import Credit
from agent.sync.pace import FEWEST_ROWS, MOST_ROWS, Bucket, Throughput


def batch(rows=1000, size=5000):
    return Frozen("i", "backlog", rows, "s", bytes(size))


def test_a_slow_line_gets_batches_of_two_seconds():
    """At 500 bytes a second and 5 bytes a row, two seconds are 200 rows; a fast line gets full batches."""
    line = Throughput()
    assert line.rows == MOST_ROWS
    line.acknowledged(batch(size=100, rows=20), line.sent(batch(size=100, rows=20)), 0.6)

    one = batch()
    line.acknowledged(one, line.sent(one), 10.6)

    assert line.rows == 200


def test_delay_alone_is_not_slowness():
    """A satellite takes 600 ms for every batch, large or small."""
    line = Throughput()
    for size in (100, 5000, 200, 5000):
        one = batch(size=size)
        line.acknowledged(one, line.sent(one), 0.6)

    assert line.rows == MOST_ROWS


def test_what_waits_before_a_batch_counts_for_its_time():
    """Four batches at once on a line of 1,000 bytes a second: the last takes 20 s, the line is no slower."""
    line = Throughput()
    small = batch(rows=1, size=10)
    line.acknowledged(small, line.sent(small), 0.0)
    four = [batch() for _ in range(4)]
    ahead = [line.sent(one) for one in four]
    for k, one in enumerate(four):
        line.acknowledged(one, ahead[k], 5.0 * (k + 1))

    assert line.rows == 400


def test_the_slowest_line_still_gets_something():
    """Below twenty rows the envelope would be most of the batch."""
    line = Throughput()
    line.acknowledged(batch(rows=1, size=10), line.sent(batch(rows=1, size=10)), 0.1)
    one = batch()
    line.acknowledged(one, line.sent(one), 500.0)

    assert line.rows == FEWEST_ROWS


def test_backlog_spends_rows_and_bytes():
    """The dearer of both decides how long the next batch waits."""
    bucket = Bucket(Credit(rows_s=500, bytes_s=10_000), 0.0)
    assert bucket.ready_at(0.0) <= 0.0

    bucket.spend(batch(rows=1000, size=5000), 0.0)
    assert bucket.ready_at(0.0) == 1.0
    bucket.spend(batch(rows=0, size=45_000), 1.0)
    assert bucket.ready_at(1.0) == 1.0 + 3.5


def test_idleness_saves_one_second_of_credit():
    """A device that was silent for an hour does not flood HQ."""
    bucket = Bucket(Credit(rows_s=500, bytes_s=1e9), 0.0)
    for _ in range(2):
        bucket.spend(batch(rows=1000), 3600.0)

    assert bucket.ready_at(3600.0) == 3600.0 + 3.0
