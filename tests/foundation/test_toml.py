"""A wrong configuration is told by file, line and key, all of it at once, with what to write instead."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.foundation.positions import lines_of
from agent.foundation.toml import MAX_BYTES, ConfigurationError, load, read_secret


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Camera(Strict):
    id: str
    port: Annotated[int, Field(le=65535)] = 80
    poll_seconds: float = 60.0
    password: str = ""


class Options(Strict):
    colour: Literal["red", "green"] = "red"
    limits: tuple[int, ...] = ()


class Whole(Strict):
    name: str = ""
    camera: tuple[Camera, ...] = ()
    options: Options = Options()
    table: dict[str, Options] = {}

    @model_validator(mode="after")
    def _unique(self) -> Whole:
        if len({camera.id for camera in self.camera}) < len(self.camera):
            raise ValueError("two cameras have the same id")
        return self


@pytest.fixture
def wrong(tmp_path):
    """What `load` says about a text, with the folder taken out."""

    def message(text: str | bytes) -> str:
        path = tmp_path / "bad.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigurationError) as caught:
            load(path, Whole)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return message


BAD = """\
name = "x"

[[camera]]
id = "a"

[[camera]]
id = "b"
port = 99999

[[camera]]
id = "c"
poll_secs = 30
"""


def test_every_error_of_a_file_names_line_key_and_remedy(wrong):
    """Both errors come at once, each with its own line of its own table of the array."""
    assert wrong(BAD) == (
        "bad.toml:8: camera.1.port: Input should be less than or equal to 65535\n"
        "    8 | port = 99999\n"
        'bad.toml:12: camera.2.poll_secs: unknown key — did you mean "poll_seconds"?\n'
        "   12 | poll_secs = 30"
    )


def test_a_missing_key_points_to_its_table(wrong):
    """A key that is not there has no line, so its table's header is shown."""
    assert wrong('[[camera]]\nid = "a"\n\n[[camera]]\nport = 80\n').startswith(
        "bad.toml:4: camera.1.id: this key is required and is not there\n    4 | [[camera]]"
    )


def test_a_misspelt_word_is_suggested(wrong):
    """A choice that is nearly right gets the right one."""
    assert wrong('[options]\ncolour = "gren"\n') == (
        "bad.toml:2: options.colour: Input should be 'red' or 'green' — did you mean \"green\"?\n"
        '    2 | colour = "gren"'
    )


def test_a_key_like_no_other_lists_what_is_known(wrong):
    """Where nothing is close, the keys that exist are listed."""
    assert "unknown key — known here: colour, limits" in wrong("[table.x]\nzzz = 1\n")


def test_an_array_is_not_called_short_because_of_an_error_in_it(tmp_path):
    """One mistake gives one error: the array has its table, only the table is wrong."""

    class AtLeastOne(Strict):
        camera: Annotated[tuple[Camera, ...], Field(min_length=1)]

    path = tmp_path / "bad.toml"
    path.write_text("[[camera]]\nid = 5\n")

    with pytest.raises(ConfigurationError) as caught:
        load(path, AtLeastOne)
    assert str(caught.value).splitlines()[0].endswith("bad.toml:2: camera.0.id: Input should be a valid string")
    path.write_text("camera = []\n")
    with pytest.raises(ConfigurationError, match=r"bad.toml:1: camera: Tuple should have at least 1 item"):
        load(path, AtLeastOne)


def test_a_secret_is_looked_for_among_the_credentials_then_beside_the_file(tmp_path, monkeypatch):
    """The same configuration works under systemd and by hand; a missing file names both."""
    configuration = tmp_path / "agent.toml"
    (tmp_path / "door.key").write_text("by hand\r\nrest")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    assert read_secret(configuration, "door.key") == "by hand"
    (tmp_path / "credentials").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert read_secret(configuration, "door.key") == "by hand"
    (tmp_path / "credentials" / "door.key").write_text("from systemd\n")
    assert read_secret(configuration, "door.key") == "from systemd"
    with pytest.raises(ConfigurationError, match=r"agent.toml: .*/gone, which it names, cannot be read: No such file"):
        read_secret(configuration, "gone")


def test_an_error_of_the_whole_file_names_the_file(wrong):
    """What no single key is guilty of is told without one."""
    assert wrong('[[camera]]\nid = "a"\n[[camera]]\nid = "a"\n') == "bad.toml:1: two cameras have the same id"


def test_a_secret_in_a_wrong_line_is_not_shown(wrong):
    """The message goes to the journal, so a password in the line stays out of it."""
    text = wrong('[[camera]]\nid = "a"\npasword = "hunter2"\npassword = 5\n')

    assert 'did you mean "password"?' in text
    assert "4 | password = [redacted]" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\n", "bad.toml:1: expected '=' after a key in a key/value pair — TOML writes key = value"),
        ("\nname = Lisboa\n", 'bad.toml:2: invalid value — a text needs quotes: key = "text"'),
        ("name = “x”\n", "bad.toml:1: invalid value — these are typographic quotes"),
        ('name = "x', "bad.toml:1: "),
        ("name = 1\nname = 2\n", "bad.toml:2: cannot overwrite a value"),
        ("name = '\x01'\n", "bad.toml:1: "),
        ("x = " + "[" * 5000, "bad.toml: nested too deeply"),
        ("name = " + "9" * 5000, "bad.toml:1: "),
        ("name = 'caf\xe9'\n".encode("latin-1"), "bad.toml:1: byte 0xe9 at column 12 is not UTF-8 — save the file as"),
        ("name = 'x'\n".encode("utf-16"), "bad.toml:1: the file is UTF-16 — save it as UTF-8"),
        (b"#" * (MAX_BYTES + 1), "bad.toml: larger than 1024 KiB"),
    ],
)
def test_what_is_no_toml_names_its_line_and_the_remedy(wrong, text, expected):
    """Syntax, encoding and size are told as plainly as a wrong value."""
    assert wrong(text).startswith(expected)


def test_tabs_windows_line_ends_and_a_byte_order_mark_are_accepted(tmp_path):
    """What editors leave behind is no error."""
    path = tmp_path / "good.toml"
    path.write_bytes(b"\xef\xbb\xbf[[camera]]\r\n\tid\t=\t'a'\r\n")

    assert load(path, Whole).camera[0].id == "a"


def test_a_file_that_cannot_be_read_is_told_with_the_remedy(tmp_path):
    """A missing file and a folder are configuration errors, not tracebacks."""
    with pytest.raises(ConfigurationError, match=r"there is no such file — name one with --config"):
        load(tmp_path / "none.toml", Whole)
    with pytest.raises(ConfigurationError, match="this is no ordinary file"):
        load(tmp_path, Whole)


@pytest.fixture
def nobody():
    """The rights of an ordinary user, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_file_of_another_user_names_permission(tmp_path, request):
    """A file that may not be read says whose right is missing."""
    path = tmp_path / "locked.toml"
    path.write_text("")
    path.chmod(0)
    request.getfixturevalue("nobody")

    with pytest.raises(ConfigurationError, match="reading is not permitted"):
        load(path, Whole)


def test_a_long_list_of_errors_ends(wrong):
    """A file that is wrong everywhere gives fifty errors and a count."""
    text = wrong("".join(f"key{n} = 1\n" for n in range(60)))

    assert text.count("unknown key") == 50
    assert text.endswith("bad.toml: and 10 more")


POSITIONS = '''\
"quoted key" = """
two lines [not.a.table]
"""
a.b.'c' = 1  # comment [x]

[t.u]
list = [
    1,
    { x = 1, y = [2, 3] },
]
[[t.v]]
[[t.v]]
k = "a # b"
[[t.v.w]]
[t.v.w.deep]
z = 1979-05-27 07:32:00
[[t.v.w]]
'''


def test_positions_of_every_form_of_toml():
    """Multi-line strings, dotted and quoted keys, nested arrays of tables and inline tables keep their lines."""
    lines = lines_of(POSITIONS)

    expected = {
        ("quoted key",): 1,
        ("a", "b", "c"): 4,
        ("t", "u"): 6,
        ("t", "u", "list"): 7,
        ("t", "u", "list", 0): 8,
        ("t", "u", "list", 1, "x"): 9,
        ("t", "u", "list", 1, "y", 1): 9,
        ("t", "v", 0): 11,
        ("t", "v", 1): 12,
        ("t", "v", 1, "k"): 13,
        ("t", "v", 1, "w", 0): 14,
        ("t", "v", 1, "w", 0, "deep", "z"): 16,
        ("t", "v", 1, "w", 1): 17,
    }
    assert {key: lines.get(key) for key in expected} == expected
