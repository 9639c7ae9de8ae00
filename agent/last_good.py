"""The last configuration that ran: a store keeps counting when somebody saves a wrong one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from agent.contract.layout import Layout
from agent.foundation.toml import ConfigurationError, load
from agent.settings import Configuration, Settings, read_configuration

SETTINGS, LAYOUT = "agent.toml", "layout.toml"


def place(file: Path) -> Path:
    """Where the copies are: the service's state directory, else hidden beside the configuration."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given, "last-good") if given else file.parent / ".last-good"


def choose(file: Path) -> tuple[Configuration, str]:
    """The configuration to run, and what is wrong with the newest one (empty when nothing).

    Raises:
        ConfigurationError: it is wrong, and no earlier one ever ran.
    """
    try:
        return read_configuration(file, with_files=True), ""
    except ConfigurationError as wrong:
        kept = place(file)
        if not (kept / SETTINGS).exists():
            raise
        try:
            settings, layout = load(kept / SETTINGS, Settings), load(kept / LAYOUT, Layout)
            Configuration(kept / SETTINGS, settings, layout).check_line()
        except ConfigurationError:
            raise wrong from None
        # Its other files are still named from the original's folder.
        return Configuration(file, settings, layout), str(wrong)


def keep(configuration: Configuration) -> None:
    """Keep what now runs; a folder that cannot be written only means that there is no way back."""
    folder, layout = place(configuration.file), configuration.beside(configuration.settings.store.layout)
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for source, name in ((layout, LAYOUT), (configuration.file, SETTINGS)):
            part = folder / f"{name}.part"
            part.write_bytes(source.read_bytes())
            part.replace(folder / name)
