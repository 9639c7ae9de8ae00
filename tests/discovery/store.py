"""The installer's machine: run in a namespace of its own, it wires four cameras to a bridge and runs commands there.

python3 -m tests.discovery.store FOLDER: runs each line of standard input as a command, and answers with one line of
JSON: its exit status and what it said. No packet leaves: the namespace has no card but the bridge.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

OWN = "192.0.2.1/24"
CAMERAS = (
    ("192.0.2.11", "1c:c3:16:00:00:01", "milesight", "camera", "ws"),
    ("192.0.2.12", "00:40:8c:00:00:01", "axis", "people-counter", "mdns"),
    ("192.0.2.13", "00:00:5e:00:53:13", "hikvision", "search", "reused-id"),
    ("192.0.2.14", "e4:30:22:00:00:01", "hanwha", "sunapi", "nothing"),
)


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def main() -> None:
    ip("link set lo up")
    ip("link add store0 type bridge mcast_snooping 0")
    ip(f"address add {OWN} dev store0")
    ip("link set store0 up")
    ip("route add 224.0.0.0/4 dev store0")
    cameras = []
    for number, camera in enumerate(CAMERAS):
        started = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "tests.discovery.street", *camera],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        while Path(f"/proc/{started.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.02)
        ip(f"link add port{number} type veth peer name eth0 netns {started.pid}")
        ip(f"link set port{number} master store0 up")
        cameras.append(started)
    try:
        for camera in cameras:
            assert camera.stdout.readline() == "ready\n"
        print("ready", flush=True)
        for line in sys.stdin:
            done = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=120, check=False)
            print(json.dumps({"status": done.returncode, "out": done.stdout, "errors": done.stderr}), flush=True)
    finally:
        for camera in cameras:
            camera.stdin.close()
            camera.wait(timeout=20)


if __name__ == "__main__":
    main()
