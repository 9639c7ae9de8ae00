"""Whose network cards begin how: the blocks that the IEEE gave to makers of counting cameras.

From Debian's ieee-data 20220827.1. A block says who made the card, not what the device is: no more than a hint.
"""

from __future__ import annotations

_BLOCKS = {
    "axis": "00408C ACCC8E B8A44F",
    "dahua": (
        "08EDED 14A78B 24526A 38AF29 3CE36B 3CEF8C 4C11BF 5CF51A 6C1C71 74C929 8CE9B4 9002A9 9C1463 A0BD1D "
        "B44C3B BC325F C0395A C4AAC4 D4430E E0508B E4246C F4B1C2 FC5F49 FCB69D"
    ),
    "hanwha": "000918 E43022",
    "hikvision": (
        "040312 085411 08A189 1012FB 1868CB 240F9B 2428FD 2432AE 24B105 2857BE 2CA59C 3C1BF8 40ACBF 4419B6 "
        "4447CC 44A642 4CBD8F 4CF5DC 54C415 5803FB 5850ED 64DB8B 686DBC 80BEAF 849A40 8CE748 94E1AC 988B0A "
        "989DE5 98DF82 98F112 A0FF0C A41437 ACB92F ACCB51 B4A382 BC5E33 BC9B5E BCAD28 BCBAC2 C0517E C056E3 "
        "C06DED C42F90 D4E853 E0BAAD E0CA3C E8A0ED ECC89C F84DFC FC9FFD"
    ),
    "milesight": "1CC316 24E124",
    "vivotek": "0002D1",
    "xovis": "006E02",
}
_BRAND = {block: brand for brand, blocks in _BLOCKS.items() for block in blocks.split()}


def brand_of(mac: str) -> str:
    """The brand whose block a hardware address is from; empty where none is known."""
    return _BRAND.get(mac.replace(":", "").replace("-", "").upper()[:6], "")
