"""JSON and XML are read within caps, and no XML may declare a document type."""

import json
import time

import pytest

from agent.drivers.base import Garbled
from agent.drivers.reading.brands import brand, brands
from agent.drivers.reading.documents import MAX_DEPTH, MAX_ELEMENTS, fingerprint, json_of, xml_of

LAUGHS = "".join(
    f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "ha"}' + f'{"&l" + str(n - 1) + ";" if n else ""}">'
    for n in range(30)
)
BOMB = f'<?xml version="1.0"?><!DOCTYPE a [{LAUGHS}]><CountingStatisticsResult>&l29;</CountingStatisticsResult>'
FILE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><CountingStatisticsResult>&x;</CountingStatisticsResult>'
REMOTE = '<!DOCTYPE a SYSTEM "http://192.0.2.66/a.dtd"><CountingStatisticsResult/>'


@pytest.mark.parametrize("text", [BOMB, FILE, REMOTE, "<!DOCTYPE a><EventNotificationAlert/>"])
@pytest.mark.parametrize("name", ["hikvision", "onvif", "vivotek"])
def test_no_document_type(text, name):
    """Entities that expand or point elsewhere are refused before they do anything, for every brand of XML."""

    with pytest.raises(Garbled):
        brand(name).decode(text.encode(), None, None, 0.0)
    with pytest.raises(Garbled, match="document type"):
        xml_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&x;</a>",
        "<a>\0</a>",
        "text",
        "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
        "<a>" + "<b/>" * MAX_ELEMENTS + "</a>",
        "<html><body>log in</body></html>",
        '<?xml version="1.0" encoding="UTF-16"?><a>',
    ],
)
def test_damaged_xml(text):
    """What is no XML, or more than any camera's, is refused with its place."""

    with pytest.raises(Garbled):
        xml_of(text)


def test_names_without_prefix():
    """Namespaces and prefixes make no difference; character references and CDATA are text."""

    root = xml_of('<x:a xmlns:x="u" x:k="1" xmlns="v"><b>1 &lt; 2</b><x:b><![CDATA[<3>]]></x:b></x:a>')

    assert (root.name, root.attributes) == ("a", {"k": "1"})
    assert [one.text for one in root.all("b")] == ["1 < 2", "<3>"]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_001, "{" * 5000, '{"a":' + "9" * 5000 + "}", "[" + "0," * 200_001 + "0]", "<html>"]
)
def test_damaged_json(text):
    """What is no JSON, or more than any camera's, is refused."""

    with pytest.raises(Garbled):
        json_of(text)


@pytest.mark.parametrize("depth", [17, 100, 900, 100_000])
@pytest.mark.parametrize("name", brands())
def test_deep(depth, name):
    """Depth is refused before anything follows it, and never ends in the interpreter's own limit."""

    for text in (
        "[" * depth + "]" * depth,
        '{"logics_data":' * depth + "1" + "}" * depth,
        "<a>" * depth + "</a>" * depth,
    ):
        with pytest.raises(Garbled):
            brand(name).decode(text.encode(), None, None, 0.0)


def test_large_is_fast():
    """A body of 4 MiB of the worst kind is refused, or read, in less CPU time than a second."""

    bodies = [
        "<a>" + "<b>1</b>" * 500_000 + "</a>",
        "[" * 4_000_000,
        '{"a":"' + "x" * 4_000_000 + '"}',
        "," * 4_000_000,
    ]
    bodies += [
        "<" * 4_000_000,
        "=" * 4_000_000,
        "\r" * 4_000_000,
        "-<EventNotificationAlert" * 170_000,
        "+++\n" * 1_000_000,
        "a=1;" * 1_000_000,
    ]
    started = time.process_time()
    for body in bodies:
        for name in ("hikvision", "xovis", "generic", "hanwha", "dahua", "vivotek", "axis", "onvif", "milesight"):
            with pytest.raises(Garbled):
                brand(name).decode(body.encode(), None, None, 0.0)
    # 81 decodings; the limit is generous, as quadratic behaviour would take minutes.
    assert time.process_time() - started < len(bodies) * 9


def test_fingerprint():
    """The same for another order of keys, another for another value; volatile keys make no difference anywhere."""

    one = {"a": 1, "b": [{"t": 1, "c": 2}]}

    assert fingerprint(one) == fingerprint(json.loads('{"b":[{"c":2,"t":1}],"a":1}'))
    assert fingerprint(one) != fingerprint({**one, "a": 2})
    assert fingerprint(one, ["t"]) == fingerprint({"a": 1, "b": [{"t": 9, "c": 2}]}, ["t"])
    assert fingerprint({"a": "\ud800"})
