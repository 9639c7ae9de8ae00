"""The configuration that HQ wants, laid over the agent's own files: tried for five minutes, kept if HQ is still heard.

The files of whoever installed the agent are never written. What HQ wants is one file of ours beside the last good
configuration, so that a trial survives a restart, and at most three starts may be part of one.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ValidationError

from agent.contract.layout import Layout, valid_at
from agent.contract.messages import Desired, Reported, document_sha
from agent.contract.times import rfc3339
from agent.foundation.secrets import names_secret
from agent.foundation.toml import ConfigurationError
from agent.last_good import place
from agent.settings import Configuration, Settings, check_sensors, refused_addresses
from agent.versions import MOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.foundation.clock import Clock

log = structlog.get_logger()

PATIENCE = 300.0  # real seconds in which HQ must say hello to a configuration on trial
STARTS = 3  # of a trial: one that makes the agent die is over after as many
MOST_BYTES = 512 * 1024
FILE = "desired.json"

# What HQ may set, by table; everything else is whoever installs the agent's: names, secrets, files, addresses of
# ours. The keys of sensors leave out user names and passwords, which stay as the device has them.
MAY: dict[str, set[str]] = {
    "history": {"days", "pause"},
    "log": {"level"},
    "mqtt": {"every", "reconnect_cap", "resend_jitter"},
    "page": {"names"},
}
SENSOR = {"id", "driver", "address", "zone", "installed", "options"}


class Standing(BaseModel):
    """What is kept in the file."""

    running: Desired | None = None
    trying: Desired | None = None
    starts: int = 0
    reported: Reported | None = None


class Unwanted(Exception):
    """HQ's document is not taken; the text says why."""


class Trial:
    """What becomes of the configuration that HQ wants. `configuration` is what the agent runs with now."""

    def __init__(
        self, own: Configuration, clock: Clock, stop: Callable[[], None], *, patience: float = PATIENCE
    ) -> None:
        self._own, self._clock, self._stop, self._patience = own, clock, stop, patience
        self.restarting = False  # the process is to begin again once it has stopped
        self._path = place(own.file).with_name(FILE)
        self._kept = _read(self._path)
        self._on_trial = False
        self.configuration = self._begin()

    # ---- the start

    def _begin(self) -> Configuration:
        kept = self._kept
        if kept.trying and kept.starts >= STARTS:
            self._over("reverted", f"HQ was not reached in {STARTS} starts")
        if kept.trying:
            kept.starts += 1
            self._keep()
            try:
                found = overlaid(self._own, kept.trying)
            except Unwanted as why:
                self._over("refused", str(why))
            else:
                self._on_trial = True
                return found
        if kept.running:
            with suppress(Unwanted):
                return overlaid(self._own, kept.running)
            log.error("desired_does_not_fit", version=kept.running.version)
        return self._own

    async def watch(self) -> None:
        """Give up a trial to which HQ has not said hello in time; then stay, as every part does."""
        await asyncio.sleep(self._patience)
        if self._on_trial:
            self._over("reverted", f"no hello from HQ within {self._patience:g} s")
            self._restart()
        await asyncio.Event().wait()

    # ---- for the desk

    async def take(self, desired: Desired) -> Reported:
        """Try it, or say why not; what is known already changes nothing."""
        kept = self._kept
        known = next((one for one in (kept.trying, kept.running) if one and one.sha256 == desired.sha256), None)
        if known:
            return self._said(known, "trying" if known is kept.trying else "running")
        last = kept.reported
        if last and (last.version, last.sha256) == (desired.version, desired.sha256):
            return last  # refused or reverted before: not again
        try:
            self._check(desired)
        except Unwanted as why:
            kept.reported = self._said(desired, "refused", str(why))
            self._keep()
            return kept.reported
        kept.trying, kept.starts = desired, 0
        kept.reported = self._said(desired, "trying")
        if not self._keep():
            kept.trying, kept.reported = None, self._said(desired, "refused", "this device cannot write it down")
            return kept.reported
        log.info("configuration_tried", version=desired.version)
        self._restart()
        return kept.reported

    def standing(self) -> Reported | None:
        """What is told at each connection."""
        return self._kept.reported

    def heard(self) -> Reported | None:
        """HQ said hello: a configuration on trial is proven."""
        if not self._on_trial or not self._kept.trying:
            return None
        kept, proven, self._on_trial = self._kept, self._kept.trying, False
        kept.running, kept.trying, kept.starts = proven, None, 0
        kept.reported = self._said(proven, "running")
        self._keep()
        log.info("configuration_runs", version=proven.version)
        return kept.reported

    # ---- inside

    def _restart(self) -> None:
        self.restarting = True
        self._stop()

    def _check(self, desired: Desired) -> None:
        if document_sha(desired.doc) != desired.sha256:
            raise Unwanted("sha256 does not name this document")
        newest = max((one.version for one in (self._kept.running, self._kept.trying) if one), default=0)
        if desired.version <= newest:
            raise Unwanted(f"version {desired.version} is not newer than {newest}")
        overlaid(self._own, desired)

    def _over(self, state: Any, why: str) -> None:  # noqa: ANN401 - one of the model's words
        kept, self._on_trial = self._kept, False
        if kept.trying:
            kept.reported = self._said(kept.trying, state, why)
            log.error("configuration_given_up", version=kept.trying.version, why=why)
        kept.trying, kept.starts = None, 0
        self._keep()

    def _said(self, desired: Desired, state: Any, why: str | None = None) -> Reported:  # noqa: ANN401 - as above
        at = rfc3339(self._clock.now())
        return Reported(version=desired.version, sha256=desired.sha256, state=state, why=why, at=at)

    def _keep(self) -> bool:
        """Write the file so that a power cut leaves the old or the new one; False where the disk does not let us."""
        part = self._path.with_suffix(".part")
        try:
            part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                file.write(self._kept.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            log.warning("desired_not_kept", file=str(self._path), why=str(error))
            return False
        return True


def _read(path: Path) -> Standing:
    try:
        with path.open("rb") as file:
            return Standing.model_validate_json(file.read(MOST_BYTES))
    except FileNotFoundError:
        return Standing()
    except (OSError, ValidationError) as error:
        log.warning("desired_unreadable", file=str(path), why=str(error))
        return Standing()


def overlaid(own: Configuration, desired: Desired) -> Configuration:
    """The agent's own configuration with what HQ wants laid over it, checked as a whole.

    Raises:
        Unwanted: it may not be set from HQ, or it is wrong.
    """
    doc = desired.doc
    if unknown := doc.keys() - {"settings", "layout"}:
        raise Unwanted(f"{', '.join(sorted(unknown))}: a document has settings and layout")
    try:
        settings = Settings.model_validate(_merged(own.settings, doc.get("settings", {})))
        for number, why in refused_addresses(settings).items():
            raise Unwanted(f"settings.sensor.{number}.address: {why}")
        layouts = _layouts(own, doc["layout"]) if "layout" in doc else own.layouts
        check_sensors(found := Configuration(own.file, settings, valid_at(layouts, time.time()), layouts))
        found.check_files()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Unwanted(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ConfigurationError as error:
        raise Unwanted(str(error)) from None
    return found


def _layouts(own: Configuration, wanted: Any) -> tuple[Layout, ...]:  # noqa: ANN401 - whatever HQ sent
    """HQ's version beside the device's own, in place of one of that day or name; a list takes the place of them all."""
    if isinstance(wanted, list):
        found = tuple(Layout.model_validate(one) for one in wanted[:MOST])
        if len({one.effective_from for one in found}) < len(wanted) or not found:
            raise Unwanted("layout: a list has one version or more, each from another day on")
        return found
    new = Layout.model_validate(wanted)
    others = (one for one in own.layouts if one.effective_from != new.effective_from and one.version != new.version)
    return tuple(sorted((*others, new), key=lambda one: one.effective))


def _merged(own: Settings, wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever HQ sent
    if not isinstance(wanted, dict):
        raise Unwanted("settings: a table of tables")
    merged = own.model_dump(mode="json")
    for table, values in wanted.items():
        if table == "sensor":
            merged["sensor"] = _sensors(merged["sensor"], values)
        elif table not in MAY or not isinstance(values, dict):
            raise Unwanted(f"settings.{table} may not be set from HQ")
        elif beyond := values.keys() - MAY[table]:
            raise Unwanted(f"settings.{table}.{min(beyond)} may not be set from HQ")
        else:
            merged[table] |= values
    return merged


def _sensors(own: list[dict[str, Any]], wanted: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    """HQ's list of sensors; each that the device knows keeps its user name, its password's file and how it sends."""
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise Unwanted("settings.sensor: a list of tables")
    known = {one["id"]: {key: one[key] for key in ("username", "password_file", "push")} for one in own}
    for one in wanted:
        options = one.get("options", {})
        secret = [key for key in options if names_secret(key)] if isinstance(options, dict) else []
        if beyond := [*(one.keys() - SENSOR), *secret]:
            raise Unwanted(f"settings.sensor.{min(beyond)} may not be set from HQ")
    return [known.get(one.get("id"), {}) | one for one in wanted]
