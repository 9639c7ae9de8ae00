"""One target under atheris (libFuzzer, guided by what code was reached), or under plain mutation where that is missing.

python -m tests.campaigns.fuzzing.loop TARGET FOLDER [options of libFuzzer]
"""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaigns.fuzzing.targets import Target

HANG = 1.0  # seconds of CPU for one input: of the clock would blame a busy machine
LONGEST = 20_000  # bytes of an input


class Hang(Exception):
    """One input took too long."""


def tried(target: Target, body: bytes) -> float:
    """The CPU seconds that one input took.

    Raises:
        Hang: they were too many.
        Exception: whatever the target raised, which it must not.
    """
    before = time.thread_time()
    target.read(body)
    taken = time.thread_time() - before
    if taken > HANG:
        raise Hang(f"{taken:.1f} s of CPU for {len(body)} bytes")
    return taken


def guided(name: str, folder: Path, options: list[str]) -> None:
    """Run libFuzzer, which ends the process."""
    import atheris  # noqa: PLC0415 - a wheel for some platforms, and it wants to be there before what it instruments

    with atheris.instrument_imports(include=["agent"]):
        from tests.campaigns.fuzzing.targets import targets  # noqa: PLC0415 - instrumented as it is imported

        target = targets()[name]
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / f"{name}.dict"
    words.write_text("".join(f'"{word.decode()}"\n' for word in target.words))
    slowest = 0.0

    def one(body: bytes) -> None:
        nonlocal slowest
        slowest = max(slowest, tried(target, body))

    fixed = [f"-max_len={LONGEST}", f"-dict={words}", f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(corpus), *fixed, "-timeout=60", "-rss_limit_mb=1024", *options], one)
    atheris.Fuzz()


def mutated(target: Target, runs: int, seconds: float, seed: int = 1) -> tuple[int, float]:
    """Inputs made of the seeds by chance: how many there were in these seconds, and the CPU seconds of the slowest."""
    chance = random.Random(f"{target.name}:{seed}")  # noqa: S311 - wants a seed
    words = [*target.words, *ODD]
    until = time.monotonic() + seconds
    slowest = 0.0
    for run in range(runs):
        if time.monotonic() > until:
            return run, slowest
        slowest = max(slowest, tried(target, mutant(chance, target.seeds, words)))
    return runs, slowest


ODD = [b"", b"{", b"}", b"[", b"]", b'"', b",", b":", b"<", b">", b"\r", b"\0", b"\xff", b"=", b"-1", b"NaN", b"1e999"]
ODD += [b"9" * 400, b"null", b"[]", b"2025-10-26T01:30:00", b"<!DOCTYPE a>", b"\xed\xa0\x80", b"+++\n"]


def mutant(chance: random.Random, seeds: list[bytes], words: list[bytes]) -> bytes:
    """A seed with a few places cut, doubled, written over, or taken from another seed."""
    body = bytearray(chance.choice(seeds) if seeds else b"")
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(body))
        until = min(len(body), at + chance.randint(0, 30))
        other = chance.choice(seeds) if seeds else b""
        begin = chance.randint(0, len(other))
        body[at:until] = chance.choice(
            [chance.choice(words), bytes(body[at:until]) * 2, other[begin : begin + 40], bytes([chance.randrange(256)])]
        )
    return bytes(body[:LONGEST])


def has_atheris() -> bool:
    """Whether coverage can guide; the wheel is for x86-64 and for Pythons that it knows."""
    return importlib.util.find_spec("atheris") is not None


if __name__ == "__main__":
    guided(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
