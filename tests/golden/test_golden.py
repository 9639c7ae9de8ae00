"""What released versions sent is read by this one, row by row: changes of the wire are additive."""

import json
import tomllib
from pathlib import Path

import pytest

from agent.contract import caps, wire
from tests.golden.record import READERS, rows_of

HERE = Path(__file__).parent
BATCHES = sorted(HERE.glob("*/*.bin"))


@pytest.mark.parametrize("batch", BATCHES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_released_batch_decodes_to_the_rows_it_was_made_of(batch):
    """Numbers, values and flags are what the old version meant by them."""
    assert rows_of(batch.read_bytes()) == json.loads(batch.with_suffix(".json").read_text())


def test_this_version_is_recorded_with_every_schema_it_sends():
    """A release that forgets its own would leave nothing for the next to be held to."""
    version = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    recorded = {wire.open_envelope(path.read_bytes()).schema_ for path in (HERE / version).glob("*.bin")}

    assert recorded >= set(READERS)


def test_an_altered_golden_batch_would_be_seen():
    """The comparison can fail: one flipped bit is refused."""
    content = bytearray(BATCHES[0].read_bytes())
    content[len(content) // 2] ^= 1

    with pytest.raises(caps.WireError):
        rows_of(bytes(content))
