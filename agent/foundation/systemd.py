"""systemd's notify protocol: a datagram to $NOTIFY_SOCKET. Without that variable nothing is sent."""

from __future__ import annotations

import os
import socket

READY = "READY=1"
WATCHDOG = "WATCHDOG=1"
STOPPING = "STOPPING=1"


def notify(*lines: str) -> bool:
    """Tell systemd (`READY`, `WATCHDOG`, `STOPPING`, `status(...)`); False where there is nobody to tell."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.setblocking(False)  # a stuck systemd must not stop the loop
            link.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError:
        return False
    return True


def status(text: str) -> str:
    """The line that `systemctl status` shows."""
    return "STATUS=" + " ".join(text.split())


def watchdog_seconds() -> float | None:
    """Within how many real seconds systemd wants to hear `WATCHDOG`, or None where it does not wait for it."""
    meant_for = os.environ.get("WATCHDOG_PID")
    text = os.environ.get("WATCHDOG_USEC", "")
    if not text.isdecimal() or int(text) == 0 or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(text) / 1e6
