"""Our own PostgreSQL touches nothing outside its folder."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from cloud_receiver.database.server import Server, ServerError, programs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(90)


def permissions(*roots: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of each root, of its parents and of all that is in it."""
    found = {path for root in roots for path in (root, *root.parents, *root.rglob("*"))}
    return {str(path): (s.st_mode, s.st_uid, s.st_gid) for path in found if (s := path.lstat())}


def users() -> list[str]:
    return sorted(entry.pw_name for entry in pwd.getpwall())


async def test_no_permission_outside_the_folder_changes_and_no_user_is_made(folder):
    """Also as root, for whom the wheel's own interface would do both."""
    beside = folder / "beside"
    beside.mkdir(mode=0o711)
    wheel = programs().parents[1]
    before = permissions(beside, wheel), users()
    server = Server(beside / "hq")
    try:
        await server.start()
        during = permissions(wheel), users()
    finally:
        await server.stop()

    assert {name: mode for name, mode in permissions(beside, wheel).items() if "/beside/hq" not in name} == before[0]
    assert (during[0].items() <= before[0].items(), during[1]) == (True, before[1])
    assert stat.S_IMODE((beside / "hq").stat().st_mode) == 0o700


async def test_only_its_owner_reaches_the_database(folder):
    """No port is open and the socket lies in a folder that others may not enter."""
    server = Server(folder / "private")
    try:
        await server.start()
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SHOW listen_addresses") == ""
        await connection.close()
        assert stat.S_IMODE((folder / "private").stat().st_mode) == 0o700
        owner = psutil.Process(server.pid).uids().effective
        assert owner == (folder / "private").stat().st_uid
        assert owner != 0
    finally:
        await server.stop()


async def test_a_folder_whose_name_is_too_long_for_a_socket_works(folder):
    """The socket then lies elsewhere, in a folder as private, which goes when the server stops."""
    server = Server(folder / ("long" * 25))
    try:
        await server.start()
        sockets = folder.joinpath(server.url.partition("host=")[2])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        await (await asyncpg.connect(server.url)).close()
    finally:
        await server.stop()
    assert not sockets.exists()


async def test_a_kill_while_the_data_is_made_leaves_nothing_half_made(folder):
    """The next start begins again."""
    server = Server(folder / "half")
    making = asyncio.create_task(server.start())
    while not (folder / "half/data.new").exists():  # noqa: ASYNC110 - initdb sets no event of ours
        await asyncio.sleep(0.001)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    assert not (folder / "half/data").exists()
    try:
        await server.start()
    finally:
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as somebody else")
async def test_as_root_a_closed_parent_is_told_not_opened(folder):
    """The error names the folder and the remedy."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServerError, match=r"may not enter .*closed"):
        await Server(closed / "hq").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


async def test_a_link_in_place_of_the_folder_is_not_followed(folder):
    """Whoever else may write beside it cannot make us take their folder."""
    (folder / "target").mkdir()
    (folder / "trap").symlink_to(folder / "target")
    with pytest.raises(ServerError, match="no folder of ours"):
        await Server(folder / "trap").start()
