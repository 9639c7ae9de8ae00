"""Brings a database to the newest numbered migration: to it whole or, when killed, not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from sqlalchemy import Connection


class NewerSchema(Exception):
    """The tables are of a later version than this one; the text says what to do."""


async def migrate(url: str) -> None:
    """Run what is missing. Safe to call from several workers at once.

    Raises:
        NewerSchema: a later version was here before.
        ConnectionError: the database went away meanwhile; nothing of the step under way is left.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # asyncpg reads the URL itself: SQLAlchemy would not understand what else it may say, such as sslmode. And it
    # connects first: what SQLAlchemy makes of a refusal no longer tells whether it passes by itself.
    given = await asyncpg.connect(url, timeout=10)

    async def connected() -> asyncpg.Connection[asyncpg.Record]:
        return given

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connected, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    except DBAPIError as problem:
        if problem.connection_invalidated:
            raise ConnectionError(str(problem.orig)) from None
        raise
    finally:
        await engine.dispose()
        given.terminate()


async def reach(url: str) -> None:
    """Have the database answer once."""
    connection = await asyncpg.connect(url, timeout=10)
    await connection.close()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    there = MigrationContext.configure(connection).get_current_revision()
    if there and there not in known:
        raise NewerSchema(
            f"the database is of a newer Footfall: its tables are at step {there}, this receiver knows up to"
            f" {known[0]}. Install that version here; nothing was changed."
        )
    command.upgrade(config, "head")
