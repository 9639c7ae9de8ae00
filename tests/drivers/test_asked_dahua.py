"""Dahua over CGI and RPC2, against a server that has its challenge, its sessions and its pages."""

import json

import pytest

from agent.drivers.base import Kind, Refused
from agent.drivers.reading.rpc2 import proof
from tests.drivers.test_log_in import ANOTHER, CANARY
from tests.drivers.vendors import SINCE, UNTIL, Vendor, opened, told


class Dahua(Vendor):
    """RPC2 with its challenge; `expires` sessions are forgotten at their first search."""

    def __init__(self, password=CANARY, expires=0, total=2):
        super().__init__(RPC2_Login=self.log_in, RPC2=self.call)
        self.password, self.expires, self.total = password, expires, total
        self.session = "unknown"
        self.finders = 0

    def log_in(self, _, body):
        asked = json.loads(body)
        if not asked["params"]["password"]:
            challenge = {"realm": "Login to X", "random": "4711", "encryption": "Default"}
            return json.dumps({"result": False, "params": challenge, "session": "s1", "error": {"code": 268632079}})
        right = asked["params"]["password"] == proof("counter", self.password, "Login to X", "4711")
        self.session = "s1" if right else "unknown"
        return json.dumps({"result": right, "session": "s1"})

    def call(self, _, body):
        asked = json.loads(body)
        method = asked["method"].partition(".")[2]
        if asked.get("session") != self.session:
            return json.dumps({"result": False, "error": {"code": 287637505, "message": "Invalid session"}})
        if method == "startFind" and self.expires:
            self.expires -= 1
            self.session = "expired"
            return json.dumps({"result": False, "error": {"code": 287637505, "message": "Invalid session"}})
        self.finders += {"factory.instance": 1, "stopFind": -1}.get(method, 0)
        answers = {
            "factory.instance": {"result": 7},
            "startFind": {"result": True, "params": {"token": 3, "totalCount": self.total}},
            "doFind": {
                "result": True,
                "params": {"found": 1, "info": self.info(asked["params"].get("beginNumber", 0))},
            },
            "stopFind": {"result": True},
        }
        return json.dumps(answers[method])

    def info(self, begin):
        if begin:
            return []
        times = [(f"2026-07-06 0{h}:00:00", f"2026-07-06 0{h}:59:59") for h in (8, 9)]
        return [
            {
                "AreaID": 1,
                "EnteredSubtotal": 12,
                "ExitedSubtotal": 9,
                "PassbyTotal": 3,
                "StartTime": start,
                "EndTime": end,
            }
            for start, end in times
        ]


@pytest.mark.parametrize("expires", [0, 1])
async def test_dahua_memory(rig, expires):
    """Log-in, search, pages, and the finder given back; an expired session is renewed once."""

    vendor = Dahua(expires=expires)
    driver = await opened(rig, "dahua", vendor)

    found = told(await driver.history(Kind.LINES, SINCE, UNTIL))

    assert found == [("line:1", "in", 12, 0), ("line:1", "out", 9, 0), ("line:1", "in", 12, 1), ("line:1", "out", 9, 1)]
    conditions = [json.loads(body)["params"]["condition"] for *_, body in vendor.asked if "startFind" in body]
    assert {one["Channel"] for one in conditions} == {0}
    assert vendor.finders == expires  # the finder of a session that is gone cannot be given back
    assert not any(CANARY in target + body for _, target, body in vendor.asked)


async def test_dahua_pages(rig):
    """A search of 250 rows is three pages, and one of a million no more than twenty."""

    for total, pages in ((250, 3), (1_000_000, 20)):
        vendor = Dahua(total=total)
        await (await opened(rig, "dahua", vendor)).history(Kind.LINES, SINCE, UNTIL)
        assert sum("doFind" in body for *_, body in vendor.asked) == pages


async def test_dahua_wrong_password(rig):
    """A wrong password is sent once."""

    vendor = Dahua(password=ANOTHER)
    driver = await opened(rig, "dahua", vendor)

    with pytest.raises(Refused):
        await driver.history(Kind.LINES, SINCE, UNTIL)
    assert len(vendor.asked) == 2


async def test_dahua_totals(rig):
    """Today's totals by the channel's number from 1; other sums of the same persons are left out."""

    text = (
        "summary.EnteredSubtotal.Today=41\r\nsummary.EnteredSubtotal.Total=902\r\nsummary.ExitedSubtotal.Today=38\r\n"
    )
    vendor = Vendor(cgi_bin_videoStatServer_cgi=text)
    driver = await opened(rig, "dahua", vendor, channel=2)

    assert [tuple(one) for one in await driver.counters()] == [("line:1", "in", 41), ("line:1", "out", 38)]
    assert vendor.asked[0][1].endswith("action=getSummary&channel=2")
