"""A recording as people hand it in: any order of columns, and every mistake named with its place and remedy."""

from __future__ import annotations

import pytest

from agent.commands.recording import RecordingError, read_recording
from tests.replay.history import HEADER, START, row, write

LINE = "door-1,line:1,in,2026-03-02T09:00:00Z,2026-03-02T09:01:00Z,3"


def read(tmp_path, text, **options):
    file = tmp_path / "last-month.csv"
    file.write_bytes(text.encode())
    return read_recording(file, **options)


@pytest.mark.parametrize(
    "text",
    [
        f"{','.join(HEADER)}\n{LINE}\n",
        f"\ufeff{';'.join(HEADER).upper()}\r\n{LINE.replace(',', ';')}\r\n\r\n",
        """value,note,end,start,metric,place,sensor
3,rain,2026-03-02T10:01:00+01:00,2026-03-02T10:00:00+01:00,in,line:1,door-1,more
""",
        "\t".join(HEADER) + "\n" + LINE.replace(",", "\t").replace("line:1", ' "line:1" ') + "\n",
    ],
)
def test_columns_in_any_order_and_dress(tmp_path, text):
    """Order, case, further columns, byte order mark, semicolons, tabs and other zones all read the same."""
    told = read(tmp_path, text).recording

    ((at, (one,)),) = told.ticks(1e12)
    assert (one.sensor, one.place, one.metric, one.end - one.start, one.value) == ("door-1", "line:1", "in", 60, 3.0)
    assert at == one.end == 1772442060


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("09:00:00Z", "09:00:00"), ":2: column start: '2026-03-02T09:00:00' has no zone — write 2026-03-02T09:00:00Z"),
        (
            ("2026-03-02T09:00:00Z", "yesterday"),
            ":2: column start: 'yesterday' is no time — write 2026-03-02T09:00:00Z",
        ),
        (("09:01", "08:01"), ":2: column end: '2026-03-02T08:01:00Z' is not after the start"),
        ((",3", ",three"), ":2: column value: 'three' is no number"),
        ((",3", ",inf"), ":2: column value: 'inf' is no count"),
        (("line:1", "door"), ":2: column place: 'door' is none of sensor, store, line:N"),
        (("door-1", "door 1"), ":2: column sensor: 'door 1': letters, digits"),
        ((",in,", ",vists,"), """:2: column metric: 'vists' is nothing a device tells — did you mean "visits"?"""),
        ((",2026-03-02T09:01:00Z,3", ""), ":2: column end: the line ends before it, after 4 of 6 columns"),
    ],
)
def test_each_mistake_has_its_place_and_remedy(tmp_path, wrong, told):
    """File, line, column, and what to write instead."""
    with pytest.raises(RecordingError) as found:
        read(tmp_path, f"{','.join(HEADER)}\n{LINE.replace(*wrong)}\n")

    assert f"last-month.csv{told}" in str(found.value)


def test_a_comma_in_a_number_is_told_as_such(tmp_path):
    """Where semicolons part the columns, decimals often have commas."""
    with pytest.raises(RecordingError, match="'2,5' is no number — write the decimal point as a point"):
        read(tmp_path, f"{';'.join(HEADER)}\n{LINE.replace(',', ';').replace(';3', ';2,5')}\n")


def test_a_missing_column_is_named(tmp_path):
    """With the one that was probably meant."""
    with pytest.raises(RecordingError, match=r':1: there is no column sensor — is it "sensors"\?'):
        read(tmp_path, "sensors,place,metric,start,end,value\n")


def test_errors_end_somewhere(tmp_path):
    """A file of another kind gives twenty errors, not a million."""
    with pytest.raises(RecordingError) as found:
        read(tmp_path, f"{','.join(HEADER)}\n" + "a,b\n" * 1000)

    assert len(str(found.value).splitlines()) == 21


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"", b'sensor,"', b"\x00" * 100])
def test_what_is_no_table_is_refused(tmp_path, body):
    """In a sentence."""
    file = tmp_path / "x.csv"
    file.write_bytes(body)

    with pytest.raises(RecordingError, match=r"x\.csv"):
        read_recording(file)


def test_a_gap_is_a_gap(tmp_path):
    """An empty value is absent, never zero, and is remarked upon; so are sensors that the layout does not have."""
    told = read(tmp_path, f"{','.join(HEADER)}\n{LINE[:-1]}\n{LINE.replace('09:0', '10:0')}\n", known={"door-2"})

    assert told.recording.size == 1
    assert told.remarks == (
        "1 rows have no value: gaps",
        "sensor door-1 is not in the layout, so its rows count for nothing; did you mean door-2?",
    )


def test_what_a_store_worked_out_is_not_read(tmp_path):
    """An export of everything holds our own figures too; they are made afresh."""
    rows = [
        row("store", "store", "footfall", START, START + 900, 7),
        row("door-1", "line:1", "in", START, START + 60, 1),
    ]
    told = read_recording(write(tmp_path / "all.csv", rows))

    assert (told.recording.size, len(told.remarks)) == (1, 1)


def test_of_two_values_the_larger_counts(tmp_path):
    """Whatever their order; that there were two is told, and mere repetition is not."""
    lines = [LINE, LINE.replace(",3", ",5"), LINE]
    for order in (lines, lines[::-1]):
        told = read(tmp_path, "\n".join([",".join(HEADER), *order])).recording
        ((_, (one,)),) = told.ticks(1e12)

        assert (one.value, told.disputed) == (5.0, 1)


def test_headquarters_view_reads_as_it_is(tmp_path):
    """An export of the view `counts`: its times, origins and qualities; what was unconfirmed stays so."""
    told = read(
        tmp_path,
        """tenant,store,sensor,place,metric,start,end,value,origin,quality,lower,upper,n,device
acme,lisboa-01,door-1,line:1,in,2026-03-02 09:00:00+00,2026-03-02 10:00:00+00,31,log,measured+backfilled,,,,pi-1
acme,lisboa-01,door-1,line:1,in,2026-03-02 09:00:00+00,2026-03-02 10:00:00+00,30,live,measured,,,,pi-1
acme,lisboa-01,door-1,line:1,out,2026-03-02 09:00:00+00,2026-03-02 10:00:00+00,0,log,unconfirmed,,,,pi-1
acme,lisboa-01,store,store,footfall,2026-03-02 09:00:00+00,2026-03-02 09:15:00+00,9,edge,measured,,,900,pi-1
""",
    )

    ((_, rows),) = told.recording.ticks(1e12)
    assert [(one.value, one.origin.word, one.quality.words, one.counted) for one in rows] == [
        (31.0, "log", "measured+backfilled", True),
        (30.0, "live", "measured", True),
        (0.0, "log", "unconfirmed", False),
    ]
