"""A table is read as far as it can be: by names, row by row, and never with a zero for what is missing."""

import pytest

from agent.drivers.base import Garbled
from agent.drivers.reading.table import MAX_COLUMNS, MAX_PROBLEMS, MAX_ROWS, count, read_table
from agent.drivers.reading.text import pairs, text_of


def rows(text):
    table = read_table(text_of(text))
    return table.header, table.rows, [str(problem) for problem in table.problems]


@pytest.mark.parametrize(
    "body", [b"a, b\n1,2\n", b"a, b\r\n1,2\r\n", b"a, b\r1,2\r", b"\xef\xbb\xbfa, b\n1,2", b'\n\n"a","b"\n"1","2"\n\n']
)
def test_line_ends(body):
    """Any line end, a byte-order mark, quotes, blank lines, and no line end at all make no difference."""

    assert rows(body) == (["a", "b"], [["1", "2"]], [])


def test_nothing():
    """Without a line there is no table; with the header alone there are no rows."""

    assert read_table("") is None
    assert read_table(" \n\n") is None
    assert rows(b"a,b\n") == (["a", "b"], [], [])


def test_trailing_commas():
    """Empty fields beyond the header are none."""

    assert rows(b"a,b,\n1,2,\n3,4\n") == (["a", "b"], [["1", "2"], ["3", "4"]], [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"3", "line 3, column 2: the row breaks off before 'b': 1 fields where the header has 3"),
        (b"3,4", "line 3, column 3: the row breaks off before 'c': 2 fields where the header has 3"),
        (b"3,4,5,6", "line 3, column 4: 4 fields where the header has 3"),
    ],
)
def test_other_shape(line, problem):
    """A row of another shape is refused by line and column, and its neighbours stay."""

    assert rows(b"a,b,c\n1,2,3\n" + line + b"\n7,8,9") == (
        ["a", "b", "c"],
        [["1", "2", "3"], ["7", "8", "9"]],
        [problem],
    )


def test_counts():
    """A cell that is no whole number from zero refuses its row, and is never a zero."""

    cells = ["7", " 8 ", "", "-1", "1.5", "1e3", "1_0", "٣", "+2", "nan", "9" * 5000, "1000000001", "0" * 30]
    table = read_table("n\n" + "\n".join(f"{cell}," for cell in cells))

    assert table.counts(0) == [7, 8] + [None] * 11
    assert sorted(table.refused) == list(range(2, 13))
    assert str(table.refused[2]) == "line 4, column 1: 'n' is empty"
    assert str(table.refused[3]) == "line 5, column 1: 'n' '-1' is no whole number from 0"
    assert str(table.refused[11]) == "line 13, column 1: 'n' '1000000001' is more than any camera counts"
    assert len(str(table.refused[10])) < 120


def test_amounts():
    """An amount may have decimals; what only Python takes for a number is none."""

    table = read_table("n\n7,\n1.5,\n-1,\nnan,\ninf,\n1e9,\n1_0,\n.,\n")

    assert table.amounts(0)[:2] == [7, 1.5]
    assert sorted(table.refused) == [2, 3, 4, 5, 6, 7]


def test_cache_keeps_no_long_text():
    """A number that is long without being large is refused: the cache would keep its text."""

    with pytest.raises(ValueError, match="more than any camera counts"):
        count("0" * 10**6 + "1")


def test_caps():
    """Rows, columns and problems without end are cut short, and that is said."""

    with pytest.raises(Garbled, match="longer than any table"):
        read_table("x," * (MAX_COLUMNS + 1) + "y")
    with pytest.raises(Garbled, match="longer than any table"):
        read_table("x" * 10**6)
    table = read_table("a,b\n" + "1,2\n" * (MAX_ROWS + 10))
    assert len(table.rows) == MAX_ROWS
    assert "rest was not read" in str(table.problems[0])
    table = read_table("a,b\n" + "1\n" * (MAX_PROBLEMS + 10))
    assert len(table.problems) == MAX_PROBLEMS + 1
    table = read_table("a,b\n" + "x,2\n" * (MAX_PROBLEMS + 10))
    table.counts(0)
    assert len(table.problems) == MAX_PROBLEMS + 1
    assert "10 more" in str(table.problems[-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("var a='1';var b[0]='x';", [("a", "1", 1, 1), ("b[0]", "x", 1, 11)]),
        ("var a='1';\nvar b = \"2\" ;\n", [("a", "1", 1, 1), ("b", "2", 2, 1)]),
        ("a=1\nb=2", [("a", "1", 1, 1), ("b", "2", 2, 1)]),
        ("\n\n  a=1", [("a", "1", 3, 1)]),
        ("=1;;nothing;a=", [("a", "", 1, 13)]),
        ("", []),
    ],
)
def test_pairs(text, expected):
    """Settings come as a script or bare, in one line or many."""

    assert [tuple(pair) for pair in pairs(text)] == expected


def test_endless_pairs():
    """Settings without end are cut short."""

    assert len(pairs("a=1;" * 10**6)) == 10_000
