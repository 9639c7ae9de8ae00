"""systemd is told what happens, and nothing breaks where there is no systemd."""

from __future__ import annotations

import os
import socket

import pytest

from agent.foundation import systemd


@pytest.fixture
def listener(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


def test_states_arrive_as_one_datagram(listener):
    """Ready and the status line are sent together; a line break cannot smuggle in another state."""
    assert systemd.notify(systemd.READY, systemd.status("all well\nSTOPPING=1"))

    assert listener.recv(4096) == b"READY=1\nSTATUS=all well STOPPING=1"


def test_an_abstract_socket_is_reached(monkeypatch):
    """A name that begins with @ lies in the abstract name space."""
    name = f"footfall-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        assert systemd.notify(systemd.WATCHDOG)
        assert receiver.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nowhere/at/all"])
def test_nobody_to_tell_is_no_error(monkeypatch, address):
    """Without systemd, or with a socket that is gone, the work goes on."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert not systemd.notify(systemd.READY)


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        (None, None, None),
        ("30000000", None, 30.0),
        ("30000000", "ours", 30.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
    ],
)
def test_watchdog_is_read_where_it_is_meant_for_us(monkeypatch, usec, pid, expected):
    """The interval counts only for the process that systemd watches."""
    pid = str(os.getpid()) if pid == "ours" else pid  # no parameter: two workers have to find the same tests
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert systemd.watchdog_seconds() == expected
