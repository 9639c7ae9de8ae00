"""How a device wants to be logged in to: HTTP Basic, and Digest (RFC 7616) with MD5 or SHA-256.

Our own, because aiohttp's middleware gives up where `Basic` is the first of two headers, and on Basic alone.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# The strongest first. MD5 is what most cameras ask for: no choice of ours.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_WORD = re.compile(r"""([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?""")
MAX_HEADERS = 8
MAX_HEADER = 4096  # characters; keeps what a hostile header costs below 10 ms


class Challenge(NamedTuple):
    """One way in that a 401 offers: the scheme and the names of its parameters in lower case."""

    scheme: str
    parameters: dict[str, str]


def challenges(headers: Iterable[str]) -> Iterator[Challenge]:
    """Every challenge of all `WWW-Authenticate` headers; one header may carry several."""
    for header in list(headers)[:MAX_HEADERS]:
        challenge: Challenge | None = None
        for word in _WORD.finditer(header[:MAX_HEADER]):
            name, quoted, plain = word.groups()
            if quoted is None and plain is None:
                if challenge:
                    yield challenge
                challenge = Challenge(name.lower(), {})
            elif challenge:
                value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                challenge.parameters.setdefault(name.lower(), value)
        if challenge:
            yield challenge


class Basic:
    """The password as it is, in every request."""

    nonce = ""
    stale = False
    strength = 0

    def header(self, _target: str, username: str, password: str, _method: str = "GET") -> str:
        """The `Authorization` of a request."""
        return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Digest:
    """A proof of the password for one nonce of the device, which serves until the device wants a new one."""

    def __init__(self, parameters: dict[str, str]) -> None:
        """Take the challenge as offered.

        Raises:
            ValueError: it cannot be answered: no nonce, an unknown algorithm, or no qop of `auth`.
        """
        self.nonce = parameters.get("nonce", "")
        self.stale = parameters.get("stale", "").lower() == "true"  # the last nonce ran out; it was not the password
        self._realm = parameters.get("realm", "")
        self._opaque = parameters.get("opaque")
        self._algorithm = parameters.get("algorithm")
        self._qop = "qop" in parameters
        self._times = 0
        self._cnonce = secrets.token_hex(8)  # one a nonce: `-sess` keys are made of both
        self._secret: tuple[str, str, str] | None = None  # of a name and password, which nobody changes meanwhile
        name = (self._algorithm or "MD5").upper()
        self._session = name.endswith("-SESS")
        name = name.removesuffix("-SESS")
        offers = parameters.get("qop", "auth").lower().replace(",", " ").split()
        # What is not printable cannot be sent back in a header.
        if (
            name not in _HASHES
            or not self.nonce
            or "auth" not in offers
            or not "".join(parameters.values()).isprintable()
        ):
            raise ValueError
        self._hash = _HASHES[name]
        self.strength = len(_HASHES) - list(_HASHES).index(name)

    def header(self, target: str, username: str, password: str, method: str = "GET") -> str:
        """The `Authorization` of a request for this target (path and query as they are sent)."""
        self._times += 1
        count = f"{self._times:08x}"
        secret = self._key(username, password)
        asked = self._digest(method, target)
        fields = {"username": username, "realm": self._realm, "nonce": self.nonce, "uri": target}
        plain = {"algorithm": self._algorithm} if self._algorithm else {}
        if self._qop:
            fields |= {"response": self._digest(secret, self.nonce, count, self._cnonce, "auth", asked)}
            plain |= {"qop": "auth", "nc": count}
        else:
            fields |= {"response": self._digest(secret, self.nonce, asked)}
        if self._qop or self._session:
            fields |= {"cnonce": self._cnonce}
        if self._opaque is not None:
            fields |= {"opaque": self._opaque}
        parts = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        return "Digest " + ", ".join([*parts, *(f"{name}={value}" for name, value in plain.items())])

    def _key(self, username: str, password: str) -> str:
        """What proves the password; the same for every request of one nonce."""
        if self._secret is None or self._secret[:2] != (username, password):
            secret = self._digest(username, self._realm, password)
            if self._session:
                secret = self._digest(secret, self.nonce, self._cnonce)
            self._secret = username, password, secret
        return self._secret[2]

    def _digest(self, *parts: str) -> str:
        return self._hash(":".join(parts).encode())


def strongest(headers: Iterable[str]) -> Basic | Digest | None:
    """The strongest of the ways offered that we know: Digest before Basic, wherever it stands; None: there is none."""
    found: list[Basic | Digest] = []
    for challenge in challenges(headers):
        if challenge.scheme == "basic":
            found.append(Basic())
        elif challenge.scheme == "digest":
            with contextlib.suppress(ValueError):
                found.append(Digest(challenge.parameters))
    return max(found, key=lambda way: way.strength, default=None)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"")
