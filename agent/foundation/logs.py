"""Log lines on stdout: JSON for the journal, pretty on a terminal; no secrets, no storms."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.foundation.secrets import REDACTED, names_secret, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict, Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LINES_A_MINUTE = 20  # for each event and sensor
WINDOW = 60.0
MAX_KEYS = 1000  # of events counted at a time; what comes beyond them shares one count
MAX_TEXT = 2000  # characters of a value; a trace back may have four times as many
MAX_DEPTH = 4
_RECENT: deque[str] = deque(maxlen=200)  # lines as written, for whoever asks a running agent


def recent_lines(most: int) -> list[str]:
    """The last lines that were written, oldest first."""
    return list(_RECENT)[-most:] if most else []


def configure(level: str = "info") -> None:
    """Send structlog's and the standard library's log lines to stdout from this level up.

    Whether a person reads them is asked of stdout itself: $INVOCATION_ID and $JOURNAL_STREAM are inherited by
    terminals that systemd started, and under a unit stdout is the journal's socket, which is no terminal.
    """
    pretty = sys.stdout.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Storms(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _Clean(escape=pretty),
            _renderer(pretty=pretty),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Stdout(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Routed()], level=LEVELS[level], force=True)
    logging.captureWarnings(True)
    # One line a request would be 5 MB a day for one open status page.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _renderer(*, pretty: bool) -> Processor:
    if not pretty:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # structlog's own choice would be rich's trace backs, which print local variables, passwords among them.
    return structlog.dev.ConsoleRenderer(
        colors="NO_COLOR" not in os.environ,
        timestamp_key="ts",
        exception_formatter=structlog.dev.plain_traceback,
    )


class _Stdout:
    """Writes a line at once; a reader that went away or a full disk must not stop the work."""

    def msg(self, line: str) -> None:
        _RECENT.append(line[:MAX_TEXT])
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = warn = error = critical = fatal = log = msg


class _Routed(logging.Handler):
    """Hands the standard library's records (aiohttp, paho, asyncio) to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        log.log(max(record.levelno, logging.DEBUG), message, logger=record.name, exc_info=record.exc_info)


@dataclass(slots=True)
class _Count:
    until: float
    lines: int = 0
    suppressed: int = 0


class Storms:
    """A processor that lets through 20 lines a minute of each (event, sensor), then counts, then says how many."""

    def __init__(self, lines: int = LINES_A_MINUTE, now: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._now = now
        self._counts: dict[tuple[str, str], _Count] = {}
        self._sweep_at = 0.0

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        now = self._now()
        if now >= self._sweep_at:
            self._sweep(now)
        # A foreign line's text varies with every number in it, so its logger is what is counted.
        key = (str(event.get("logger") or event.get("event")), str(event.get("sensor", "")))
        if len(self._counts) >= MAX_KEYS and key not in self._counts:
            key = ("other events", "")
        count = self._counts.setdefault(key, _Count(now + WINDOW))
        count.lines += 1
        if count.lines > self._lines:
            count.suppressed += 1
            raise structlog.DropEvent
        return event

    def _sweep(self, now: float) -> None:
        over = [(key, count) for key, count in list(self._counts.items()) if now >= count.until]
        for key, _ in over:
            self._counts.pop(key, None)
        self._sweep_at = min((count.until for count in self._counts.values()), default=now + 1.0)
        for (name, sensor), count in over:
            if count.suppressed:
                where = {"sensor": sensor} if sensor else {}
                structlog.get_logger().warning("suppressed", of=name, lines=count.suppressed, **where)


class _Clean:
    """Takes secrets out, shortens what is long and, for a terminal, escapes what would steer it."""

    def __init__(self, *, escape: bool) -> None:
        self._escape = escape

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        return {key: self._value(key, value, 0) for key, value in event.items()}

    def _value(self, key: str, value: object, depth: int) -> object:
        if names_secret(key):
            return REDACTED
        if isinstance(value, bool | int | float | None):
            return value
        if depth < MAX_DEPTH and isinstance(value, dict):
            return {str(k): self._value(str(k), v, depth + 1) for k, v in value.items()}
        if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._value("", item, depth + 1) for item in value]
        return self._text(key, value if isinstance(value, str) else str(value))

    def _text(self, key: str, text: str) -> str:
        cap = 4 * MAX_TEXT if key == "exception" else MAX_TEXT
        if len(text) > cap:
            text = f"{text[:cap]}… ({len(text)} characters)"
        text = without_secrets(text)
        if self._escape and key != "exception" and not text.isprintable():
            text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        return text
