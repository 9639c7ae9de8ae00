"""Writes a camera into agent.toml and its layout: a table at the end of each, what stands there stays as it is."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.contract.layout import Layout
from agent.foundation.files import write_file
from agent.foundation.toml import ConfigurationError
from agent.settings import Configuration, Settings, check_sensors, refused_addresses

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent.settings import Sensor


def add_camera(found: Configuration, sensor: Sensor, role: str, places: Collection[str], password: str = "") -> str:
    """Write all that a new camera needs, and say in words what was written.

    `places` are the lines and regions that it told of; the password goes into a file of its own that only the
    agent's user can read. The layout comes first: what it knows without a camera harms nobody.

    Raises:
        ConfigurationError: the configuration would be wrong with it; nothing was written.
    """
    layout = found.beside(found.settings.store.layout)
    settings_text = found.file.read_text(encoding="utf-8-sig")
    layout_text = layout.read_text(encoding="utf-8-sig")
    known = any(one.id == sensor.id for one in found.layout.sensor)
    new_layout = layout_text if known else _after(layout_text, _meaning(sensor.id, role, places))
    new_settings = _after(settings_text, _table(sensor))
    _check(found, new_settings, new_layout)
    written = [str(found.file)]
    if password:
        write_file(found.beside(sensor.password_file), f"{password}\n")
        written.append(sensor.password_file)
    if not known:
        write_file(layout, new_layout, layout.stat().st_mode & 0o777)
        written.append(layout.name)
    write_file(found.file, new_settings, found.file.stat().st_mode & 0o777)
    return f"{sensor.id} is written into {', '.join(written)}."


def _check(found: Configuration, settings_text: str, layout_text: str) -> None:
    try:
        settings = Settings.model_validate(tomllib.loads(settings_text))
        layout = Layout.model_validate(tomllib.loads(layout_text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{where or found.file}: {first['msg']}; nothing was written") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{found.file}: a table cannot be put at its end ({error}); nothing was written. Write [[sensor]] tables,"
            " not sensor = [...]"
        ) from None
    for why in refused_addresses(settings).values():
        raise ConfigurationError(f"{why}; nothing was written")
    check_sensors(Configuration(found.file, settings, layout))


def _table(sensor: Sensor) -> str:
    lines = ["[[sensor]]", f"id = {_text(sensor.id)}", f"driver = {_text(sensor.driver)}"]
    lines.append(f"address = {_text(sensor.address)}")
    if sensor.zone:
        lines.append(f"zone = {_text(sensor.zone)}")
    if sensor.username:
        lines.append(f"username = {_text(sensor.username)}")
    if sensor.password_file:
        lines.append(f"password_file = {_text(sensor.password_file)}")
    if sensor.installed:
        lines.append(f"installed = {sensor.installed.isoformat()}")
    if sensor.options:
        lines += ["", "[sensor.options]"]
        lines += [f"{name} = {_text(value)}" for name, value in sensor.options.items()]
    return "\n".join(lines)


def _meaning(sensor: str, role: str, places: Collection[str]) -> str:
    """What the layout says of it: its lines lead in and out of the store until somebody says better."""
    lines = ["[[sensor]]", f"id = {_text(sensor)}", f"role = {_text(role)}"]
    for kind in ("line", "region"):
        numbers = sorted(int(place.partition(":")[2]) for place in places if place.startswith(f"{kind}:"))
        for number in numbers:
            lines += ["", f"[[sensor.{kind}]]", f"number = {number}"]
            lines += ['role = "entrance"' if role == "entrance" else 'role = "internal"'] if kind == "line" else []
    return "\n".join(lines)


def _after(text: str, table: str) -> str:
    return f"{text.rstrip()}\n\n{table}\n"


def _text(value: object) -> str:
    """A TOML value; JSON's escapes of a string are TOML's too."""
    return json.dumps(value, ensure_ascii=False)
