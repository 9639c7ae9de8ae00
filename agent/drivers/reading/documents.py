"""JSON and XML as cameras write them, read within caps: no body may cost much more than its own bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from xml.parsers import expat

from agent.drivers.base import Garbled
from agent.drivers.reading.text import is_page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_COMMAS = 200_000  # a full heat map of 192 x 192 points has 110,592; keeps what JSON becomes below 16 MiB
MAX_BRACKETS = 100_000
MAX_ELEMENTS = 20_000  # a month of hours with twenty values each has 16,000
MAX_DEPTH = 16  # ONVIF within SOAP has 8; readers walk below what they find, so that depth multiplies their work


def json_of(text: str) -> object:
    """What a JSON text holds.

    Raises:
        Garbled: it is damaged, or larger or deeper than any camera's.
    """
    if is_page(text[:600].encode("utf-8", "replace")):
        raise Garbled("a web page instead of data", text, 1, 1)
    if text.count(",") > MAX_COMMAS or text.count("{") + text.count("[") > MAX_BRACKETS:
        raise Garbled("more in it than any camera tells", text, 1, 1)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise Garbled(f"damaged JSON: {error.msg}", text, error.lineno, error.colno) from None
    except (ValueError, RecursionError):  # a number of thousands of digits; nested too deep
        raise Garbled("JSON that no camera writes", text, 1, 1) from None
    if _is_deep(found):
        raise Garbled("deeper than any camera's JSON", text, 1, 1)
    return found


def _is_deep(found: object) -> bool:
    """Whether it is nested deeper than the readers, which call themselves, may follow."""
    level = [found]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for part in level:
            if isinstance(part, dict | list):
                inner += part.values() if isinstance(part, dict) else part
        level = [part for part in inner if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def fingerprint(found: object, volatile: Collection[str] = ()) -> str:
    """The same for the same message sent twice: of everything but the keys that change between two sendings."""

    def kept(part: object) -> object:
        if isinstance(part, dict):
            return {key: kept(value) for key, value in part.items() if key not in volatile}
        return [kept(item) for item in part] if isinstance(part, list) else part

    plain = json.dumps(kept(found), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(slots=True)
class Element:
    """One element of XML; `name` and the attributes' names are without prefix, as cameras disagree about namespaces."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *names: str) -> Iterator[Element]:
        """This element and those below it that have one of these names, in the order of the document."""
        stack = [self]
        while stack:
            element = stack.pop()
            if element.name in names:
                yield element
            stack += reversed(element.children)

    def find(self, *names: str) -> Element | None:
        """The first of `all`."""
        return next(self.all(*names), None)

    def word(self, *names: str) -> str:
        """The text of the first of `all`, or nothing."""
        found = self.find(*names)
        return found.text.strip() if found else ""

    def plain(self) -> object:
        """As JSON would say it, for a fingerprint."""
        return [self.name, self.attributes, self.text.strip(), [child.plain() for child in self.children]]


def element_of(name: str, found: object) -> Element:
    """JSON as the XML that the same device would have sent: a list is an element for each of its items."""
    if isinstance(found, dict):
        children = [
            element_of(key, one) for key, part in found.items() for one in (part if isinstance(part, list) else [part])
        ]
        return Element(name, children=children)
    if isinstance(found, list):
        return Element(name, children=[element_of(name, one) for one in found])
    return Element(name, text="" if found is None else str(found))


def xml_of(text: str) -> Element:
    """The outermost element of an XML text.

    Raises:
        Garbled: it is damaged, larger or deeper than any camera's, or declares a document type: entities that expand
            or point to files are declared there, and no camera needs one.
    """
    if is_page(text[:600].encode("utf-8", "replace")):
        raise Garbled("a web page instead of data", text, 1, 1)
    reader = _Reader(text)
    try:
        reader.parser.Parse(text.strip("\ufeff \t\n"), True)
    except expat.ExpatError as error:
        raise Garbled(f"damaged XML: {expat.ErrorString(error.code)}", text, error.lineno, error.offset + 1) from None
    except (ValueError, UnicodeError):
        raise Garbled("XML that no camera writes", text, 1, 1) from None
    return reader.root.children[0]


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.root = Element("")
        self.open = [self.root]
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def refuse(self, *_: object) -> NoReturn:
        raise Garbled("XML with a document type, which is not read", self.text, 1, 1)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) > MAX_DEPTH:
            raise Garbled("more in it than any camera tells", self.text, 1, 1)
        own = {key.rpartition(":")[2]: value for key, value in attributes.items() if not key.startswith("xmlns")}
        element = Element(name.rpartition(":")[2], own)
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, _: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        self.open[-1].text += text
