"""ONVIF Profile M over MQTT: a counter a rule, as `onvif-ej`; it runs on and knows no direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator.brand import Brand, Message, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOPIC = "{serial}/onvif-ej/RuleEngine/CountAggregation/Counter/VSC1/VAC1/{rule}"


class Onvif(Brand):
    """Each line has two rules, `Door1In` and `Door1Out`; each tells its counter once a period."""

    realm = "ONVIF"

    def messages(self, since: float, until: float) -> Iterator[Message]:
        """The counters as they stand at the end."""
        if until <= since:
            return
        for line in self.camera.line:
            for way, value in zip(("In", "Out"), self.memory.totals(line.number), strict=True):
                rule = f"Door{line.number}{way}"
                source = {
                    "VideoSourceConfigurationToken": "VSC1",
                    "VideoAnalyticsConfigurationToken": "VAC1",
                    "Rule": rule,
                }
                found = {
                    "Topic": "tns1:RuleEngine/CountAggregation/Counter",
                    "UtcTime": utc(until),
                    "Source": source,
                    "Key": {},
                    "Data": {"Count": str(value)},
                }
                yield Message(self.json(found), topic=_TOPIC.format(serial=self.camera.number, rule=rule))
