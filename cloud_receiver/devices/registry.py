"""The registry: which device sends for which store, how it proves who it is, and whether it still may."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloud_receiver.database.pool import Pool
    from cloud_receiver.devices.authority import Signed

ADD_STORE = "INSERT INTO stores (tenant, store) VALUES ($1, $2) ON CONFLICT (tenant, store) DO NOTHING"

# A device that is known moves to the store named now; one that was revoked stays away.
ADD_DEVICE = """
INSERT INTO devices AS held (device, store, added)
SELECT $1, id, $4 FROM stores WHERE tenant = $2 AND store = $3
ON CONFLICT (device) DO UPDATE SET store = excluded.store WHERE held.revoked IS NULL
RETURNING device
"""

LIST_DEVICES = """
SELECT devices.device, stores.tenant, stores.store, devices.added, devices.revoked, devices.password,
       (SELECT max(received) FROM coverage WHERE coverage.device = devices.device) AS last,
       (SELECT max(ends) FROM certificates WHERE certificates.device = devices.device) AS ends
FROM devices JOIN stores ON stores.id = devices.store
ORDER BY stores.tenant, stores.store, devices.device
"""

SET_CODE = """
INSERT INTO enrolments (device, code, expires) VALUES ($1, $2, $3)
ON CONFLICT (device) DO UPDATE SET code = excluded.code, expires = excluded.expires, key = NULL
"""

FIND_CODE = """
SELECT enrolments.code, enrolments.expires, enrolments.key
FROM enrolments JOIN devices USING (device)
WHERE device = $1 AND devices.revoked IS NULL FOR UPDATE
"""

USE_CODE = "UPDATE enrolments SET key = $2 WHERE device = $1"

# Nothing is recorded for a device that was revoked meanwhile: the row is locked until COMMIT.
ALLOWED = "SELECT true FROM devices WHERE device = $1 AND revoked IS NULL FOR SHARE"

RECORD = """
INSERT INTO certificates (serial, device, begins, ends, made) VALUES ($1, $2, $3, $4, $5)
"""

GIVEN = """
SELECT true FROM certificates JOIN devices USING (device)
WHERE serial = $1 AND device = $2 AND devices.revoked IS NULL
"""

SET_PASSWORD = "UPDATE devices SET password = $2 WHERE device = $1 AND revoked IS NULL RETURNING device"  # noqa: S105 - SQL

REVOKE = """
UPDATE devices SET revoked = coalesce(revoked, $2), password = NULL WHERE device = $1 RETURNING device
"""

FORGET_CODE = "DELETE FROM enrolments WHERE device = $1"


class NotAllowed(Exception):
    """The registry says no; the text is for the person who asked."""


class Device(NamedTuple):
    """One entry of the registry; `last` is when its last batch came, `ends` when its newest certificate expires."""

    device: str
    tenant: str
    store: str
    added: int
    revoked: int | None
    password: str | None
    last: int | None
    ends: int | None


async def add_device(pool: Pool, device: str, tenant: str, store: str, now: int) -> None:
    """Make a device and, where it is the first of its store, the store known; a known device moves.

    Raises:
        NotAllowed: it was revoked.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(ADD_STORE, tenant, store)
        if await connection.fetchval(ADD_DEVICE, device, tenant, store, now) is None:
            raise NotAllowed(
                f"{device} was revoked, and its key may be in other hands: give the new device an id of its own"
            )


async def devices(pool: Pool) -> list[Device]:
    """The whole registry."""
    return [Device(*row) for row in await pool.fetch(LIST_DEVICES)]


async def set_code(pool: Pool, device: str, digest: bytes, expires: int) -> None:
    """The code by which a device may enrol; an earlier one is void."""
    await pool.execute(SET_CODE, device, digest, expires)


async def use_code(pool: Pool, device: str, digest: bytes, key: bytes, now: int) -> bool:
    """Whether the code is right, for this key: the first key that shows it is the only one."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(FIND_CODE, device)
        known, expires, used = row or (bytes(len(digest)), 0, None)
        right = hmac.compare_digest(known, digest) and now < expires and used in (None, key)
        if right:
            await connection.execute(USE_CODE, device, key)
        return right


async def record(pool: Pool, device: str, signed: Signed, now: int) -> None:
    """Note a certificate before it is given away.

    Raises:
        NotAllowed: the device is not known, or was revoked.
    """
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval(ALLOWED, device):
            raise NotAllowed(f"{device} is not registered, or was revoked")
        await connection.execute(RECORD, signed.serial, device, signed.begins, signed.ends, now)


async def was_given(pool: Pool, device: str, serial: str) -> bool:
    """Whether this certificate is one of a device that may still send."""
    return bool(await pool.fetchval(GIVEN, serial, device))


async def set_password(pool: Pool, device: str, hashed: str) -> None:
    """The broker's hash of a device's password."""
    if await pool.fetchval(SET_PASSWORD, device, hashed) is None:
        raise NotAllowed(f"{device} is not registered, or was revoked")


async def revoke(pool: Pool, device: str, now: int) -> bool:
    """Shut a device out for good; False where there is none of that name."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(FORGET_CODE, device)
        return await connection.fetchval(REVOKE, device, now) is not None
