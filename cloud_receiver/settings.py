"""What receiver.toml may say; read and checked as a whole before anything opens a socket."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from agent.contract.messages import Credit
from agent.contract.wire import Name
from agent.foundation.positions import lines_of
from agent.foundation.tables import BrokerTable, Table
from agent.foundation.toml import load, named_file, read_secret
from agent.foundation.trust import is_loopback
from cloud_receiver.database.partitions import Policy

INSTALLED = Path("/etc/footfall")  # where the unit's configuration is


class Receiver(Table):
    """Whose numbers these are, and which of the tenant's workers this is."""

    tenant: Name
    worker: Name | Literal[""] = ""


class Database(Table):
    """A PostgreSQL by URL; without one, a PostgreSQL of our own in `data_dir`."""

    url: str = ""
    data_dir: str = ""

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        if value and not re.match(r"postgres(ql)?://", value):
            raise ValueError("write it as postgresql://user@host:5432/name")
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> Database:
        if self.url and self.data_dir:
            raise ValueError("url and data_dir exclude each other: the data is there or here")
        return self


class Mqtt(BrokerTable):
    """The broker; on another machine only over TLS."""

    @model_validator(mode="after")
    def _protected(self) -> Mqtt:
        if not self.ca_file and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} is another machine, so the line needs TLS: set ca_file to the authority of the broker's"
                ' certificate ("footfall-receiver broker-config" makes one), and port 8883'
            )
        return self


class Limits(Table):
    """What waits undecided in a lane at most (messages), and what a device may send (rows and bytes a second)."""

    undecided: Annotated[int, Field(ge=1, le=10_000)] = 2000
    credit_rows_s: Annotated[float, Field(gt=0)] = 10_000
    credit_bytes_s: Annotated[float, Field(gt=0)] = 60_000

    @property
    def credit(self) -> Credit:
        return Credit(rows_s=self.credit_rows_s, bytes_s=self.credit_bytes_s)


class Monitor(Table):
    """Where /healthz, /readyz and /metrics are; worker k of several has the port k-1 above. Port 0 is off.

    Off without a word: two receivers on one machine would want the same port. The sample has 9470.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65000)] = 0


class Retention(Table):
    """For how long HQ keeps what."""

    observations_months: Annotated[int, Field(ge=1, le=1200)] = 13
    batches_days: Annotated[int, Field(ge=35, le=3650)] = 63
    quarantine_days: Annotated[int, Field(ge=1, le=3650)] = 90
    health_days: Annotated[int, Field(ge=1, le=3650)] = 30

    @property
    def policy(self) -> Policy:
        return Policy(**self.model_dump())

    @property
    def remembered_s(self) -> int:
        """For how long every row is certainly held: the shortest months there are."""
        return self.observations_months * 28 * 86_400


class Enrolment(Table):
    """Where devices enrol and renew over HTTPS: off without `url`, which is also what installers are told.

    `authority_dir` holds the root's key: without it, below the service's state directory.
    """

    url: Annotated[str, Field(max_length=300)] = ""
    host: str = "0.0.0.0"  # noqa: S104 - it is there for strangers
    port: Annotated[int, Field(ge=0, le=65535)] = 8443
    authority_dir: str = ""

    @field_validator("url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        if value and not re.fullmatch(r"https://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?", value):
            raise ValueError('write it as "https://hq.example.com:8443", without a path')
        return value

    @property
    def name(self) -> str:
        """The host of the URL, for which the listener's certificate is made."""
        return (urlsplit(self.url).hostname or "") if self.url else ""


class Broker(Table):
    """What `broker-config` writes: for a broker reached by `names`, into `folder`; port 0 is no such listener.

    With a folder each change of the registry is written there, and `pid` (a number or a file) is told by SIGHUP.
    """

    names: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")], ...], Field(max_length=16)] = ()
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    password_port: Annotated[int, Field(ge=0, le=65535)] = 0
    loopback_port: Annotated[int, Field(ge=0, le=65535)] = 0
    folder: str = ""
    pid: str = ""


class Log(Table):
    """From which level up lines are written."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Table):
    """The whole of receiver.toml."""

    receiver: Receiver
    mqtt: Mqtt
    database: Database = Database()
    limits: Limits = Limits()
    retention: Retention = Retention()
    enrolment: Enrolment = Enrolment()
    broker: Broker = Broker()
    monitor: Monitor = Monitor()
    log: Log = Log()


class Configuration(NamedTuple):
    """Checked settings, and the file they came from."""

    file: Path
    settings: Settings

    def place(self, *key: str) -> str:
        """Where a key stands, as errors of the file itself say it: FILE:LINE: KEY."""
        line = lines_of(self.file.read_text(encoding="utf-8")).get(key)
        return ":".join([str(self.file), *([str(line)] if line else []), f" {'.'.join(key)}"])

    def beside(self, name: str) -> Path:
        """A file named in the settings: one of systemd's credentials, else beside the configuration."""
        return named_file(self.file, name)

    @property
    def data_dir(self) -> Path:
        """Where our own PostgreSQL keeps its data: as set, else the service's state directory, else the user's.

        Root has no home that `nobody` may enter, so root's is where Debian keeps such things.
        """
        if self.settings.database.data_dir:
            return self.beside(self.settings.database.data_dir)
        if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
            return Path(given, "postgresql")
        if os.geteuid() == 0:
            return Path("/var/lib/footfall-receiver")
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state", "footfall-receiver")

    @property
    def worker(self) -> str:
        """This receiver's name among those of the tenant: as set, else the machine's."""
        host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).strip("-._")[:48]
        return self.settings.receiver.worker or host or "main"

    @property
    def authority_dir(self) -> Path:
        """Where the certificate authority is: as set, else in the service's state directory, else in the user's."""
        if self.settings.enrolment.authority_dir:
            return self.beside(self.settings.enrolment.authority_dir)
        given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        if given or self.file.absolute().parent == INSTALLED:
            return Path(given or "/var/lib/footfall-receiver", "authority")
        if os.geteuid() == 0:
            return Path("/var/lib/footfall-authority")
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state", "footfall-authority")

    @property
    def broker_folder(self) -> Path | None:
        """Where the broker's rights are written at each change of the registry."""
        folder = self.settings.broker.folder
        return self.beside(folder) if folder else None

    @property
    def password(self) -> str:
        """The broker's password, also from systemd's credentials.

        Raises:
            ConfigurationError: the file is not there or not readable.
        """
        name = self.settings.mqtt.password_file
        return read_secret(self.file, name) if name else ""


def read_configuration(file: Path) -> Configuration:
    """The configuration; nothing is opened but files.

    Raises:
        ConfigurationError: all that is wrong.
    """
    return Configuration(file, load(file, Settings))
