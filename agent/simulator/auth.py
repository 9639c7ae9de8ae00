"""The camera's side of Basic and Digest (RFC 7617, RFC 7616 with MD5 or SHA-256 and qop=auth)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from agent.simulator.installation import Auth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.simulator.installation import Camera

NONCES = 64  # given out last; an older one is stale
_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


class Gate:
    """Lets requests in or says which challenges to send."""

    def __init__(self, camera: Camera, realm: str) -> None:
        self._camera, self._realm = camera, realm
        self._nonces: dict[str, int] = {}  # with the highest count used so far

    def admits(self, method: str, target: str, authorization: str) -> bool:
        """Whether this header opens the door for this request target (as sent, percent-encoding and all)."""
        scheme, _, rest = authorization.partition(" ")
        offered = self._camera.auth.split("-then-")
        if self._camera.auth is Auth.NONE:
            return True
        if scheme.lower() == "basic" and "basic" in offered:
            return self._basic(rest)
        return scheme.lower() == "digest" and self._digest(method, target, rest, offered)

    def _basic(self, encoded: str) -> bool:
        expected = base64.b64encode(f"{self._camera.username}:{self._camera.password}".encode()).decode()
        return hmac.compare_digest(encoded.strip().encode(), expected.encode())

    def _digest(self, method: str, target: str, text: str, offered: Sequence[str]) -> bool:
        said = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(text)}
        name = "sha256" if said.get("algorithm", "MD5").upper() == "SHA-256" else "digest"
        if name not in offered:
            return False
        hashed = _sha256 if name == "sha256" else _md5
        nonce, count = said.get("nonce", ""), said.get("nc", "")
        if said.get("uri") != target or nonce not in self._nonces or not re.fullmatch(r"[0-9a-f]{8}", count):
            return False
        if int(count, 16) <= self._nonces[nonce]:
            return False  # replayed
        who = hashed(f"{self._camera.username}:{self._realm}:{self._camera.password}")
        what = hashed(f"{method}:{target}")
        expected = hashed(f"{who}:{nonce}:{count}:{said.get('cnonce', '')}:auth:{what}")
        if said.get("username") != self._camera.username or not hmac.compare_digest(
            said.get("response", "").encode(), expected.encode()
        ):
            return False
        self._nonces[nonce] = int(count, 16)
        return True

    def challenges(self, authorization: str = "") -> list[str]:
        """The `WWW-Authenticate` headers in this camera's order."""
        return [
            f'Basic realm="{self._realm}"' if scheme == "basic" else self._digest_challenge(scheme, authorization)
            for scheme in self._camera.auth.split("-then-")
            if scheme != "none"
        ]

    def _digest_challenge(self, scheme: str, authorization: str) -> str:
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = 0
        if len(self._nonces) > NONCES:
            del self._nonces[next(iter(self._nonces))]
        stale = ", stale=true" if _forgotten(authorization, self._nonces) else ""
        algorithm = ", algorithm=SHA-256" if scheme == "sha256" else ""
        opaque = secrets.token_hex(8)
        return f'Digest realm="{self._realm}", qop="auth", nonce="{nonce}", opaque="{opaque}"{algorithm}{stale}'


def _forgotten(authorization: str, nonces: dict[str, int]) -> bool:
    found = re.search(r'nonce="([^"]*)"', authorization)
    return found is not None and found[1] not in nonces


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
