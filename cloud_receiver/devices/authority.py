"""Headquarters' own small certificate authority: one root, EC P-256, no intermediates.

The root's key is in one folder that nobody else may enter. Whoever has it can be any device: back it up as one keeps
the keys of the house.
"""

from __future__ import annotations

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.contract.enrolment import LIFE_DAYS, RENEW_FROM
from agent.foundation.files import PUBLIC, SECRET, own_folder, write_file
from agent.foundation.toml import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIFE = timedelta(days=LIFE_DAYS)
ROOT_LIFE = timedelta(days=20 * 365)
# A clock that is set to the wrong time zone is up to 14 hours off; a certificate holds for it all the same.
BACKDATED = timedelta(days=1)

_ROOT_KEY, _ROOT = "root.key", "root.crt"

# What cryptography makes of foreign bytes; not all of it is a ValueError.
UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class BadRequest(ValueError):
    """A certificate request or certificate that is not one, or not ours; the text says so."""


class Signed(NamedTuple):
    """A certificate that was just made."""

    pem: str
    serial: str
    begins: int
    ends: int


class Shown(NamedTuple):
    """A certificate of ours that somebody shows: whose, which, and the key that it speaks for."""

    device: str
    serial: str
    key: ec.EllipticCurvePublicKey


class Authority:
    """The root and its key, in a folder of their own; made at first use."""

    def __init__(self, folder: Path, now: float) -> None:
        self.folder = folder
        key, cert = _read(folder) or _begin(folder, now)
        self._key = key
        self.cert = cert

    @property
    def der(self) -> bytes:
        """The root certificate, of which the codes carry the fingerprint."""
        return self.cert.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.cert.public_bytes(Encoding.PEM).decode()

    def sign_device(self, device: str, csr: str, now: float) -> Signed:
        """Two years for the key in a request. The name is ours to give: what the request says is not read.

        Raises:
            BadRequest: no request, not signed by its own key, or no EC P-256 key.
        """
        return self._sign(_requested_key(csr), device, [x509.DNSName(device)], ExtendedKeyUsageOID.CLIENT_AUTH, now)

    def sign_server(self, key: ec.EllipticCurvePublicKey, names: Sequence[str], now: float) -> Signed:
        """Two years for a server that is reached by these names and addresses."""
        return self._sign(
            key, names[0][:64], [_general_name(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH, now
        )

    def read(self, pem: str) -> Shown:
        """A device's certificate of ours; whether it has expired is not asked.

        Raises:
            BadRequest: no certificate, or not of this authority.
        """
        try:
            cert = x509.load_pem_x509_certificate(pem.encode())
            cert.verify_directly_issued_by(self.cert)
            usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            name = str(cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            key = cert.public_key()
        except (*UNREADABLE, IndexError) as error:
            raise BadRequest("this is no certificate of this headquarters") from error
        if ExtendedKeyUsageOID.CLIENT_AUTH not in usage or not isinstance(key, ec.EllipticCurvePublicKey):
            raise BadRequest("this is no certificate of a device")
        return Shown(name, f"{cert.serial_number:x}", key)

    def made(self, pem: str) -> bool:
        """Whether a certificate is of this authority."""
        try:
            x509.load_pem_x509_certificate(pem.encode()).verify_directly_issued_by(self.cert)
        except UNREADABLE:
            return False
        return True

    def _sign(
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: float,
    ) -> Signed:
        moment = datetime.fromtimestamp(int(now), UTC)
        begins, ends = moment - BACKDATED, min(moment + LIFE, self.cert.not_valid_after_utc)
        made = (
            _certificate(key, _name(name), self.cert.subject, begins, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, SHA256())
        )
        pem = made.public_bytes(Encoding.PEM).decode()
        return Signed(pem, f"{made.serial_number:x}", int(begins.timestamp()), int(ends.timestamp()))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def requested_by(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate request of a key."""
    made = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def key_digest(csr: str) -> bytes:
    """What tells the key of a request from others.

    Raises:
        BadRequest: as `Authority.sign_device`.
    """
    key = _requested_key(csr)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def due(pem: str, now: float) -> bool:
    """Whether a certificate is past a third of its life."""
    cert = x509.load_pem_x509_certificate(pem.encode())
    life = cert.not_valid_after_utc - cert.not_valid_before_utc
    return now >= (cert.not_valid_before_utc + life * RENEW_FROM).timestamp()


def names_of(pem: str) -> list[str]:
    """The names and addresses that a server's certificate is for."""
    cert = x509.load_pem_x509_certificate(pem.encode())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


# ---- the root


def _read(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
    try:
        key = load_pem_private_key((folder / _ROOT_KEY).read_bytes(), None)
        cert = x509.load_pem_x509_certificate((folder / _ROOT).read_bytes())
    except FileNotFoundError:
        if (folder / _ROOT_KEY).exists() or (folder / _ROOT).exists():
            raise ConfigurationError(
                f"{folder}: one of {_ROOT_KEY} and {_ROOT} is missing — bring both back from a backup; only where there"
                " is none, remove the other, and enrol every device anew"
            ) from None
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{folder}: the certificate authority cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != cert.public_key():
        raise ConfigurationError(f"{folder}: {_ROOT_KEY} and {_ROOT} do not belong together")
    return key, cert


def _begin(folder: Path, now: float) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key, moment = new_key(), datetime.fromtimestamp(int(now), UTC)
    name = _name(f"Footfall {secrets.token_hex(4)}")
    cert = (
        _certificate(key.public_key(), name, name, moment - BACKDATED, moment + ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, SHA256())
    )
    try:
        own_folder(folder)
        write_file(folder / _ROOT_KEY, key_pem(key), SECRET)
        write_file(folder / _ROOT, cert.public_bytes(Encoding.PEM).decode(), PUBLIC)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the certificate authority cannot be made: {error.strerror}") from None
    return key, cert


# ---- parts of a certificate


def _certificate(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer_name=issuer, subject_name=subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return x509.DNSName(text)


def _requested_key(csr: str) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        sound = request.is_signature_valid
    except UNREADABLE as error:
        raise BadRequest("the certificate request cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest("the key of the certificate request is not EC P-256")
    if not sound:
        raise BadRequest("the certificate request is not signed by its own key")
    return key
