"""`footfall-agent enrol`: from a code or a file to a certificate that the broker was seen to accept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.enrolment import read_code
from agent.enrol import identity
from agent.enrol.joining import EnrolmentError, enrol, read_bundle
from agent.enrol.trial import try_broker

if TYPE_CHECKING:
    from pathlib import Path

    from agent.contract.enrolment import Issued
    from agent.contract.topics import Branch
    from agent.foundation.mqtt import LinkSettings


class Joining(NamedTuple):
    """Who joins, where its key will be, and the broker it is to reach."""

    branch: Branch
    folder: Path
    broker: LinkSettings


class Outcome(NamedTuple):
    """Whether all is well, and what to tell."""

    well: bool
    text: str


async def join_by_code(who: Joining, url: str, code: str) -> Outcome:
    """Ask headquarters at this URL."""
    try:
        issued, asked = await enrol(url, read_code(code), who.branch.device)
    except (EnrolmentError, ValueError) as problem:
        return Outcome(well=False, text=f"Not enrolled: {problem}.")
    return await _use(who, issued, asked.key, url)


async def join_by_file(who: Joining, file: Path) -> Outcome:
    """Take what headquarters wrote to a file."""
    try:
        bundle = read_bundle(file, who.branch.device)
    except EnrolmentError as problem:
        return Outcome(well=False, text=f"Not enrolled: {problem}.")
    return await _use(who, bundle, bundle.key, bundle.url)


async def _use(who: Joining, issued: Issued, key: str, url: str) -> Outcome:
    """An enrolment that works stays until the broker took the new one; without any, a new one is better than none."""
    first = identity.tls_of(who.folder) is None
    try:
        laid = identity.lay_beside(who.folder, issued, key, url)
    except OSError as error:
        return Outcome(well=False, text=f"Not enrolled: {who.folder} cannot be written: {error.strerror}.")
    why = await try_broker(replace(who.broker, tls=laid), who.branch)
    if first or not why:
        identity.adopt(who.folder)
    until = datetime.fromtimestamp(issued.ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = f"{who.branch.device} is enrolled until {until}; key and certificate are in {who.folder}."
    if not why:
        return Outcome(well=True, text=f"{kept} The broker {who.broker.host} accepts them. Now restart the agent.")
    if first:
        return Outcome(well=False, text=f"{kept} But the broker {who.broker.host} could not be used: {why}.")
    return Outcome(
        well=False,
        text=f"The earlier enrolment is still used: the broker {who.broker.host} could not be used with the new one:"
        f" {why}. The running agent tries it again within two hours.",
    )
