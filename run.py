#!/usr/bin/env python3
"""Runs Footfall from a checkout: makes the environment, then the demo, the tests, the benchmarks or the tools.

Standard library only, and syntax that an old Python can read as far as the sentence that says it is too old.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - whoever meets it has the old Python
    sys.exit(
        f"Footfall needs Python 3.11 or later; this is {platform.python_version()}.\n"
        "  Debian 12, Raspberry Pi OS 12 and later have it:  sudo apt-get install python3 python3-venv"
    )

HERE = Path(__file__).resolve().parent
MARKER = "made-by-footfall-run.txt"  # an environment without it is somebody else's and is never touched
PROGRAMS = {  # with the extra whose dependencies each needs, below tests/
    "demo": ("demo", "rig/demo.py"),
    "chaos": ("dev", "campaigns/chaos.py"),
    "offline": ("dev", "campaigns/offline.py"),
    "fleet": ("dev", "campaigns/fleet.py"),
    "powercut": ("dev", "campaigns/powercut/run.py"),
    "truth": ("dev", "replay/table.py"),
    "fuzz": ("fuzz", "campaigns/fuzzing/run.py"),
    "bench": ("dev", "benchmarks/bench.py"),
}
CONTAINED_IN = {"demo": ("dev", "fuzz"), "dev": ("fuzz",)}  # extras that have all that another has
# The whole suite by two at a time, since half of it waits for processes of its own; by file, each with its servers, and
# in their order: the campaigns, which take the longest, come first.
BY_TWO = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "agent", "cloud_receiver")

USAGE = """\
usage: python3 run.py COMMAND [ARGUMENTS]

  demo      a simulated store: cameras, agent, outage, broker, receiver, PostgreSQL, reconciliation
            [--once] [--json PATH] [--kill agent,broker,receiver,database] [--no-mosquitto]
  test      the whole test suite, two tests at a time [arguments of pytest: then one after the other]
  chaos     kill agent, broker, receiver and database again and again on bad lines; nothing may be lost
            [--kills N] [--seed S] [--workers N] [--restore] [--json] [--keep]
  offline   a store comes back after a month offline; fresh numbers must not wait for the old
            [--days N] [--json] [--keep]
  fleet     thousands of simulated devices on one receiver, one that floods, hundreds that return at once
            [--devices N] [--stores N] [--backlog N] [--every S] [--seconds S] [--json] [--keep]
  powercut  crash states from recorded writes, kills at every write and send, cuts of a real file system, flipped bits
            [--states N] [--cuts N] [--flips N] [--life agent|receiver|buffer|migration|salvage|none]
            [--every N] [--first N] [--lives N] [--seed S] [--json]
  truth     what the replay of recorded history tells, beside what is known [--short] [--json]
  fuzz      every reader of foreign bytes, guided by coverage (atheris); nothing may crash or take a second
            [--seconds N] [--runs N] [--only READER] [--folder PATH] [--json]
  bench     speed and size beside the limits measured in the same run [--json]
  lint      ruff format --check, ruff check, mypy
  documents AsyncAPI and JSON Schemas of the wire, made afresh from the models
  agent     footfall-agent from this checkout [its arguments]
  receiver  footfall-receiver from this checkout [its arguments]

The environment is made once, with uv where it is there, else with venv and pip. FOOTFALL_ENV names another place.
"""


class Stop(Exception):
    """What is missing and how to get it; shown without a trace back."""


# ---- where the environment is


def environment_path() -> Path:
    """FOOTFALL_ENV, else for root a folder whose parents are open, else .venv here, else the user's cache.

    As root the PostgreSQL wheel runs its server as another user, who must be able to enter every parent, and it
    opens parents that are closed: so not below a home directory.
    """
    if os.environ.get("FOOTFALL_ENV"):
        return Path(os.environ["FOOTFALL_ENV"]).expanduser().absolute()
    checkout = hashlib.sha256(str(HERE).encode()).hexdigest()[:8]
    if os.geteuid() == 0:
        return _own_folder(Path("/var/tmp/footfall-0")) / f"env-{checkout}"  # noqa: S108 - checked to be ours
    beside = HERE / ".venv"
    if os.access(HERE, os.W_OK) and (not beside.exists() or (beside / MARKER).exists()):
        return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "footfall" / f"env-{checkout}"


def _own_folder(folder: Path) -> Path:
    """The folder, made if need be; /var/tmp is everybody's, so somebody else may have put a trap there."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o755)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Stop(f"{folder} is not a folder of this user; remove it, or name another place: FOOTFALL_ENV=/path")
    if stat.S_IMODE(found.st_mode) != 0o755:  # noqa: PLR2004 - rwxr-xr-x, whatever the umask said
        folder.chmod(0o755)
    return folder


# ---- making it


def environment(extra: str) -> Path:
    """The environment's Python, with the dependencies of this extra installed."""
    env = environment_path()
    python = env / "bin" / "python"
    if python.exists() and not (env / MARKER).exists():
        return python  # named by FOOTFALL_ENV and made by somebody else: used as it is
    env.parent.mkdir(parents=True, exist_ok=True)
    with _alone(env.parent):
        stamp = _stamp()
        made = (env / MARKER).read_text().split() if (env / MARKER).exists() else []
        if made[:1] != [stamp] or not {extra, *CONTAINED_IN.get(extra, ())} & set(made[1:]):
            print(f"Making the environment (once) in {env} …", flush=True)
            if made[:1] != [stamp]:
                _make(env, stamp)
            _install(env, extra)
            (env / MARKER).write_text(f"{stamp} {extra}\n")
    return python


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time, with permissions that let PostgreSQL's own user in whatever the umask says."""
    umask = os.umask(0o022)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
        os.umask(umask)


def _stamp() -> str:
    """Changes when the environment must be made anew: other dependencies, another Python, another checkout."""
    told = [(HERE / "pyproject.toml").read_text(), sys.version, platform.machine(), sys.prefix, str(HERE)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _make(env: Path, stamp: str) -> None:
    if env.exists():
        if not (env / MARKER).exists() and any(env.iterdir()):
            raise Stop(f"{env} is not empty and was not made by run.py; remove it or name another place: FOOTFALL_ENV")
        shutil.rmtree(env)
    if _uv():
        _run(_uv(), "venv", "--quiet", "--python", sys.executable, str(env))
    elif _has("ensurepip"):
        _run([sys.executable, "-m", "venv", str(env)])
    elif _has("pip"):
        _run([sys.executable, "-m", "venv", "--without-pip", str(env)])
    else:
        raise Stop(
            "This Python can neither make environments nor install: pip and ensurepip are missing.\n"
            "  Debian, Ubuntu, Raspberry Pi OS:  sudo apt-get install python3-venv\n"
            "  anywhere:                         install uv (docs.astral.sh/uv)"
        )
    (env / MARKER).write_text(f"{stamp}\n")


def _install(env: Path, extra: str) -> None:
    python = str(env / "bin" / "python")
    if _uv():
        install = [*_uv(), "pip", "install", "--quiet", "--python", python]
    elif (env / "bin" / "pip").exists():
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    else:
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-input"]
    if os.access(HERE, os.W_OK):
        _run([*install, "--editable", f"{HERE}[{extra}]"])
        return
    with tempfile.TemporaryDirectory() as copy:  # building writes beside the sources, which this user may not
        for name in PACKAGED:
            source = HERE / name
            shutil.copytree(source, Path(copy, name)) if source.is_dir() else shutil.copy(source, copy)
        _run([*install, f"{copy}[{extra}]"])


def _uv() -> list[str]:
    """How to call uv, or nothing where it is missing or only a shim that has no uv behind it."""
    found = shutil.which("uv")
    if found is None or subprocess.run([found, "--version"], capture_output=True, check=False).returncode != 0:
        return []
    return [found]


def _has(module: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def _run(command: list[str], *more: str) -> None:
    # Copies, not links into uv's cache: the PostgreSQL wheel changes permissions of its own files.
    env = {**os.environ, "UV_LINK_MODE": "copy"}
    if subprocess.run([*command, *more], env=env, cwd=HERE, check=False).returncode != 0:
        raise Stop(
            f"This did not work:  {' '.join([*command, *more])}\n"
            "Its own words are above. Installing needs the network once, or an index or wheels set up for pip or uv."
        )


# ---- running in it


def surroundings(python: Path) -> dict[str, str]:
    """The environment variables of what we start: nothing of the shell's Python, our commands first on PATH."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # Debian keeps mosquitto in /usr/sbin, which is not on an ordinary user's PATH.
    env["PATH"] = os.pathsep.join([str(python.parent), env.get("PATH", os.defpath), "/usr/sbin"])
    env["VIRTUAL_ENV"] = str(python.parent.parent)
    env["PYTHONNOUSERSITE"] = "1"
    env["PYTHONPATH"] = str(HERE)
    return env


def become(python: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Turn into the program, so that Ctrl-C, signals and the exit status are its own."""
    sys.stdout.flush()
    os.execve(python, [str(python), *arguments], env or surroundings(python))  # noqa: S606 - no shell on purpose


def test(arguments: list[str]) -> None:
    python = environment("dev")
    env = {k: v for k, v in surroundings(python).items() if not k.lower().endswith("_proxy")}
    if shutil.which("mosquitto", path=env["PATH"]) is None:
        print("Mosquitto is missing, so tests that need a real broker are left out:  sudo apt-get install mosquitto")
    quiet = [] if os.access(HERE, os.W_OK) else ["-p", "no:cacheprovider"]
    become(python, "-m", "pytest", *quiet, *(arguments or BY_TWO), env=env)


def lint() -> int:
    python = environment("dev")
    env = surroundings(python)
    if not os.access(HERE, os.W_OK):
        env |= {"RUFF_NO_CACHE": "true", "MYPY_CACHE_DIR": os.devnull}
    failed = 0
    for tool in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]):
        print(f"$ {' '.join(tool)}", flush=True)
        failed |= subprocess.run([str(python), "-m", *tool], env=env, cwd=HERE, check=False).returncode
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0] if arguments else "", arguments[1:])
    if command in ("test", *PROGRAMS):
        os.chdir(HERE)
    if command == "lint":
        return lint()
    if command == "test":
        test(rest)
    elif command in PROGRAMS:
        extra, program = PROGRAMS[command]
        become(environment(extra), f"tests/{program}", *rest)
    elif command == "documents":
        become(environment("demo"), "-P", "-m", "agent.documents")
    elif command in ("agent", "receiver"):
        become(environment("demo"), "-P", "-m", "agent" if command == "agent" else "cloud_receiver.cli", *rest)
    print(USAGE, end="")
    return 0 if command in ("-h", "--help", "help") else 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
