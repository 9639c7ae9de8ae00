"""Who gets a certificate: a device with a code that was not used before, or with the key of an earlier certificate."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from agent.contract.enrolment import Bundle, Code, Enrol, Issued, Renew, new_code, read_code, to_sign
from cloud_receiver.devices import registry
from cloud_receiver.devices.authority import BadRequest, key_digest, key_pem, new_key, requested_by
from cloud_receiver.devices.registry import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud_receiver.database.pool import Pool
    from cloud_receiver.devices.authority import Authority, Signed

log = structlog.get_logger()

CODE_LIVES = 7 * 86400  # s; long enough for a parcel to reach its store

# The same words whatever is wrong: who guesses learns nothing, and the remedy is the same.
WRONG_CODE = (
    "this code is wrong, was used, has expired, or is for another device: ask headquarters for a new one"
    ' ("footfall-receiver device add DEVICE --store STORE"), and see that [device] id is the same'
)
NO_LONGER = "this device may not renew its certificate: it was revoked, or headquarters does not know the certificate"


class Enrolment:
    """The authority and the registry, and what they agree to. `now` is real time: TLS knows no other."""

    def __init__(self, pool: Pool, authority: Authority, now: Callable[[], float]) -> None:
        self.authority = authority
        self._pool = pool
        self._now = now

    async def code(self, device: str) -> Code:
        """A new code for a registered device; it is shown once and kept as a hash."""
        made = new_code(self.authority.der)
        await registry.set_code(self._pool, device, made.digest, int(self._now()) + CODE_LIVES)
        return made

    async def enrol(self, request: Enrol) -> Issued:
        """A certificate for a code.

        Raises:
            NotAllowed: the code is not good for this device and key.
            BadRequest: what asks for it is no certificate request.
        """
        key = key_digest(request.csr)
        try:
            digest = read_code(request.code).digest
        except ValueError as error:
            raise BadRequest(str(error)) from None
        if not await registry.use_code(self._pool, request.device, digest, key, int(self._now())):
            log.warning("enrolment_refused", device=request.device)
            raise NotAllowed(WRONG_CODE)
        return await self._issue(request.device, request.csr, "enrolled")

    async def renew(self, request: Renew) -> Issued:
        """A certificate for the key of an earlier one, expired or not.

        Raises:
            NotAllowed: the certificate was never given, or its device was revoked.
            BadRequest: it is not ours, or what asks is not signed by its key.
        """
        old = self.authority.read(request.certificate)
        try:
            signature = base64.b64decode(request.signature, validate=True)
            old.key.verify(signature, to_sign(request.csr), ec.ECDSA(SHA256()))
        except (binascii.Error, ValueError, InvalidSignature):
            log.warning("renewal_not_proved", device=old.device)
            raise BadRequest("the request is not signed by the key of the certificate it shows") from None
        if not await registry.was_given(self._pool, old.device, old.serial):
            log.warning("renewal_refused", device=old.device)
            raise NotAllowed(NO_LONGER)
        return await self._issue(old.device, request.csr, "renewed")

    async def bundle(self, device: str, url: str) -> Bundle:
        """Key and certificate in one, for a device that cannot reach us when it is installed."""
        key = new_key()
        issued = await self._issue(device, requested_by(key), "bundled")
        return Bundle(**issued.model_dump(), url=url, key=key_pem(key))

    async def _issue(self, device: str, csr: str, how: str) -> Issued:
        signed: Signed = self.authority.sign_device(device, csr, self._now())
        await registry.record(self._pool, device, signed, int(self._now()))
        log.info("certificate_given", device=device, how=how, serial=signed.serial)
        return Issued(
            device=device,
            certificate=signed.pem,
            authority=self.authority.pem,
            begins=signed.begins,
            ends=signed.ends,
        )
