"""Milesight network cameras over CGI, whose bodies are in `formats` and whose addresses are in `cgi`."""

from __future__ import annotations

from agent.simulator import cgi
from agent.simulator.brand import Answer, Brand, Denied, Question


class Milesight(Brand):
    """Family a."""

    realm = "Milesight Network Camera"
    methods = ("GET",)

    def answer(self, question: Question) -> Answer:
        """CGI; see `cgi.answer`."""
        if self.camera.model != "camera":
            raise Denied(404)
        return cgi.answer(self.memory, question.path, question.query)
