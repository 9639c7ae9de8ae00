"""What Mosquitto is told: a complete configuration, one access block a device, and the passwords' hashes."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.topics import HQ, ROOT, Branch, hq_state
from agent.foundation.files import PUBLIC, SECRET, own_folder, write_file
from agent.foundation.toml import ConfigurationError
from cloud_receiver.devices.certificates import certify_client, certify_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cloud_receiver.devices.authority import Authority
    from cloud_receiver.devices.registry import Device

RECEIVER = HQ  # its user name: no device can be called so, for a name begins with a letter or digit

WRITES = ("birth", "state", "live/#", "batch", "backlog", "alert", "health", "reply", "config/reported")
READS = ("ack", "config/desired", "cmd/#")

# Mosquitto's own format ($7$, PBKDF2 with SHA-512). 1,000 turns take the broker 1 ms, so that a thousand stores that
# come back at once take it a second; our passwords have 100 random bits, which no number of turns makes safer.
TURNS = 1000
SALT, HASH = 12, 64  # bytes, as Mosquitto wants them
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"

CONF, ACL, PASSWORDS = "footfall.conf", "acl", "passwords"
LOCAL = ".local"  # what stands in acl.local and passwords.local is kept, for readers of your own

CONFIGURATION = """\
# Made by footfall-receiver broker-config, for Mosquitto 2.0 or later, and written anew each time: change nothing here.
# Let mosquitto.conf include it; on Debian by a link to it in /etc/mosquitto/conf.d.

# Without this small batches wait for the peer's delayed acknowledgement: ten times fewer messages a second.
set_tcp_nodelay true

# One list of rights and one of passwords for all listeners: only such are read again at SIGHUP without surprises.
per_listener_settings false
allow_anonymous false
acl_file {folder}/acl
password_file {folder}/passwords
allow_zero_length_clientid false

# Never the store of record; kept so that retained messages are there again after a restart. Where, says mosquitto.conf.
persistence true
autosave_interval 60

# One batch is at most 256 kB; the margin is for headers and a long topic.
max_packet_size 300000

# What waits for one client, whichever comes first. Beyond it everybody's batches are dropped, and come again half a
# minute later: 1,000 are the first second of one device that floods, 20,000 are what a receiver sorts out in some.
max_queued_messages 20000
max_queued_bytes 67108864
max_inflight_messages 20
max_keepalive 300

# Devices and receivers, each with its own certificate: its common name is its user name.
listener {port}
protocol mqtt
max_connections 20000
tls_version tlsv1.2
ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
"""

LISTENER_FOR_PASSWORDS = """
# Devices with a password in place of a certificate; TLS all the same.
listener {port}
protocol mqtt
max_connections 20000
tls_version tlsv1.2
ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305
cafile {folder}/ca.crt
certfile {folder}/broker.crt
keyfile {folder}/broker.key
"""

LISTENER_ON_LOOPBACK = """
# This machine alone: who is known by a password needs no TLS here.
listener {port} 127.0.0.1
protocol mqtt
max_connections 1000
"""


class Listeners(NamedTuple):
    """Ports, 0 for none, and the names by which devices reach the broker."""

    names: Sequence[str]
    certificates: int = 8883
    passwords: int = 0
    loopback: int = 0


def write_access(folder: Path, known: Sequence[Device]) -> None:
    """Rights and passwords of those who may send; what the broker has to read again at SIGHUP.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    allowed = [device for device in known if device.revoked is None]
    try:
        write_file(folder / ACL, acl(allowed) + _local(folder, ACL), SECRET)
        write_file(folder / PASSWORDS, passwords(allowed) + _local(folder, PASSWORDS), SECRET)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the broker's rights cannot be written: {error.strerror}") from None


def write_everything(
    folder: Path, listeners: Listeners, authority: Authority, known: Sequence[Device], now: float
) -> None:
    """A folder that a broker can be started from; certificates are made anew when a third of their life is over.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    try:
        own_folder(folder)
        write_file(folder / "ca.crt", authority.pem, PUBLIC)
        certify_server(authority, folder, "broker", listeners.names, now)
        certify_client(authority, folder, "receiver", RECEIVER, now)
        write_access(folder, known)
        write_file(folder / CONF, configuration(folder, listeners), PUBLIC)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}") from None


def configuration(folder: Path, listeners: Listeners) -> str:
    """mosquitto.conf, whole."""
    text = CONFIGURATION.format(folder=folder, port=listeners.certificates)
    if listeners.passwords:
        text += LISTENER_FOR_PASSWORDS.format(folder=folder, port=listeners.passwords)
    if listeners.loopback:
        text += LISTENER_ON_LOOPBACK.format(port=listeners.loopback)
    return text


def acl(allowed: Iterable[Device]) -> str:
    """What each may do; what is not said here is denied."""
    devices = list(allowed)
    blocks = [_block(RECEIVER, _receiver_rights({device.tenant for device in devices}))]
    for device in devices:
        branch = Branch(device.tenant, device.store, device.device)
        rights = [("write", branch.topic(leaf)) for leaf in WRITES]
        rights += [("read", branch.topic(leaf)) for leaf in READS]
        blocks.append(_block(device.device, [*rights, ("read", hq_state(device.tenant, "+"))]))
    return "\n".join(blocks)


def passwords(allowed: Iterable[Device]) -> str:
    """A line for each device that has one."""
    return "".join(f"{device.device}:{device.password}\n" for device in allowed if device.password)


def new_password() -> str:
    """99 random bits, without letters that look alike."""
    return "".join(secrets.choice(LETTERS) for _ in range(20))


def hash_password(password: str, salt: bytes | None = None, turns: int = TURNS) -> str:
    """What Mosquitto keeps of a password."""
    grain = salt or secrets.token_bytes(SALT)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), grain, turns, HASH)
    return f"$7${turns}${base64.b64encode(grain).decode()}${base64.b64encode(digest).decode()}"


def reload(pid: str) -> None:
    """Let the broker read rights, passwords and certificates again; nobody who may stay is disconnected.

    `pid` is a number, or a file with one; without the file the broker does not run, and reads all at its start.

    Raises:
        ConfigurationError: no such process, or not ours to signal.
    """
    if not pid.isdigit() and not os.path.exists(pid):  # noqa: PTH110 - as short as it can be said
        return
    try:
        number = int(pid) if pid.isdigit() else int(_head(pid))
        os.kill(number, signal.SIGHUP)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "there is no number in it"
        raise ConfigurationError(
            f"the broker {pid} cannot be told to read its rights again: {why} — by hand: systemctl reload mosquitto"
        ) from None


def _head(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - reads a few bytes of whatever it is
        return file.read(20)


def _receiver_rights(tenants: set[str]) -> list[tuple[str, str]]:
    rights = []
    for tenant in sorted(tenants):
        rights += [("read", f"{ROOT}/{tenant}/+/+/{leaf}") for leaf in WRITES]
        rights += [("write", f"{ROOT}/{tenant}/+/+/{leaf}") for leaf in READS]
        rights.append(("readwrite", hq_state(tenant, "+")))
    return rights


def _block(user: str, rights: Iterable[tuple[str, str]]) -> str:
    return "".join([f"user {user}\n", *(f"topic {what} {topic}\n" for what, topic in rights)])


def _local(folder: Path, name: str) -> str:
    with suppress(FileNotFoundError):
        return "\n" + (folder / f"{name}{LOCAL}").read_text(encoding="utf-8")
    return ""
