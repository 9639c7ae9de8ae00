"""The systemd units keep what the design promises, judged by systemd itself where it is there."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent.foundation.tasks import GRACE
from agent.settings import INSTALLED

HOUSE = Path(__file__).parents[2]
UNITS = {path.name: path for path in sorted((HOUSE / "systemd").glob("*.service"))}
SCORE = 1.5  # of 10; a plain unit has 9.2, Debian's mosquitto 9.6

HARD = {
    "Type": "notify",
    "Restart": "always",
    "RestartPreventExitStatus": "78",
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "CacheDirectoryMode": "0700",
    "LimitCORE": "0",
}


def directives(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNITS[name].read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(params=UNITS)
def unit(request):
    return directives(request.param)


def test_there_are_two_units():
    """One for the store, one for headquarters."""
    assert list(UNITS) == ["footfall-agent.service", "footfall-receiver.service"]


def test_the_unit_is_hardened(unit):
    """Each wall that an ordinary network daemon can live behind is there."""
    assert {key: unit.get(key, ["(absent)"])[-1] for key in HARD} == HARD


def test_numba_can_compile_and_cache(unit):
    """Memory may be written and executed, /proc/cpuinfo is visible, and the cache has a folder of its own."""
    assert "MemoryDenyWriteExecute" not in unit
    assert "ProcSubset" not in unit
    assert f"NUMBA_CACHE_DIR=%C/{unit['CacheDirectory'][0]}" in unit["Environment"]


def test_the_watchdog_and_the_limits_are_set(unit):
    """A process that stands still is restarted, one that grows is stopped, and starting is never given up."""
    assert int(unit["WatchdogSec"][0]) >= 10
    assert {"StateDirectory", "RuntimeDirectory", "MemoryMax", "TasksMax", "SystemCallFilter"} <= set(unit)
    assert unit["StartLimitIntervalSec"] == ["0"]


def test_systemd_is_more_patient_than_we_are(unit):
    """Our own bound on last writes ends before systemd kills."""
    assert int(unit["TimeoutStopSec"][0]) > GRACE


def test_the_settings_know_the_agents_folders():
    """What the command line looks for is where the unit puts it."""
    unit = directives("footfall-agent.service")

    assert Path("/etc") / unit["ConfigurationDirectory"][0] == INSTALLED
    assert (unit["StateDirectory"], unit["RuntimeDirectory"]) == (["footfall"], ["footfall"])


def test_the_unit_starts_a_command_of_this_distribution(unit):
    """The command and its option are those that exist."""
    program, command, option, file = unit["ExecStart"][0].split()
    scripts = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["scripts"]

    assert Path(program).name in scripts
    assert (command, option) == ("run", "--config")
    assert Path(file.replace("%E", "/etc")).parent == INSTALLED


@pytest.mark.parametrize("name", UNITS)
def test_agent_and_receiver_share_no_folder(name):
    """Both may run on one machine."""
    own, other = (directives(n) for n in (name, next(n for n in UNITS if n != name)))

    assert not any(set(own[key]) & set(other[key]) for key in ("StateDirectory", "CacheDirectory", "RuntimeDirectory"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_itself_calls_the_unit_safe(name):
    """systemd-analyze gives an exposure of at most 1.5."""
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={SCORE * 10:.0f}", str(UNITS[name])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stdout + done.stderr
