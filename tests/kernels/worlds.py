"""Small worlds with known truth: a store whose doors miss people, a queue from an independent simulator, zones."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path(__file__).parents[1] / "data"
DAY = 1440
SERVICE = 2.0  # minutes a customer: the unit of time of the queue records


class Store(NamedTuple):
    """Minutes of days: what the doors counted, who was really inside, and what a zone that sees 30 % counted."""

    entered: np.ndarray
    left: np.ndarray
    inside: np.ndarray
    seen: np.ndarray


def store(missed_in: float, missed_out: float, days: int = 60, visits: int = 1500, seed: int = 11) -> Store:
    """A shop open from 9 to 21 with stays of 22.5 minutes on average: 47 persons inside while it is open."""
    random = np.random.default_rng(seed)
    came, went = np.zeros((2, days, DAY))
    inside = np.zeros((days, DAY))
    for day in range(days):
        count = random.poisson(visits)
        arrival = 540 + 700 * random.beta(2.0, 2.0, count)
        departure = np.minimum(arrival + random.gamma(1.5, 15.0, count), 1330)
        for times, counted, missed in ((arrival, came, missed_in), (departure, went, missed_out)):
            kept = times[random.random(count) >= missed]
            counted[day] = np.bincount(kept.astype(int), minlength=DAY)
        inside[day] = np.cumsum(
            np.bincount(arrival.astype(int), minlength=DAY) - np.bincount(departure.astype(int), minlength=DAY)
        )
    return Store(came, went, inside, random.binomial(inside.astype(int), 0.3).astype(np.float64))


class Queue(NamedTuple):
    """A queue by minutes, and for every customer when he joined and how long he waited, in minutes."""

    length: np.ndarray  # persons waiting at each minute's start
    left: np.ndarray  # persons who left the queue in each minute, served or not
    joined: np.ndarray
    served: np.ndarray
    arrival: np.ndarray
    wait: np.ndarray


def queue(name: str) -> Queue:
    """Records of ciw (synthetic, independent of ours) at a mean service of two minutes."""
    with gzip.open(DATA / "queue" / f"ciw_{name}_first6000.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    arrival = SERVICE * np.array([float(row["arrival"]) for row in rows])
    wait = SERVICE * np.array([float(row["wait"]) for row in rows])
    is_served = np.array([row["record"] == "service" for row in rows])
    minutes = int(arrival[-1])

    def per_minute(times: np.ndarray) -> np.ndarray:
        return np.bincount(times[times < minutes].astype(int), minlength=minutes).astype(np.float64)

    joined, left = per_minute(arrival), per_minute(arrival + wait)
    length = np.concatenate([[0.0], np.cumsum(joined - left)[:-1]])
    return Queue(length, left, joined, per_minute((arrival + wait)[is_served]), arrival, wait)


def calit2() -> tuple[np.ndarray, np.ndarray]:
    """Half-hours of 63 days from 04:30 to 04:30: who came in and who went out of a real building."""
    told = {"9": [], "7": []}
    with (DATA / "calit2" / "CalIt2.csv").open() as file:
        for flow, _, _, count in csv.reader(file):
            told[flow].append(float(count))
    came, went = (np.array(told[flow])[9 : 9 + 62 * 48].reshape(62, 48) for flow in ("9", "7"))
    return came, went
