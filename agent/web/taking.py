"""What can be changed over the page, with the device's PIN: taking on an alert, saying where staff is.

The forms work without JavaScript. Another site cannot make a phone send one: it does not know the PIN, and what the
browser says of where a request comes from must be this page.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.web.local import Wish

ACKNOWLEDGE = "/alerts/acknowledge"
STAFF = "/staff"
MOST_BODY = 2048  # bytes: an id, a PIN and a name
WITHIN = 5.0  # seconds in which it must have come
MOST_BY = 64  # characters of who it was
MOST_DIGITS = 6
FREE_TRIES = 5  # wrong PINs before each further one costs time
LONGEST_WAIT = 300.0  # seconds; a million PINs then take ten years


class Pin:
    """The device's PIN. Wrong ones cost everybody time, doubling: whoever knows the right one is not kept long."""

    def __init__(self, pin: str) -> None:
        self._pin = pin.encode()
        self._wrong = 0
        self._closed_until = 0.0

    def __bool__(self) -> bool:
        return bool(self._pin)

    def check(self, given: str) -> None:
        """Raise what is answered to a PIN that is not the right one.

        Raises:
            web.HTTPException: there is none, it is wrong, or it is not time for another try.
        """
        now = asyncio.get_running_loop().time()
        if not self._pin:
            raise web.HTTPForbidden(text="This device has no PIN yet: set pin_file in [page] of its configuration.\n")
        if now < self._closed_until:
            wait = str(int(self._closed_until - now) + 1)
            raise web.HTTPTooManyRequests(text=f"Wait {wait} s before the next try.\n", headers={"Retry-After": wait})
        if hmac.compare_digest(self._pin, given.encode()):
            self._wrong = 0
            return
        self._wrong += 1
        if self._wrong >= FREE_TRIES:
            self._closed_until = now + min(LONGEST_WAIT, 2.0 ** (self._wrong - FREE_TRIES))
        raise web.HTTPForbidden(text="This is not the PIN of this device. It is on its label.\n")


class Taking:
    """The routes. `take` is given the alert's id and by whom; False where there is no such alert.

    `enter` is given a zone and how many of the staff are there; a ValueError says why that cannot be.
    """

    def __init__(self, take: Callable[[str, str], Awaitable[bool]], pin: str, enter: Wish | None = None) -> None:
        self._take, self._pin, self._enter = take, Pin(pin), enter

    @property
    def possible(self) -> bool:
        """Whether the page shows the form."""
        return bool(self._pin)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """A form from the page."""
        refuse_foreign(request)
        fields = await _fields(request)
        self._pin.check(fields.get("pin", ""))
        by = "".join(c for c in fields.get("by", "") if c.isprintable())[:MOST_BY] or "the store"
        if not await self._take(fields.get("alert", ""), by):
            raise web.HTTPNotFound(text="There is no such open alert; it may be over.\n")
        raise web.HTTPSeeOther("/#alerts")

    async def staff(self, request: web.Request) -> web.Response:
        """A form from the page."""
        refuse_foreign(request)
        fields = await _fields(request)
        self._pin.check(fields.get("pin", ""))
        persons = fields.get("staff", "")
        try:
            if self._enter is None or not persons.isdecimal():
                raise ValueError("staff is a whole number of persons")  # noqa: TRY301 - told like every other mistake
            await self._enter({"zone": fields.get("zone", ""), "staff": int(persons[:MOST_DIGITS])})
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        raise web.HTTPSeeOther("/#now")


def refuse_foreign(request: web.Request) -> None:
    """Refuse what another site, or another page of this machine, makes a browser send.

    Raises:
        web.HTTPForbidden: it does.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
    same = origin is not None and urlsplit(origin).netloc.lower() == request.host.lower()
    if (site is not None and site != "same-origin") or (origin is not None and not same) or (site is origin is None):
        raise web.HTTPForbidden(text="This form is taken from the device's own page only.\n")


async def _fields(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="Send it as the page's form does.\n")
    if (request.content_length or 0) > MOST_BODY:
        raise web.HTTPRequestEntityTooLarge(MOST_BODY, request.content_length or 0)
    body = b""
    try:
        async with asyncio.timeout(WITHIN):
            async for part in request.content.iter_chunked(MOST_BODY):
                body += part
                if len(body) > MOST_BODY:
                    raise web.HTTPRequestEntityTooLarge(MOST_BODY, len(body))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form came too slowly.\n") from None
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=8)
    except (ValueError, UnicodeDecodeError):
        raise web.HTTPBadRequest(text="That is no form.\n") from None
    return {name: values[-1] for name, values in found.items()}
