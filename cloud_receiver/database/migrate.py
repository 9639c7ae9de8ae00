"""Brings a database to the newest numbered migration: to it whole or, when killed, not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from sqlalchemy import Connection


async def migrate(url: str) -> None:
    """Run what is missing. Safe to call from several workers at once."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # asyncpg reads the URL itself: SQLAlchemy would not understand what else it may say, such as sslmode.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


async def reach(url: str) -> None:
    """Have the database answer once."""
    connection = await asyncpg.connect(url, timeout=10)
    await connection.close()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
