"""The device's own key and what is asked of headquarters for it. The library is loaded when it is needed: 16 MB."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from agent.contract.enrolment import to_sign

if TYPE_CHECKING:
    from agent.contract.enrolment import Issued


class Asked(NamedTuple):
    """A key that was just made (PEM), and the request for its certificate."""

    key: str
    csr: str


def ask(device: str) -> Asked:
    """A new key, EC P-256. It never leaves this device; the request has its public half."""
    from cryptography import x509  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as the module says
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, device)])
    csr = x509.CertificateSigningRequestBuilder(name).sign(key, SHA256()).public_bytes(Encoding.PEM)
    return Asked(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), csr.decode())


def prove(old_key: str, csr: str) -> str:
    """The old key's signature over a new request, base64.

    Raises:
        ValueError: it is no key.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as the module says

    try:
        key = load_pem_private_key(old_key.encode(), None)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not EC")  # noqa: TRY004 - what is wrong is the file, not the caller
    return base64.b64encode(key.sign(to_sign(csr), ec.ECDSA(SHA256()))).decode()


def problem_with(issued: Issued, key: str, device: str) -> str:
    """Why a certificate is not the one that was asked for; empty where it is."""
    from cryptography import x509  # noqa: PLC0415 - as the module says
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as the module says
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as the module says

    try:
        cert = x509.load_pem_x509_certificate(issued.certificate.encode())
        cert.verify_directly_issued_by(x509.load_pem_x509_certificate(issued.authority.encode()))
        names = [name.value for name in cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        ours = load_pem_private_key(key.encode(), None).public_key() == cert.public_key()
    except (ValueError, TypeError, InvalidSignature) as error:
        return f"the certificate is not one of that authority: {error}"
    if not ours:
        return "the certificate is for another key than ours"
    if names != [device]:
        return f"the certificate is for {', '.join(map(str, names))}, and this device is {device}"
    return ""
