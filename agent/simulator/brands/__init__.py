"""How the cameras of each brand talk, a file each, by what vendors describe and not by what our drivers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulator.brands.axis import Axis
from agent.simulator.brands.dahua import Dahua
from agent.simulator.brands.generic import Generic
from agent.simulator.brands.hanwha import Hanwha
from agent.simulator.brands.hikvision import Hikvision
from agent.simulator.brands.milesight import Milesight
from agent.simulator.brands.milesight_push import MilesightPush
from agent.simulator.brands.milesight_vs133 import Vs133
from agent.simulator.brands.onvif import Onvif
from agent.simulator.brands.vivotek import Vivotek
from agent.simulator.brands.xovis import Xovis

if TYPE_CHECKING:
    from agent.simulator.brand import Brand
    from agent.simulator.memory import Memory

_BRANDS: dict[str, type[Brand]] = {
    "axis": Axis,
    "dahua": Dahua,
    "generic": Generic,
    "hanwha": Hanwha,
    "hikvision": Hikvision,
    "milesight": Milesight,
    "onvif": Onvif,
    "vivotek": Vivotek,
    "xovis": Xovis,
}
_FAMILIES: dict[str, type[Brand]] = {
    "vs133": Vs133,
    "vs121": MilesightPush,
    "vs125": MilesightPush,
    "vs135": MilesightPush,
}


def brand_of(memory: Memory) -> Brand:
    """The voice of a camera: by its family where that has one of its own, else by its brand."""
    camera = memory.camera
    return _FAMILIES.get(camera.model, _BRANDS[camera.driver])(memory)
