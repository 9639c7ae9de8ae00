"""What comes from the network while searching is read within caps, and never believed about somebody else."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agent.discovery.found import Found, together
from agent.discovery.makers import brand_of
from agent.discovery.neighbours import neighbours
from agent.discovery.wsdiscovery import MAX_DATAGRAM, probe_of, read_answer
from tests.discovery.street import ANSWER


def answer(**changes: str) -> bytes:
    said = {"own": "urn:uuid:1", "asked": "urn:uuid:2", "address": "192.0.2.11", "model": "M-1", "brand": "AXIS"}
    return ANSWER.format(**(said | changes)).encode()


def test_an_answer_names_maker_model_and_its_own_port_alone():
    """A service address of another host is not taken over: nobody is asked on a stranger's word."""
    assert read_answer(answer(), "192.0.2.11") == [
        Found("192.0.2.11", brand="axis", model="M-1", name="AXIS M-1", ports={80}, told_by={"ws-discovery"})
    ]
    assert read_answer(answer(), "192.0.2.12")[0].ports == set()


def test_entities_and_document_types_end_the_reading():
    """The billion laughs and external entities find no reader."""
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]>' + answer().partition(b"?>")[2]
    assert read_answer(bomb, "192.0.2.11") == []


@given(st.binary(max_size=400), st.integers(0, 1500))
def test_damaged_answers_are_no_answers(noise, at):
    """Bytes of chance, alone or in the middle of a good answer, raise nothing."""
    good = answer()
    for body in (noise, good[:at] + noise + good[at:]):
        for found in read_answer(body, "192.0.2.11"):
            assert found.host == "192.0.2.11"


def test_more_than_a_datagram_is_not_read():
    """What lies beyond the cap is cut off, which leaves damaged XML."""
    assert read_answer(answer(model="m" * MAX_DATAGRAM), "192.0.2.11") == []


def test_each_probe_asks_for_one_type():
    """Types in one probe are and-ed, so a camera that is only a NetworkVideoTransmitter would not answer to both."""
    text = probe_of("urn:uuid:1", "dn", "http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter").decode()
    assert re.findall(r"<d:Types>(.*)</d:Types>", text) == ["dn:NetworkVideoTransmitter"]


def test_makers_are_known_by_their_blocks():
    """However the address is written; an unknown block is nobody's."""
    assert brand_of("00:40:8c:01:02:03") == "axis"
    assert brand_of("1C-C3-16-01-02-03") == "milesight"
    assert brand_of("00:00:5e:00:53:01") == ""


def test_neighbours_are_read_from_the_kernels_table(tmp_path):
    """Unanswered entries and other cards are left out; a maker of cameras is named."""
    table = tmp_path / "arp"
    table.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.0.2.11       0x1         0x2         1c:c3:16:00:00:01     *        eth0\n"
        "192.0.2.12       0x1         0x0         00:00:00:00:00:00     *        eth0\n"
        "192.0.2.13       0x1         0x2         00:00:5e:00:53:01     *        eth0\n"
        "192.0.2.14       0x1         0x2         00:40:8c:00:00:01     *        eth1\n"
        "damaged\n"
    )
    assert [(found.host, found.brand) for found in neighbours({"eth0"}, table)] == [
        ("192.0.2.11", "milesight"),
        ("192.0.2.13", ""),
    ]


def test_what_several_ways_say_of_one_address_is_put_together():
    """In the order of the addresses as numbers; the first word stays."""
    pieces = [
        Found("192.0.2.100", brand="axis", told_by={"mdns"}),
        Found("192.0.2.9", ports={8080}, told_by={"http"}),
        Found("192.0.2.100", brand="onvif", mac="00:40:8c:00:00:01", told_by={"mac"}),
    ]
    assert [(one.host, one.brand, one.address, one.told_by) for one in together(pieces)] == [
        ("192.0.2.9", "", "192.0.2.9:8080", {"http"}),
        ("192.0.2.100", "axis", "192.0.2.100", {"mdns", "mac"}),
    ]
