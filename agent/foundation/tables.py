"""What the configurations of both sides have in common: a table, a port, a host, and how a broker is reached."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")

Port = Annotated[int, Field(ge=1, le=65535)]


class Table(BaseModel):
    """A table of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_ipv6(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.IPv6Address(text))
    return False


def checked_host(text: str) -> str:
    """A name or an address, and nothing else."""
    bracketed = text.startswith("[") and text.endswith("]")
    if not (_is_ipv6(text[1:-1]) if bracketed else _HOST.fullmatch(text)):
        raise ValueError(f"{text!r} is no host name; write an address or a name, without http:// and without user name")
    return text


class BrokerTable(Table):
    """How a broker is reached, and how the line is protected. `version` 4 is MQTT 3.1.1."""

    host: Annotated[str, AfterValidator(checked_host)]
    port: Port = 1883
    version: Literal[5, 4] = 5
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file come together")
        if self.cert_file and not self.ca_file:
            raise ValueError("cert_file without ca_file: say which authority the broker's own certificate is from")
        return self
