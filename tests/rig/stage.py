"""Where a whole store is set up: one folder with every file of it, written from the scenario and removed at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.foundation.clock import Clock
from tests.rig.processes import CHECKOUT

if TYPE_CHECKING:
    from typing import Self

SCENARIO = CHECKOUT / "config/scenarios/demo.toml"
TENANT, STORE, DEVICE = "demo", "lisboa-demo", "lisboa-demo-pi"
# PostgreSQL does not run as root: the wheel gives it a user of its own, who must be able to walk to its data.
OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 - the folder in it has a random name and is ours
ROLES = {"door": "entrance", "corridor": "passer-by", "window": "ignore", "zone": "internal", "till": "internal"}
PURPOSES = {"door": "entrance", "corridor": "transition", "window": "transition", "zone": "browsing", "till": "queue"}


@dataclass(frozen=True)
class Plan:
    """What is to be played: the seed, the days of past, how the store's time passes, with what broker and kernels."""

    seed: int | None = None
    days: int = 14
    speed: float = 60.0
    begins: str = (
        "2026-11-19T16:24:00"  # local, a Thursday; a fixed day, so that a seed gives the same numbers for ever
    )
    mosquitto: bool = True
    kernels: str = "numba"


class Stage:
    """The folder of one run, and the files in it."""

    def __init__(self, plan: Plan, *, keep: bool = False) -> None:
        self.plan = plan
        self.keep = keep
        scenario = tomllib.loads(SCENARIO.read_text())
        self.name: str = scenario["store"]["name"]
        self.zone: str = scenario["store"]["time_zone"]
        self.cameras: list[dict[str, Any]] = scenario["camera"]
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        above = OPEN_TO_ALL if os.geteuid() == 0 and OPEN_TO_ALL.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="footfall-", dir=above)).resolve()
        self.folder.chmod(0o755)
        self.path("tmp").mkdir()
        self.path("layout.toml").write_text(self._layout())
        self.path("scenario.toml").write_text(self._scenario())
        return self

    def __exit__(self, *_: object) -> None:
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """Where everything of this run is."""
        if self._folder is None:
            raise RuntimeError("the stage is not set")
        return self._folder

    def path(self, name: str) -> Path:
        """A file of this run."""
        return self.folder / name

    @property
    def environment(self) -> dict[str, str]:
        """What every process is given: temporary files and caches of theirs go with the folder too."""
        temporary = str(self.path("tmp"))
        found = {"TMPDIR": temporary, "PYTHONUNBUFFERED": "1"}
        if not os.access(CHECKOUT / "agent/kernels", os.W_OK):  # else compiled kernels are kept beside their source
            found["NUMBA_CACHE_DIR"] = temporary
        return found

    def clock(self, real: float) -> Clock:
        """The store's clock, which shows the plan's beginning at this real moment."""
        begins = datetime.fromisoformat(self.plan.begins).replace(tzinfo=ZoneInfo(self.zone))
        return Clock(self.plan.speed, begins.timestamp(), real)

    def write_agent(self, addresses: dict[str, str], broker: int, version: str, page: int) -> Path:
        """The agent's configuration, once it is known where the cameras and the broker are."""
        parts = [
            f'[store]\ntenant = "{TENANT}"\nid = "{STORE}"\nlayout = "layout.toml"',
            f'[device]\nid = "{DEVICE}"',
            f'[buffer]\npath = "buffer.db"\n\n[page]\nport = {page}\n\n[cameras]\nloopback = true',
            f"[history]\ndays = {self.plan.days}\npause = 0.02",
            f'[kernels]\nmode = "{self.plan.kernels}"',
            _mqtt(broker, version) + PATIENCE,
        ]
        for camera in self.cameras:
            password = self.path(f"{camera['id']}.password")
            password.write_text(camera.get("password", "example"))
            password.chmod(0o600)
            parts.append(
                f'[[sensor]]\nid = "{camera["id"]}"\ndriver = "milesight"\naddress = "{addresses[camera["id"]]}"\n'
                f'username = "{camera.get("username", "counter")}"\npassword_file = "{password.name}"'
                + (f'\nzone = "{camera["zone"]}"' if "zone" in camera else "")
            )
        return self._write("agent.toml", parts)

    def write_receiver(self, broker: int, version: str, worker: str = "main", database: str = "") -> Path:
        """A receiver's configuration: its own PostgreSQL in the folder, or another receiver's by its URL."""
        name = "receiver.toml" if worker == "main" else f"receiver-{worker}.toml"
        place = f'url = "{database}"' if database else 'data_dir = "hq"'
        parts = [f'[receiver]\ntenant = "{TENANT}"\nworker = "{worker}"', f"[database]\n{place}"]
        return self._write(name, [*parts, _mqtt(broker, version)])

    def _write(self, name: str, parts: list[str]) -> Path:
        self.path(name).write_text("\n\n".join(parts) + "\n")
        return self.path(name)

    def _scenario(self) -> str:
        text = SCENARIO.read_text()
        if self.plan.seed is None:
            return text
        return "\n".join(f"seed = {self.plan.seed}" if line.startswith("seed ") else line for line in text.split("\n"))

    def _layout(self) -> str:
        lines = [f'version = "demo"\neffective_from = 2025-01-01\ntime_zone = "{self.zone}"\nreset_hour = 4']
        zones: dict[tuple[str, str], list[str]] = {}
        for camera in self.cameras:
            lines.append(f'[[sensor]]\nid = "{camera["id"]}"')
            for line in camera.get("line", ()):
                role = ROLES[line["counts"].partition(":")[0]]
                inverted = str(line.get("inverted", False)).lower()
                lines.append(f'[[sensor.line]]\nnumber = {line["number"]}\nrole = "{role}"\ninverted = {inverted}')
            for region in camera.get("region", ()):
                kind, _, name = region["watches"].partition(":")
                lines.append(f'[[sensor.region]]\nnumber = {region["number"]}\nname = "{name or kind}"')
                zones.setdefault((name or kind, PURPOSES[kind]), []).append(f"{camera['id']}/region:{region['number']}")
        for (name, purpose), places in zones.items():
            lines.append(f'[[zone]]\nname = "{name}"\npurpose = "{purpose}"\nplaces = {places}'.replace("'", '"'))
        return "\n\n".join(lines) + "\n"


def _mqtt(port: int, version: str) -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nversion = {4 if version == "3.1.1" else 5}\n'


# Waits on the network stay in real seconds, so sixty of the store's pass in each: shorter than in a real store.
PATIENCE = "reconnect_cap = 2.0\nresend_jitter = 1.0"
