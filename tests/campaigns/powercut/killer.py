"""`python -m tests.campaigns.powercut.killer AT LIST COMMAND…`: SIGKILL before the so-manieth write, sync or send.

A seccomp filter stops the command at these system calls alone and ptrace says which one it is, so all threads are
counted together and the call that is due does not happen. strace counts each system call and thread by itself: asked
for the fifth of `pwrite64,fdatasync` it kills at the fifth pwrite64 and never at an fdatasync, whose fifth comes later.
Every call is one line of LIST; with AT 0 nothing is killed. The exit status is the command's, 137 where it was killed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

X86 = {
    "write": 1,
    "pwrite64": 18,
    "writev": 20,
    "sendto": 44,
    "sendmsg": 46,
    "fsync": 74,
    "fdatasync": 75,
    "ftruncate": 77,
    "rename": 82,
    "unlink": 87,
    "unlinkat": 263,
    "renameat": 264,
    "pwritev": 296,
}
ARM = {
    "unlinkat": 35,
    "renameat": 38,
    "ftruncate": 46,
    "write": 64,
    "writev": 66,
    "pwrite64": 68,
    "pwritev": 70,
    "fsync": 82,
    "fdatasync": 83,
    "sendto": 206,
    "sendmsg": 211,
    "renameat2": 276,
}
NUMBERS = {"x86_64": X86, "aarch64": ARM}.get(platform.machine(), {})
CALLS = {number: name for name, number in NUMBERS.items()}
BY_PATH = {"rename", "unlink", "unlinkat", "renameat", "renameat2"}  # the first argument is no descriptor

# <linux/ptrace.h>, <linux/prctl.h>, <linux/seccomp.h>, <linux/filter.h>
TRACEME, CONT, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 0x4200, 0x420E
FOLLOW = 2 | 4 | 8 | 16 | 128  # fork, vfork, clone, exec, seccomp
EXITKILL = 1 << 20
EVENT_SECCOMP = 7
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
TRACE, ALLOW = 0x7FF00000, 0x7FFF0000
WAIT_ALL = 0x40000000  # threads too
KILLED = 128 + signal.SIGKILL

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Victim:
    """The command with all its threads and children, stopped at each call that counts."""

    def __init__(self, command: list[str], at: int, told: IO[str]) -> None:
        self._at, self._told, self._calls = at, told, 0
        self._born: set[int] = set()
        self.pid = os.fork()
        if not self.pid:
            _become(command)

    def live(self) -> int:
        """Until it ends; its exit status, or the signal below nothing."""
        os.waitpid(self.pid, 0)
        _ptrace(SETOPTIONS, self.pid, FOLLOW | EXITKILL)
        _ptrace(CONT, self.pid, 0)
        self._born.add(self.pid)
        while True:
            pid, status = os.waitpid(-1, WAIT_ALL)
            if not os.WIFSTOPPED(status):
                if pid == self.pid:
                    return os.waitstatus_to_exitcode(status)
                continue
            with suppress(ProcessLookupError):  # killed meanwhile
                _ptrace(CONT, pid, self._stopped(pid, status))

    def _stopped(self, pid: int, status: int) -> int:
        """What happened to it; the signal that it is to get."""
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == EVENT_SECCOMP:
            self._called(pid)
        if event:
            return 0
        if number == signal.SIGSTOP and pid not in self._born:  # how a new thread shows itself
            self._born.add(pid)
            return 0
        return number

    def _called(self, pid: int) -> None:
        found = ctypes.create_string_buffer(96)
        _ptrace(GET_SYSCALL_INFO, pid, ctypes.addressof(found), len(found))
        number, first, _, length = struct.unpack_from("4Q", found.raw, 24)
        call = CALLS[number]
        if call not in BY_PATH and first in (1, 2):
            return  # its log
        if call == "sendto" and length == 1:
            return  # the event loop wakes itself
        self._calls += 1
        print(f"{self._calls} {call} {'' if call in BY_PATH else _file(pid, first)}".rstrip(), file=self._told)
        if self._calls == self._at:
            os.kill(self.pid, signal.SIGKILL)


def _become(command: list[str]) -> None:
    """In the child: wait for the tracer, let nothing unseen through, and turn into the command."""
    _ptrace(TRACEME, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    steps = [struct.pack("HBBI", LOAD, 0, 0, 0)]
    for left, number in zip(range(len(CALLS), 0, -1), CALLS, strict=True):
        steps.append(struct.pack("HBBI", JUMP_IF_EQUAL, left, 0, number))
    steps += [struct.pack("HBBI", RETURN, 0, 0, verdict) for verdict in (ALLOW, TRACE)]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, program, 0, 0):
        os._exit(125)
    os.execvp(command[0], command)  # noqa: S606 - no shell on purpose


def _ptrace(request: int, pid: int, data: int, address: int = 0) -> None:
    if libc.ptrace(request, pid, address, data) < 0:
        problem = ctypes.get_errno()
        raise OSError(problem, f"ptrace: {os.strerror(problem)}")


def _file(pid: int, descriptor: int) -> str:
    with suppress(OSError):
        name = str(Path(f"/proc/{pid}/fd/{descriptor}").readlink())
        if not name.startswith("socket:"):
            return Path(name).name
        return "to TCP" if name[8:-1] in Path(f"/proc/{pid}/net/tcp").read_text().split() else "to a local socket"
    return ""


def main(at: int, told: str, command: list[str]) -> int:
    """The command's exit status, as the shell would tell it."""
    with Path(told).open("w", buffering=1) as file:
        victim = Victim(command, at, file)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the command, of the same group, has it and decides
        status = victim.live()
    return status if status >= 0 else KILLED - signal.SIGKILL - status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
