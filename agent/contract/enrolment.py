"""What a device and headquarters say to each other over HTTPS when the device enrols or renews, and the one-time code.

The code that an installer types is SECRET.FINGERPRINT: 100 random bits that headquarters knows only as a hash, and
128 bits of the SHA-256 of headquarters' certificate authority, so that the first contact cannot be with a stranger.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from agent.contract.messages import Message
from agent.contract.wire import Name

AUTHORITY, ENROL, RENEW = "/v1/authority", "/v1/enrol", "/v1/renew"
MAX_BYTES = 16 * 1024  # of a request and of an answer; a real one has 3 kB
MAX_BUNDLE = 64 * 1024

LIFE_DAYS = 730
RENEW_FROM = 1 / 3  # of a certificate's life

# Crockford's base 32 has no I, L, O and U; who types one of the first three means 1, 1 and 0.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MEANT = str.maketrans("ILO", "110")
_SECRET, _FINGERPRINT = 20, 26  # letters of 5 bits
_GROUP = 5

Pem = Annotated[str, StringConstraints(max_length=8192)]


class Code(NamedTuple):
    """What stands before and after the dot, without dashes."""

    secret: str
    fingerprint: str

    @property
    def text(self) -> str:
        """As it is shown: the secret in groups of five."""
        groups = (self.secret[i : i + _GROUP] for i in range(0, len(self.secret), _GROUP))
        return f"{'-'.join(groups)}.{self.fingerprint}"

    @property
    def digest(self) -> bytes:
        """All that headquarters keeps of it. A plain hash will do: 100 random bits cannot be guessed."""
        return hashlib.sha256(self.secret.encode()).digest()


def new_code(authority: bytes) -> Code:
    """A code for the authority with this certificate (DER)."""
    return Code("".join(secrets.choice(_ALPHABET) for _ in range(_SECRET)), fingerprint(authority))


def read_code(text: str) -> Code:
    """The code as somebody typed or dictated it.

    Raises:
        ValueError: it is none; says what is missing.
    """
    plain = re.sub(r"[\s-]", "", text).upper().translate(_MEANT)
    secret, dot, print_ = plain.partition(".")
    if not dot:
        raise ValueError("the code has a dot in it: copy the whole of what footfall-receiver device add printed")
    if len(secret) != _SECRET or len(print_) != _FINGERPRINT or set(secret + print_) - set(_ALPHABET):
        raise ValueError(f"the code has {_SECRET} letters and digits, a dot, and {_FINGERPRINT} more; this one has not")
    return Code(secret, print_)


def fingerprint(authority: bytes) -> str:
    """The first 130 bits of the SHA-256 of a certificate (DER), as letters."""
    number = int.from_bytes(hashlib.sha256(authority).digest()) >> (256 - 5 * _FINGERPRINT)
    return "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(_FINGERPRINT)))


class Enrol(Message):
    """A device shows its code and asks for a certificate of the key that it has made."""

    device: Name
    code: Annotated[str, StringConstraints(max_length=100)]
    csr: Pem


class Renew(Message):
    """A device shows its old certificate, and proves by its old key that the request is its own."""

    certificate: Pem
    csr: Pem
    signature: Annotated[str, StringConstraints(max_length=512)]  # base64 of ECDSA with SHA-256 over `to_sign(csr)`


def to_sign(csr: str) -> bytes:
    """What the old key signs: bound to this purpose, so that no other signature of it can be used here."""
    return b"footfall renew v1\n" + csr.encode()


class Issued(Message):
    """A new certificate; `begins` and `ends` are UTC seconds, so that nobody has to read them out of it."""

    device: Name
    certificate: Pem
    authority: Pem
    begins: int
    ends: int


class Refusal(Message):
    """Why not, in words for the person who enrols."""

    error: Annotated[str, StringConstraints(max_length=500)]


class Bundle(Issued):
    """A file for who installs without a line to headquarters. It holds the key: keep it as one keeps a password."""

    v: Annotated[int, Field(ge=1, le=1)] = 1
    url: str
    key: Pem


class Identity(Message):
    """What a device remembers of its enrolment, beside key and certificates."""

    device: Name
    url: str
    begins: int
    ends: int
