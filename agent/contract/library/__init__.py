"""What is known of stores and regions in general: sensible figures, limits and advice. The data are the TOML files."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from agent.contract.contradictions import Contradiction, Contradictions
from agent.contract.hours import Part
from agent.contract.layout import Purpose, RegionType, StoreType
from agent.contract.measurable import STORE_FIGURES, ZONE_FIGURES

FILES = ("regions.toml", "stores.toml")
_OF_STORE = frozenset(figure.name for figure in STORE_FIGURES)
_OF_ZONE = frozenset(figure.name for figure in ZONE_FIGURES)

Limits = dict[str, Annotated[float, Field(gt=0)]]


class RegionEntry(Part):
    """A type of region: the purpose of a zone made of it, the figures worth having, limits, and what to do beyond."""

    type: RegionType
    purpose: Purpose
    figures: Annotated[tuple[str, ...], Field(min_length=1)]
    limits: Limits = Field(default_factory=dict)
    advice: str


class StoreEntry(Part):
    """A type of store: the regions it usually has, figures of the whole store, limits, and what to look at first."""

    type: StoreType
    regions: Annotated[tuple[RegionType, ...], Field(min_length=1)]
    figures: Annotated[tuple[str, ...], Field(min_length=1)]
    limits: Limits = Field(default_factory=dict)
    advice: str


class Library(Part):
    """Both files together. A limit of the store's type goes before that of the region's."""

    region: tuple[RegionEntry, ...] = ()
    store: tuple[StoreEntry, ...] = ()

    @model_validator(mode="after")
    def _names_figures_that_exist(self) -> Self:
        entries = [("region", i, {*e.figures, *e.limits} - _OF_ZONE) for i, e in enumerate(self.region)]
        entries += [
            ("store", i, ({*e.figures} - _OF_STORE) | ({*e.limits} - _OF_STORE - _OF_ZONE))
            for i, e in enumerate(self.store)
        ]
        wrong = tuple(
            Contradiction((table, index, "figures"), f"no such figure: {', '.join(sorted(names))}")
            for table, index, names in entries
            if names
        )
        if wrong:
            raise Contradictions(wrong)
        return self

    def region_entry(self, kind: RegionType) -> RegionEntry | None:
        """What is known of a type of region."""
        return next((entry for entry in self.region if entry.type is kind), None)

    def store_entry(self, kind: StoreType) -> StoreEntry | None:
        """What is known of a type of store."""
        return next((entry for entry in self.store if entry.type is kind), None)
