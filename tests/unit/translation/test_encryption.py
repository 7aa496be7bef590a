"""Encrypted volumes as libvirt and qemu-img are told of them, and where in their files the keys are."""

import json
import struct
from pathlib import PurePosixPath

import pytest
from tests.support.schemas import valid

from drover.translation import encryption
from drover.translation.xml import attribute, parse, text

FILE, IMAGE = PurePosixPath("/pool/a,b.qcow2"), PurePosixPath("/images/abc.qcow2")
PLACE = (0x10000, 0x1F0000)
END = struct.pack(">II", 0, 0)
POINTER = struct.pack(">IIQQ", 0x0537BE77, 16, *PLACE)
NAMES = struct.pack(">II5s3x", 0x6803F857, 5, b"names")


def head(extensions: bytes, method: int = 2) -> bytes:
    """The beginning of a qcow2 file."""
    fields = struct.pack(
        ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, 1 << 26, method, 1, 0, 0, 1, 0, 0, 0, 0, 0, 4, 104
    )
    return fields + extensions


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        pytest.param(head(POINTER + END), (PLACE[0], sum(PLACE)), id="first"),
        pytest.param(head(NAMES + POINTER + END), (PLACE[0], sum(PLACE)), id="after another extension"),
        pytest.param(head(NAMES + END + POINTER), None, id="no extension any more"),
        pytest.param(head(NAMES), None, id="cut short"),
        pytest.param(head(POINTER[:12]), None, id="cut short in it"),
        pytest.param(head(struct.pack(">IIQ", 0x0537BE77, 8, 0) + END), None, id="of another length"),
        pytest.param(head(POINTER + END, method=0), None, id="not encrypted"),
        pytest.param(b"LUKS\xba\xbe", None, id="no qcow2"),
        pytest.param(b"QFI\xfb", None, id="hardly a file"),
    ],
)
def test_the_keys_of_a_file_are_found(beginning: bytes, expected: tuple[int, int] | None) -> None:
    assert encryption.keys(beginning) == expected


def test_libvirt_accepts_a_secret_that_it_keeps_in_memory_and_shows_nobody() -> None:
    tree = parse(encryption.secret("uid"))

    assert valid("secret", tree) == ""
    assert (tree.get("ephemeral"), tree.get("private")) == ("yes", "yes")
    assert (attribute(tree, "usage", "type"), text(tree, "usage/volume")) == ("volume", encryption.usage("uid"))


def test_a_secret_of_somebody_else_is_not_ours() -> None:
    assert [encryption.is_ours(each) for each in (encryption.usage("uid"), "/var/lib/disk.img")] == [True, False]


@pytest.mark.parametrize(
    "words",
    [
        encryption.creation(FILE, 1 << 30, None),
        encryption.creation(FILE, 1 << 30, IMAGE),
        encryption.whole(FILE, IMAGE),
        encryption.enlargement(FILE, 1 << 30),
        encryption.question(FILE),
    ],
    ids=["create", "overlay", "convert", "resize", "open"],
)
def test_a_command_takes_the_passphrase_from_its_standard_input(words: encryption.Words) -> None:
    assert words[words.index("--object") + 1] == "secret,id=key,file=/dev/stdin"


def test_an_overlay_rests_on_its_image() -> None:
    words = encryption.creation(FILE, 1 << 30, IMAGE)

    assert words[words.index("-b") : words.index("--")] == ("-b", str(IMAGE), "-F", "qcow2")
    assert "-b" not in encryption.creation(FILE, 1 << 30, None)


def test_a_file_is_named_whatever_is_in_its_path() -> None:
    told = json.loads(encryption.question(FILE)[-1].removeprefix("json:"))

    assert (told["file"]["filename"], told["backing"]) == (str(FILE), None)
    assert told["encrypt"] == {"format": "luks", "key-secret": "key"}
