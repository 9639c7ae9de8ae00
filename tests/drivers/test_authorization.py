"""Digest as the RFCs' own examples have it."""

import re

import pytest

from agent.drivers.reading.authorization import Basic, Challenge, Digest, challenges, strongest

RFC7616 = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "qop": "auth, auth-int",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616(algorithm, response):
    """The example of RFC 7616 §3.9.1 comes out, with each field quoted or not as the RFC says."""

    digest = Digest(RFC7616 | {"algorithm": algorithm})
    digest._cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    sent = digest.header("/dir/index.html", "Mufasa", "Circle of Life")

    assert f'response="{response}"' in sent
    assert f"algorithm={algorithm}, qop=auth, nc=00000001" in sent
    assert f'opaque="{RFC7616["opaque"]}"' in sent


def test_rfc_2069():
    """Without qop the answer is that of the old RFC (its example as corrected), and names no count."""

    digest = Digest({"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"})

    sent = digest.header("/dir/index.html", "Mufasa", "CircleOfLife")

    assert 'response="1949323746fe6a43ef61f9606e7febea"' in sent
    assert not re.search("nc=|qop=|algorithm=|cnonce=|opaque=", sent)


def test_quotes():
    """Quotes and backslashes in names go out escaped, and come in unescaped."""

    [challenge] = challenges([r'Digest realm="a \"b\" \\c", nonce="n"'])

    assert challenge.parameters["realm"] == 'a "b" \\c'
    sent = Digest(challenge.parameters).header("/", 'x"y', "p")
    assert r'realm="a \"b\" \\c"' in sent
    assert r'username="x\"y"' in sent


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ('Basic realm="x"', ["basic"]),
        ('Basic realm="x, Digest y", Digest realm=z,nonce=abc==', ["basic", "digest"]),
        ("Negotiate", ["negotiate"]),
        ("NTLM TlRMTVNT==, Basic realm=x", ["ntlm", "basic"]),
        ("", []),
        (",,=,", []),
    ],
)
def test_challenges(header, schemes):
    """One header may offer several ways; a comma within quotes does not part them."""

    assert [
        way.scheme for way in challenges([header]) if way.scheme in {"basic", "digest", "negotiate", "ntlm"}
    ] == schemes


def test_token_with_equal_signs():
    """A bare value may end in the equal signs of base64."""

    assert list(challenges(["Digest nonce=abc==, realm=x"])) == [Challenge("digest", {"nonce": "abc==", "realm": "x"})]


@pytest.mark.parametrize("realm", ["a\x00b", "a\ud800b", "a\nb"])
def test_unprintable(realm):
    """A challenge that could not be sent back is not taken; the other way is."""

    assert isinstance(strongest([f'Digest nonce="n", realm="{realm}"', "Basic realm=x"]), Basic)


def test_hostile_header():
    """Headers without end cost little: only so much of them is read."""

    assert strongest(['Digest x="' + 'a="' * 10**6] * 100) is None
