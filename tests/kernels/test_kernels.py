"""Every kernel says what its naive twin says, and compiling it changes not one bit."""

from __future__ import annotations

import numpy as np
import pytest

from agent.kernels.registry import KERNELS
from tests.kernels.table import TABLE

SIZES = (1, 7, 61, 700)


def arguments(row, n, seed=1):
    return row.args(np.random.default_rng([seed, n]), max(n, row.least))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kernel.name)
def test_a_kernel_says_what_its_twin_says(row):
    """The loop and five obvious lines agree, gaps and all."""
    for n in SIZES:
        args = arguments(row, n)

        np.testing.assert_allclose(row.kernel.plain(*args), np.array(row.naive(*args), float), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kernel.name)
@pytest.mark.usefixtures("compiled")
@pytest.mark.timeout(300)
def test_compiled_and_plain_are_the_same_to_the_last_bit(row):
    """A board without numba publishes the numbers that one with it does."""
    for n in SIZES:
        args = arguments(row, n, seed=2)

        assert row.kernel.compiled(*args).tobytes() == row.kernel.plain(*args).tobytes()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kernel.name)
def test_a_kernel_leaves_its_arguments_alone(row):
    """What goes in may be kept and used again."""
    args = arguments(row, 700)
    before = [np.copy(arg) for arg in args]

    row.kernel.plain(*args)

    for arg, copy in zip(args, before, strict=True):
        np.testing.assert_array_equal(arg, copy)


def test_every_kernel_is_in_the_table():
    """A kernel without a twin, a property and a row of the benchmark is not one of ours."""
    assert {one.name for one in KERNELS} == {row.kernel.name for row in TABLE}


def test_every_kernel_says_what_it_does():
    """One line of documentation, and a signature that leaves nothing to be guessed."""
    silent = [one.name for one in KERNELS if not one.plain.__doc__ or not one.signature.startswith("float64[")]

    assert silent == []
