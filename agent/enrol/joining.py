"""Asking headquarters for a certificate over HTTPS: first with a one-time code, later with the key that is held."""

from __future__ import annotations

import hmac
import ssl
from typing import TYPE_CHECKING

import aiohttp

from agent.contract.caps import WireError
from agent.contract.enrolment import (
    AUTHORITY,
    ENROL,
    MAX_BUNDLE,
    MAX_BYTES,
    RENEW,
    Bundle,
    Enrol,
    Issued,
    Refusal,
    Renew,
    fingerprint,
)
from agent.contract.messages import read_message
from agent.enrol.keys import ask, problem_with, prove
from agent.foundation.trust import explain

if TYPE_CHECKING:
    from pathlib import Path

    from agent.contract.enrolment import Code
    from agent.contract.messages import Message
    from agent.enrol.keys import Asked

SECONDS = 30.0  # for each request, real seconds
OK, REFUSED = 200, 403


class EnrolmentError(Exception):
    """It did not work; the text says why and what to do."""


class Denied(EnrolmentError):
    """Headquarters understood, and says no: trying again will not help."""


async def enrol(url: str, code: Code, device: str) -> tuple[Issued, Asked]:
    """A certificate for a code, and its key.

    Raises:
        EnrolmentError: see its text.
    """
    authority = await _authority(url, code)
    asked = ask(device)
    request = Enrol(device=device, code=code.text, csr=asked.csr)
    issued = await _post(url + ENROL, request, _trusting(authority))
    return _checked(issued, asked, device, authority), asked


async def renew(url: str, device: str, authority: str, pair: tuple[str, str]) -> tuple[Issued, Asked]:
    """A certificate for a new key, proved by certificate and key in use.

    Raises:
        EnrolmentError: see its text.
    """
    certificate, key = pair
    asked = ask(device)
    try:
        signature = prove(key, asked.csr)
    except ValueError as error:
        raise EnrolmentError(f"the device's key cannot be used ({error}): enrol this device anew") from None
    request = Renew(certificate=certificate, csr=asked.csr, signature=signature)
    issued = await _post(url + RENEW, request, _trusting(authority))
    return _checked(issued, asked, device, authority), asked


def read_bundle(file: Path, device: str) -> Bundle:
    """What headquarters wrote for a device without a line.

    Raises:
        EnrolmentError: it cannot be read, or is for another device.
    """
    try:
        with file.open("rb") as source:
            raw = source.read(MAX_BUNDLE)
        found = read_message(Bundle, raw)
    except OSError as error:
        raise EnrolmentError(f"{file}: cannot be read: {error.strerror}") from None
    except WireError as error:
        raise EnrolmentError(f"{file}: this is no file of footfall-receiver device bundle: {error}") from None
    if problem := problem_with(found, found.key, device):
        raise EnrolmentError(f"{file}: {problem}")
    return found


def _checked(issued: Issued, asked: Asked, device: str, authority: str) -> Issued:
    problem = problem_with(issued, asked.key, device)
    if not problem and issued.authority.split() != authority.split():
        problem = "headquarters names another certificate authority than before"
    if problem:
        raise EnrolmentError(problem)
    return issued


async def _authority(url: str, code: Code) -> str:
    """Headquarters' authority, asked of whoever answers there, and taken only if the code has its fingerprint."""
    stranger = ssl.create_default_context()
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE  # what comes is compared with the code, and nothing is told
    status, body = await _ask("GET", url + AUTHORITY, b"", stranger)
    try:
        pem = body.decode("ascii")
        found = fingerprint(ssl.PEM_cert_to_DER_cert(pem.strip() + "\n"))
    except ValueError:
        raise EnrolmentError(f"{url} is no Footfall headquarters (status {status}): check the address") from None
    if not hmac.compare_digest(found, code.fingerprint):
        raise EnrolmentError(
            f"whoever answers at {url} is not the headquarters that gave this code. Check address and code; if both are"
            " right, somebody is between you and headquarters: do not go on, and tell them"
        )
    return pem


def _trusting(authority: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=authority)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


async def _post(url: str, request: Message, context: ssl.SSLContext) -> Issued:
    status, body = await _ask("POST", url, request.payload(), context)
    try:
        if status == OK:
            return read_message(Issued, body)
        error = read_message(Refusal, body).error
    except WireError:
        raise EnrolmentError(f"{url} answers with what is not understood (status {status})") from None
    raise (Denied if status == REFUSED else EnrolmentError)(error)


async def _ask(method: str, url: str, body: bytes, context: ssl.SSLContext) -> tuple[int, bytes]:
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=False) as session,
            session.request(method, url, data=body or None, ssl=context, allow_redirects=False) as answer,
        ):
            return answer.status, await _capped(answer)
    except aiohttp.ClientConnectorError as error:
        if found := _tls_error(error):
            raise EnrolmentError(str(explain(found, error.host))) from None
        raise EnrolmentError(f"{url} is not reached: {error.os_error.strerror or error}") from None
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        if found := _tls_error(error):
            raise EnrolmentError(str(explain(found, url))) from None
        raise EnrolmentError(f"{url} is not reached: {str(error) or type(error).__name__}") from None


async def _capped(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_BYTES:
            raise EnrolmentError(f"{answer.url.host} answers with more than {MAX_BYTES} bytes: check the address")
    return bytes(body)


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS failure within one of the library's own."""
    for one in (getattr(error, "certificate_error", None), getattr(error, "os_error", None), error.__cause__):
        if isinstance(one, ssl.SSLError):
            return one
    return None
