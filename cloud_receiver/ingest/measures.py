"""What the receiver tells Prometheus of itself, and whether its work moves."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Measures:
    """One registry a process; `moved` is what the watchdog is fed by."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.batches = Counter(
            "footfall_batches",
            "Batches answered, by lane and by what became of them.",
            ["lane", "fate"],
            registry=self.registry,
        )
        self.rows = Counter("footfall_rows", "Rows committed that were new.", ["lane"], registry=self.registry)
        self.bytes = Counter("footfall_batch_bytes", "Bytes of batches as received.", ["lane"], registry=self.registry)
        self.commit = Histogram(
            "footfall_commit_seconds",
            "From a group of batches to its COMMIT, waiting for an absent database included.",
            ["lane"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
            registry=self.registry,
        )
        self.group = Histogram(
            "footfall_group_batches",
            "Batches a transaction.",
            ["lane"],
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=self.registry,
        )
        self.undecided = Gauge(
            "footfall_undecided", "Messages taken and not yet decided.", ["lane"], registry=self.registry
        )
        self.link = Gauge(
            "footfall_link_up", "Whether the connection of a lane is up.", ["lane"], registry=self.registry
        )
        self.away = Counter(
            "footfall_database_failures", "Attempts that the database did not answer.", registry=self.registry
        )
        self.forks = Counter("footfall_forks", "Batches that contradict what was there.", registry=self.registry)
        self.quarantined = Counter("footfall_quarantined", "Messages set aside as unreadable.", registry=self.registry)
        self.mismatches = Gauge(
            "footfall_mismatches", "Devices whose counters differ from coverage.", registry=self.registry
        )
        self.fleet = Gauge(
            "footfall_fleet",
            "How many entries footfall-receiver status has of a kind: forks nobody decided, silent devices and so on.",
            ["what"],
            registry=self.registry,
        )
        self._moved = time.monotonic()
        self.busy = 0  # groups in the database's hands

    def moved(self) -> None:
        """Something ended: a commit, an answer of an idle database, or an attempt that failed and will be repeated."""
        self._moved = time.monotonic()

    @property
    def still(self) -> float:
        """For how many seconds nothing has moved."""
        return time.monotonic() - self._moved
