"""Log lines can be read by people and machines, hold no secret and cannot flood."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import structlog

from agent.foundation import logs
from agent.foundation.logs import Storms


@pytest.fixture
def log():
    """structlog and logging as the agent configures them, put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure()
    yield structlog.get_logger()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


def last(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_line_is_json_with_utc_time(log, capsys):
    """Where stdout is no terminal each line is one JSON object, its time RFC 3339 in UTC."""
    log.info("sensor_silent", sensor="door-1", why="no answer")

    line = last(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("ts"))
    assert line == {"event": "sensor_silent", "level": "info", "sensor": "door-1", "why": "no answer"}


def test_lines_below_the_level_are_left_out(log, capsys):
    """Debug lines cost nothing on a store's card."""
    log.debug("poll", sensor="door-1")

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("log")
def test_the_standard_library_is_routed_in(capsys):
    """What aiohttp or paho log arrives in the same form, with its logger's name."""
    logging.getLogger("aiohttp.server").error("Error handling request from %s", "192.0.2.7")

    line = last(capsys)
    assert (line["event"], line["level"], line["logger"]) == (
        "Error handling request from 192.0.2.7",
        "error",
        "aiohttp.server",
    )


@pytest.mark.usefixtures("log")
def test_warnings_are_routed_in(capsys):
    """A library's warning becomes a line instead of text on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("this will change", UserWarning, stacklevel=1)
        logging.captureWarnings(False)

    assert last(capsys)["logger"] == "py.warnings"


def test_a_traceback_is_kept_without_local_variables(log, capsys):
    """The trace back is there for support; the password in a local variable is not."""
    password = "canary-" + "17"
    try:
        int(f"http://admin:{password}@192.0.2.7/")
    except ValueError:
        log.exception("poll_failed")

    line = last(capsys)
    assert "ValueError" in line["exception"]
    assert "canary-17" not in json.dumps(line)


@pytest.mark.parametrize(
    "values",
    [
        {"password": "canary"},
        {"mqtt": {"username": "s", "broker_password": "canary"}},
        {"headers": [{"Authorization": "Basic canary"}]},
        {"url": "http://admin:canary@192.0.2.7/dataloader.cgi"},
        {"why": "400, message='x', url='http://admin:canary@192.0.2.7'"},
        {"why": "sent Authorization: Digest username=a, response=canary"},
        {"why": "GET /login?user=admin&password=canary&x=1"},
        {"token": ["canary"]},
        {"why": ValueError("ftp://u:canary@example.com")},
    ],
)
def test_secrets_never_reach_a_line(log, capsys, values):
    """A key that names a secret and a text that carries one are both taken out."""
    log.warning("event", **values)

    out = capsys.readouterr().out
    assert "canary" not in out
    assert "[redacted]" in out


def test_the_name_of_a_secrets_file_stays(log, capsys):
    """A technician must see which file was not found."""
    file = Path("/etc/footfall/door-1")

    log.error("no_file", password_file=str(file))

    assert str(file) in last(capsys).values()


def test_a_long_value_is_cut(log, capsys):
    """A camera's 4 MiB answer does not become a 4 MiB line."""
    log.warning("garbled", raw="x" * 100_000)

    assert len(last(capsys)["raw"]) < 2100


def test_a_closed_stdout_does_not_stop_the_work(log, monkeypatch):
    """Whoever read the lines may go away."""

    class Gone:
        def write(self, _text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())

    log.error("anything")


@pytest.mark.usefixtures("log")
def test_a_storm_is_cut_to_twenty_lines_and_a_count(capsys):
    """The same event of one sensor is let through twenty times a minute; another sensor's still comes."""
    now = 0.0
    storms = Storms(now=lambda: now)

    def passes(event, sensor):
        try:
            storms(None, "info", {"event": event, "sensor": sensor})
        except structlog.DropEvent:
            return False
        return True

    assert sum(passes("garbled", "door-1") for _ in range(500)) == 20
    assert passes("garbled", "door-2")
    now = 61.0
    assert passes("garbled", "door-1")
    line = last(capsys)
    assert (line["event"], line["of"], line["sensor"], line["lines"]) == ("suppressed", "garbled", "door-1", 480)


def test_a_storm_of_many_names_stays_bounded():
    """Ten thousand different events share what is left instead of filling memory."""
    storms = Storms(now=lambda: 0.0)
    through = 0
    for number in range(10_000):
        try:
            storms(None, "info", {"event": f"event {number}"})
        except structlog.DropEvent:
            continue
        through += 1

    assert through == 1020


def on_a_terminal(script: str, **env: str) -> str:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", script], stdout=theirs, check=True, env={**os.environ, **env}, timeout=30)
    os.close(theirs)
    out = os.read(ours, 65536).decode()
    os.close(ours)
    return out


def test_a_terminal_gets_pretty_lines_that_cannot_steer_it():
    """A person sees columns, not JSON, also where systemd started the terminal; escapes of a device are spelled."""
    out = on_a_terminal(
        "from agent.foundation import logs; import structlog; logs.configure();"
        "structlog.get_logger().warning('sensor_silent', why='\\x1b[2J\\x07gone')",
        NO_COLOR="1",
        INVOCATION_ID="0123456789abcdef",
    )

    assert "sensor_silent" in out
    assert not out.startswith("{")
    assert "\\x1b[2J\\x07gone" in out
    assert "\x1b[2J" not in out
