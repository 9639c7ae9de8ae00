"""The last configuration that ran: a store keeps counting when somebody saves a wrong one."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from agent.contract.layout import valid_at
from agent.foundation.toml import ConfigurationError, load
from agent.settings import Configuration, Settings, read_configuration
from agent.versions import versions

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
            settings, layouts = load(kept / SETTINGS, Settings), versions(kept / LAYOUT)
            layout = valid_at(layouts, time.time())
            Configuration(kept / SETTINGS, settings, layout).check_line()
        except ConfigurationError:
            raise wrong from None
        # Its other files are still named from the original's folder.
        return Configuration(file, settings, layout, layouts), str(wrong)


def keep(configuration: Configuration) -> None:
    """Keep what now runs; a folder that cannot be written only means that there is no way back."""
    folder, layout = place(configuration.file), configuration.beside(configuration.settings.store.layout)
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for source, name in ((layout, LAYOUT), (configuration.file, SETTINGS)):
            _copy(source, folder / name)


def _copy(source: Path, to: Path) -> None:
    """A file, or a folder with the versions of a layout, so that there is always a whole one."""
    part = to.with_name(f"{to.name}.part")
    if to.is_dir() != source.is_dir() or source.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(to, ignore_errors=True)
        to.unlink(missing_ok=True)
    if source.is_dir():
        part.mkdir()
        for version in source.glob("*.toml"):
            (part / version.name).write_bytes(version.read_bytes())
    else:
        part.write_bytes(source.read_bytes())
    part.replace(to)
