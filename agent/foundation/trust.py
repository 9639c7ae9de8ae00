"""What a failed TLS handshake means, in words that say what to do: the clock, the name, the authority, the date."""

from __future__ import annotations

import ipaddress
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# X509_V_ERR_… of OpenSSL, the only part of a refusal that is meant for programs.
NOT_YET_VALID, EXPIRED = (9, 13), (10, 14)
NOT_OURS = (2, 18, 19, 20, 21, 27, 33, 79)
OTHER_NAME = (62, 64)

# Alerts of the peer about our own certificate; TLS 1.3 brings them after the handshake, with the first answer.
_ALERTS = {
    "CERTIFICATE_EXPIRED": "our own certificate has expired",
    "CERTIFICATE_REVOKED": "our own certificate was revoked",
    "CERTIFICATE_REQUIRED": "a certificate is needed and we showed none: enrol this device",
    "CERTIFICATE_UNKNOWN": "our own certificate is not acceptable",
    "BAD_CERTIFICATE": "our own certificate is not acceptable",
    "UNKNOWN_CA": "our own certificate is from an authority that it does not know",
    "HANDSHAKE_FAILURE": "a certificate is needed, or TLS settings, that we do not have",
}
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host stays in this machine: only then may it travel without TLS."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class TlsFailed(ConnectionError):
    """The other side was reached, and TLS with it failed; the text says why and what to do."""


def explain(error: ssl.SSLError, peer: str, known: Iterable[Path] = ()) -> TlsFailed:
    """Words for a refusal. `known` are files that were written when this device's clock had already come so far."""
    now, floor = time.time(), known_time(known)
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(_about_theirs(error, peer, now, floor))
    reason = error.reason or ""
    ours = next((words for alert, words in _ALERTS.items() if reason.endswith(f"ALERT_{alert}")), "")
    if ours:
        clock = f"; {_clock_is_wrong(now, floor)}" if now < floor else ""
        return TlsFailed(f"refused: {peer} says that {ours}{clock}")
    if reason in _OLD_TLS:
        return TlsFailed(f"{peer} speaks only TLS older than 1.2, which is not safe: update it")
    if reason in _NO_TLS:
        return TlsFailed(f"{peer} does not speak TLS there: is the port right (8883 rather than 1883)?")
    return TlsFailed(f"TLS with {peer} failed: {reason or error}")


def known_time(files: Iterable[Path]) -> float:
    """A time that has certainly passed: our own program was installed then, or one of these files written."""
    times = [0.0]
    for file in (Path(__file__), *files):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def _about_theirs(error: ssl.SSLCertVerificationError, peer: str, now: float, floor: float) -> str:
    code = error.verify_code
    if code in NOT_YET_VALID:
        if now < floor:
            return _clock_is_wrong(now, floor)
        return (
            f"this device's clock says {_said(now)}, and the certificate of {peer} begins later: most likely the clock"
            " is slow; set it (NTP)"
        )
    if code in EXPIRED:
        return (
            f"by this device's clock, which says {_said(now)}, the certificate of {peer} has expired: where the clock"
            " is right, that side must renew it; where it is wrong, set the clock (NTP)"
        )
    if code in OTHER_NAME:
        return (
            f"the certificate that {peer} shows is for another name: check the host, or have its certificate made anew"
        )
    if code in NOT_OURS:
        return (
            f"the certificate of {peer} is not from our certificate authority: check ca_file, or enrol this device anew"
        )
    return f"the certificate of {peer} is not accepted: {error.verify_message}"


def _clock_is_wrong(now: float, floor: float) -> str:
    return (
        f"this device's clock is wrong: it says {_said(now)}, and it was already {_said(floor)}; set the clock (NTP)."
        " The certificates are not at fault"
    )


def _said(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
