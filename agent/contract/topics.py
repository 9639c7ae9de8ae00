"""Topic names of the wire: footfall/v1/{tenant}/{store}/{device}/…"""

from __future__ import annotations

from typing import NamedTuple

ROOT = "footfall/v1"
HQ = "_hq"


class Branch(NamedTuple):
    """One device's branch of the topic tree."""

    tenant: str
    store: str
    device: str

    def topic(self, leaf: str) -> str:
        """The full topic of a leaf such as `batch` or `live/checkout`."""
        return f"{ROOT}/{self.tenant}/{self.store}/{self.device}/{leaf}"


def hq_state(tenant: str, worker: str) -> str:
    """Where a receiver's worker says that it is there (retained, with will); `+` for every worker."""
    return f"{ROOT}/{tenant}/{HQ}/state/{worker}"


def parse(topic: str) -> tuple[Branch, str]:
    """The branch and leaf of a device topic.

    Raises:
        ValueError: the topic is not below footfall/v1 or too short.
    """
    parts = topic.split("/")
    if parts[:2] != ROOT.split("/") or len(parts) < 6:  # noqa: PLR2004 - two for the root, three for the branch, a leaf
        raise ValueError(f"{topic!r} is no device topic of {ROOT}")
    return Branch(*parts[2:5]), "/".join(parts[5:])
