from hypothesis import given
from hypothesis import strategies as st

from agent.contract.ranges import Ranges

SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda t: (t[0], t[0] + t[1])), max_size=8)


def plain(spans):
    return {n for a, b in spans for n in range(a, b + 1)}


@given(SPANS, SPANS)
def test_ranges_behave_like_sets_of_numbers(one, other):
    """Every operation gives what the same operation on a set of numbers gives, in disjoint, untouching ranges."""
    united, less = Ranges(one), Ranges(one)
    united.update(other)
    less.subtract(other)

    assert plain(united) == plain(one) | plain(other)
    assert plain(less) == plain(one) - plain(other)
    assert len(united) == len(plain(united))
    assert all(b + 1 < c for (_, b), (c, _) in zip(list(united), list(united)[1:], strict=False))


@given(SPANS, st.integers(0, 80), st.integers(0, 80))
def test_gaps_and_parts_complete_each_other(spans, first, last):
    """Within any window, what is there and what is missing make the window."""
    ranges = Ranges(spans)

    assert plain(ranges.between(first, last)) | plain(ranges.gaps(first, last)) == set(range(first, last + 1))
    assert not plain(ranges.between(first, last)) & plain(ranges.gaps(first, last))
    assert all((n in ranges) == (n in plain(spans)) for n in range(80))
