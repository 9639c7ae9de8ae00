"""What the agent's configuration may say; read and checked as a whole before anything opens a socket."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from agent.addresses import check_senders
from agent.contract.layout import Layout, valid_at
from agent.contract.topics import HQ
from agent.contract.wire import Name
from agent.drivers.reading.brands import brands
from agent.enrol.identity import CURRENT
from agent.fields import checked_address, checked_broker, checked_time_zone, checked_topic
from agent.foundation.bounds import refusal
from agent.foundation.positions import lines_of
from agent.foundation.tables import BrokerTable, Port, Table, checked_host
from agent.foundation.toml import ConfigurationError, load, named_file, read_secret
from agent.foundation.trust import is_loopback
from agent.runtime.actions import Alerts
from agent.versions import versions

DISK_FAILED = 74  # exit status, sysexits' EX_IOERR: something could not be written; systemd starts us again
WRONG_CONFIGURATION = 78  # exit status, sysexits' EX_CONFIG: systemd does not restart on it

INSTALLED = Path("/etc/footfall")  # where the unit's configuration is


def _known_brand(text: str) -> str:
    if text not in brands():
        raise ValueError(f"there is no driver {text!r}; there are: {', '.join(brands())}")
    return text


def _not_hq(text: str) -> str:
    if text == HQ:
        raise ValueError(f"{HQ} is the name of headquarters' own branch")
    return text


Segment = Annotated[Name, AfterValidator(_not_hq)]


class Store(Table):
    """Which store this is. `layout` is a file beside this one, or a folder with a file for each version of it."""

    tenant: Segment
    id: Segment
    layout: str = "layout.toml"


class Identity(Table):
    """Who this device is towards headquarters; also its user name at the broker unless [mqtt] gives another."""

    id: Segment


class Buffer(Table):
    """Where numbers wait. Without a path: the service's state directory. Two weeks of 16 cameras take 0.5 GB."""

    path: str = ""
    cap_mb: Annotated[int, Field(ge=16, le=1024 * 1024)] = 2048

    @property
    def cap_bytes(self) -> int:
        return self.cap_mb * 1024 * 1024


class Mqtt(BrokerTable):
    """The broker; `every` is the pause between fresh batches in seconds.

    After an outage a store comes back within `reconnect_cap` seconds and sends its backlog again after at most
    `resend_jitter` more: thousands of stores come back at once when a line is mended.
    """

    every: Annotated[float, Field(gt=0, le=3600)] = 1.0
    reconnect_cap: Annotated[float, Field(gt=0, le=3600)] = 300.0
    resend_jitter: Annotated[float, Field(ge=0, le=300)] = 30.0


class Page(Table):
    """The local status page. It is for this machine alone until `host` says otherwise; port 0 takes a free one.

    It answers to every address, `localhost`, the machine's name and that name in `.local`; `names` adds others.
    With a PIN alerts can be taken on there; it stands on the device's label, six characters at least.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    pin_file: str = ""
    names: tuple[Annotated[str, AfterValidator(checked_host)], ...] = ()


class Push(Table):
    """Where cameras that send their counts find this agent; the port opens only where a sensor has a secret.

    `broker` is where those that send over MQTT publish; without it, the broker of [mqtt].
    """

    host: str = "0.0.0.0"  # noqa: S104 - cameras are on the store's network, and each needs its secret
    port: Annotated[int, Field(ge=0, le=65535)] = 8090
    broker: Annotated[str, AfterValidator(checked_broker)] = ""
    broker_port: Port = 1883
    broker_username: str = ""
    broker_password_file: str = ""


class Sent(Table):
    """How a camera's messages come in: over HTTP with a secret, or over MQTT with a topic.

    `every`: so many seconds lie between two messages; it is silent when three are missing. 0: nobody knows.
    """

    secret_file: str = ""
    topic: Annotated[str, AfterValidator(checked_topic)] = ""
    every: Annotated[int, Field(ge=0, le=86400)] = 0


class History(Table):
    """How many days of a camera's memory the first start fetches, and the seconds it rests after each request."""

    days: Annotated[int, Field(ge=0, le=366)] = 7
    pause: Annotated[float, Field(ge=0, le=60)] = 0.5


class Kernels(Table):
    """Compiled by numba, or plain Python where memory is short: 100 MB less, the same numbers."""

    mode: Literal["numba", "python"] = "numba"


class Log(Table):
    """From which level up lines are written."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Cameras(Table):
    """Where cameras may be. `loopback` lets in those on this very machine, which only simulated ones are."""

    loopback: bool = False


class Sensor(Table):
    """One camera. `zone` is its clock's time zone where that is not the store's; `options` are its brand's own."""

    id: Name
    driver: Annotated[str, AfterValidator(_known_brand)]
    address: Annotated[str, AfterValidator(checked_address)]
    zone: Annotated[str, AfterValidator(checked_time_zone)] | None = None
    username: str = ""
    password_file: str = ""
    installed: date | None = None
    push: Sent = Sent()
    options: dict[str, Any] = Field(default_factory=dict)


class Sensors(Table):
    """A file of sensors alone, as the samples of the brands are."""

    sensor: Annotated[tuple[Sensor, ...], Field(min_length=1, max_length=256)]


class Settings(Sensors):
    """The whole of agent.toml."""

    store: Store
    device: Identity
    mqtt: Mqtt
    buffer: Buffer = Buffer()
    page: Page = Page()
    cameras: Cameras = Cameras()
    push: Push = Push()
    history: History = History()
    kernels: Kernels = Kernels()
    log: Log = Log()
    alerts: Alerts = Alerts()

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        twice = [name for name, times in Counter(sensor.id for sensor in self.sensor).items() if times > 1]
        if twice:
            raise ValueError(f"more than one [[sensor]] has the id {', '.join(twice)}")
        return self


class Configuration(NamedTuple):
    """Settings and layout as one checked whole, and the file they came from."""

    file: Path
    settings: Settings
    layout: Layout  # the version that holds now
    versions: tuple[Layout, ...] = ()  # all of them, where there are several

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """Every version of the layout."""
        return self.versions or (self.layout,)

    def named(self, name: str) -> Path:
        """A key or certificate named in the settings, which systemd may have put into its credentials directory."""
        return named_file(self.file, name)

    def beside(self, name: str) -> Path:
        """A file named in the settings; relative names count from the configuration's own folder."""
        return self.file.parent / name

    def secret(self, name: str) -> str:
        """The first line of a password file, which systemd may have put into its credentials directory.

        Raises:
            ConfigurationError: the file is not there or not readable.
        """
        return read_secret(self.file, name) if name else ""

    def check_files(self) -> None:
        """Whether every file that the settings name can be read.

        Raises:
            ConfigurationError: a line for each that cannot.
        """
        mqtt = self.settings.mqtt
        secrets = [mqtt.password_file, self.settings.push.broker_password_file]
        secrets += [name for sensor in self.settings.sensor for name in (sensor.password_file, sensor.push.secret_file)]
        secrets += [self.settings.page.pin_file]
        secrets += [name for hook in self.settings.alerts.webhook for name in (hook.secret_file, hook.ca_file)]
        wrong = []
        for name in dict.fromkeys([*secrets, mqtt.ca_file, mqtt.cert_file, mqtt.key_file]):
            try:
                self.secret(name)
            except ConfigurationError as error:
                wrong.append(str(error))
        if wrong:
            raise ConfigurationError("\n".join(wrong))

    def check_line(self) -> None:
        """Whether what leaves this machine is encrypted.

        Raises:
            ConfigurationError: the broker is on another machine, and there is neither ca_file nor an enrolment.
        """
        mqtt = self.settings.mqtt
        if mqtt.ca_file or is_loopback(mqtt.host) or (self.identity_path / CURRENT).is_dir():
            return
        at = lines_of(self.file.read_text(encoding="utf-8-sig")).get(("mqtt", "host"), 1)
        raise ConfigurationError(
            f"{self.file}:{at}: mqtt.host: {mqtt.host} is another machine, so the line needs TLS — enrol this device"
            " (footfall-agent enrol URL --code CODE), or set ca_file to the authority of the broker's certificate"
        )

    def zone_of(self, sensor: Sensor) -> ZoneInfo:
        """The time zone of a sensor's clock."""
        return ZoneInfo(sensor.zone) if sensor.zone else self.layout.zone_info

    @property
    def buffer_path(self) -> Path:
        """The buffer's file: as set, else in the service's state directory, else in the user's."""
        if self.settings.buffer.path:
            return self.beside(self.settings.buffer.path)
        user = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state", "footfall")
        return (self._of_unit("STATE_DIRECTORY", "/var/lib/footfall") or user) / f"{self.settings.device.id}.db"

    @property
    def socket_path(self) -> Path:
        """The socket on which the running agent answers its command line."""
        given = self._of_unit("RUNTIME_DIRECTORY", "/run/footfall")
        return given / "agent.sock" if given else self.buffer_path.with_suffix(".sock")

    @property
    def identity_path(self) -> Path:
        """The folder of the key and certificate that enrolment brought; its settings in [mqtt] go before it."""
        return self.buffer_path.with_suffix(".identity")

    def _of_unit(self, variable: str, usual: str) -> Path | None:
        """The unit's directory: systemd tells the service; whoever else reads the unit's configuration must know it."""
        given = os.environ.get(variable, "").partition(":")[0] or (usual if self.file.parent == INSTALLED else "")
        return Path(given) if given else None


def refused_addresses(settings: Settings) -> dict[int, str]:
    """The sensors, by their place in the list, whose address may be none, and why.

    Names are judged when they are resolved, each time anew.
    """
    found = {}
    for number, sensor in enumerate(settings.sensor):
        host = sensor.address if sensor.address.endswith("]") else sensor.address.rsplit(":", 1)[0]
        if why := refusal(host, loopback=settings.cameras.loopback):
            found[number] = why
    return found


def check_addresses(found: Configuration) -> None:
    """Whether every camera's address may be one.

    Raises:
        ConfigurationError: a line for each that may not.
    """
    if wrong := refused_addresses(found.settings):
        at = lines_of(found.file.read_text(encoding="utf-8-sig"))
        lines = {number: at.get(("sensor", number, "address"), 1) for number in wrong}
        raise ConfigurationError(
            "\n".join(f"{found.file}:{lines[number]}: sensor.{number}.address: {why}" for number, why in wrong.items())
        )


def check_sensors(found: Configuration) -> None:
    """Whether the layout says what the lines and regions of every sensor mean.

    Raises:
        ConfigurationError: it does not know one of them.
    """
    settings, file = found.settings, found.file
    unknown = sorted({sensor.id for sensor in settings.sensor} - {sensor.id for sensor in found.layout.sensor})
    if unknown:
        layout = found.beside(settings.store.layout)
        raise ConfigurationError(
            f"{layout}: no [[sensor]] with the id {', '.join(unknown)}, which {file.name} has — what its lines and"
            " regions mean must be said there"
        )


def read_configuration(file: Path, *, with_files: bool = False) -> Configuration:
    """Settings and layout, each checked by itself and against each other; nothing is opened but files.

    `with_files` also reads what the settings name: who asks for the status may not be allowed to read passwords.

    Raises:
        ConfigurationError: all that is wrong.
    """
    settings = load(file, Settings)
    layouts = versions(file.parent / settings.store.layout)
    found = Configuration(file, settings, valid_at(layouts, time.time()), layouts)
    check_addresses(found)
    check_sensors(found)
    if with_files:
        found.check_line()
        found.check_files()
        check_senders(found)
    return found
