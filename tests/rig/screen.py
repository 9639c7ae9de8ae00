"""What the demo shows: ticks, a bar, one live line and a table on a terminal; plain lines in a file or a pipe."""

from __future__ import annotations

import contextlib
import io
import time
from typing import TYPE_CHECKING

import segno
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.oracle import Reconciliation

PLAIN = str.maketrans({"✔": "+", "✘": "x", "✂": "x", "↑": "^", "☠": "!", "·": "-", "…": ".", "→": ">"})
LINE_EVERY = 5.0  # seconds between live lines where they cannot be rewritten in place


class Screen:
    """Writes to standard output; symbols become letters where the terminal has none."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._unicode = "utf" in self.console.encoding.lower()
        self._began = time.monotonic()
        self._last_line = 0.0
        self._written = False  # a live line stands there and is rewritten

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._began

    def say(self, text: str = "", style: str | None = None) -> None:
        """One line."""
        self._end_live()
        self.console.print(self._signs(text), style=style, soft_wrap=True)

    def event(self, sign: str, text: str, style: str) -> None:
        """Something happened, with the time since the demo began."""
        self.say(f"{sign} {self.seconds:5.1f} s  {text}", style)

    @contextlib.contextmanager
    def tick(self, name: str) -> Iterator[list[str]]:
        """A step that is being done; what is put into the list is said with its time once it is."""
        said: list[str] = []
        began = time.monotonic()
        with self.console.status(f"{name} ...") if self.console.is_terminal else contextlib.nullcontext():
            yield said
        self.say(f"[green]✔[/] {time.monotonic() - began:5.1f} s  [bold]{name:<9}[/] {' '.join(said)}")

    @contextlib.contextmanager
    def bar(self, what: str) -> Iterator[Bar]:
        """A bar that moves, on a terminal."""
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(40),
            TaskProgressColumn(),
            TextColumn("{task.fields[more]}"),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            yield Bar(progress, what)

    def live(self, text: str) -> None:
        """The one line that moves; in a file it is written now and then."""
        if self.console.is_terminal:
            self.console.file.write("\r\x1b[2K" + self._signs(text)[: self.console.width - 1])
            self.console.file.flush()
            self._written = True
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self.console.print(self._signs(text), soft_wrap=True)

    def code(self, url: str) -> None:
        """The address as a QR code, on a terminal that can."""
        if not (self.console.is_terminal and self._unicode):
            return
        drawn = io.StringIO()
        segno.make(url, error="l").terminal(drawn, border=2, compact=True)
        self.console.file.write(drawn.getvalue())
        self.say("  as the label in a store would show it; the demo's page answers on this machine alone", "dim")

    def table(self, found: Reconciliation, more: dict[str, str]) -> None:
        """The reconciliation, which is what the demo is for."""
        self._end_live()
        table = Table(title="What the cameras said, and what headquarters has", title_justify="left")
        table.add_column("", style="bold")
        table.add_column("rows", justify="right")
        table.add_column("which means")
        for name, meaning in MEANINGS.items():
            number = found.figures[name]
            bad = number and name in BAD
            table.add_row(self._signs(name.replace("_", " ")), f"{number:,}", meaning, style="red" if bad else None)
        table.add_section()
        for name, text in more.items():
            table.add_row(name, "", text)
        self.console.print(table)
        for finding in found.findings:
            self.say(f"  {finding}", "red")

    def _end_live(self) -> None:
        if self._written:
            self.console.file.write("\n")
            self._written = False

    def _signs(self, text: str) -> str:
        return text if self._unicode else text.translate(PLAIN)


BAD = {"lost", "duplicated", "invented", "wrong"}
MEANINGS = {
    "served": "finished intervals that the cameras answered for",
    "at_hq": "of these in headquarters' database",
    "lost": "finished intervals, or persons of the running hours, that never came",
    "duplicated": "numbers that stand there twice, intervals that overlap",
    "invented": "intervals no camera told of, or persons too many",
    "wrong": "intervals with another value or another end",
}


class Bar:
    """One bar of a `Screen`."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=None, more="")

    def show(self, done: float, total: float | None, more: str = "") -> None:
        """How far it is."""
        self._progress.update(self._task, completed=done, total=total, more=more)
