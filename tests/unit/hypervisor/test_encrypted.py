"""Encrypted files as qemu-img makes and opens them, with a stand-in for it, and libvirt's secrets."""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Retryable
from drover.hypervisor import encrypted, volume
from drover.state.host import Passphrase
from drover.translation import encryption
from drover.translation import pool as pools
from drover.translation.xml import parse, text

HUSH = Passphrase(b"hush")
NOT_MEASURED = "qemu-img: x: Unable to get accurate CPU usage"
SCRIPT = """#!/bin/sh
cat >{folder}/given
echo "$@" >>{folder}/called
for last; do :; done
if [ "$(wc -l <{folder}/called)" -le {failures} ]; then echo '{complaint}' >&2; exit 1; fi
if [ "$1" = create ]; then while [ "$1" != -- ]; do shift; done; echo whole >"$2"; fi
"""


@dataclass
class Directory:
    """A pool and its files, as libvirt has them."""

    path: Path

    def isActive(self) -> bool:  # noqa: N802
        return True

    def name(self) -> str:
        return "drover-default"

    def XMLDesc(self) -> str:  # noqa: N802
        return pools.document("default", str(self.path))

    def refresh(self) -> None:
        """Nothing is remembered."""

    def storageVolLookupByName(self, name: str) -> "File":  # noqa: N802
        if not (self.path / name).exists():
            raise make_error(libvirt.VIR_ERR_NO_STORAGE_VOL)
        return File(self.path / name)


@dataclass
class File:
    """A volume as libvirt has it."""

    where: Path

    def path(self) -> str:
        return str(self.where)

    def info(self) -> list[int]:
        return [0, 1 << 20, self.where.stat().st_size]

    def delete(self) -> None:
        self.where.unlink()


@dataclass
class Secret:
    """A secret of libvirt's."""

    usage: str
    value: bytes = b""
    gone: bool = False

    def setValue(self, value: bytes) -> None:  # noqa: N802
        self.value = value

    def usageType(self) -> int:  # noqa: N802
        return int(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME)

    def usageID(self) -> str:  # noqa: N802
        return self.usage

    def undefine(self) -> None:
        self.gone = True


@dataclass
class Libvirt:
    """A connection."""

    directory: Directory
    secrets: list[Secret] = field(default_factory=list)

    def storagePoolLookupByName(self, _name: str) -> Directory:  # noqa: N802
        return self.directory

    def listAllSecrets(self) -> list[Secret]:  # noqa: N802
        return [each for each in self.secrets if not each.gone]

    def secretLookupByUsage(self, _kind: int, usage: str) -> Secret:  # noqa: N802
        for each in self.listAllSecrets():
            if each.usage == usage:
                return each
        raise make_error(libvirt.VIR_ERR_NO_SECRET)

    def secretDefineXML(self, document: str) -> Secret:  # noqa: N802
        self.secrets.append(Secret(text(parse(document), "usage/volume")))
        return self.secrets[-1]


@pytest.fixture
def connection(tmp_path: Path) -> Any:
    (tmp_path / "pool").mkdir()
    return Libvirt(Directory(tmp_path / "pool"))


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put something in the place of qemu-img that fails so often with these words."""

    def install(failures: int = 0, complaint: str = NOT_MEASURED) -> Path:
        program = tmp_path / "qemu-img"
        program.write_text(SCRIPT.format(folder=tmp_path, failures=failures, complaint=complaint))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return tmp_path

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return install


def calls(folder: Path) -> int:
    return len((folder / "called").read_text().splitlines())


def test_a_file_gets_its_name_when_it_is_whole_and_is_made_once(connection: Any, qemu: Any) -> None:
    folder = qemu()
    (folder / "pool" / "uid.copy.qcow2").write_text("half a file of an agent that died")

    made = encrypted.create(connection, "default", "uid", 1 << 20, None, HUSH)
    again = encrypted.create(connection, "default", "uid", 1 << 20, None, HUSH)

    assert made == again
    assert [(each.name, each.read_text()) for each in (folder / "pool").iterdir()] == [("uid.qcow2", "whole\n")]
    assert ((folder / "given").read_text(), "hush" in (folder / "called").read_text(), calls(folder)) == (
        "hush",
        False,
        1,
    )


def test_a_measurement_that_fails_is_made_again(connection: Any, qemu: Any) -> None:
    folder = qemu(failures=5)

    encrypted.create(connection, "default", "uid", 1 << 20, None, HUSH)

    assert calls(folder) == 6


def test_a_measurement_that_always_fails_is_told(connection: Any, qemu: Any) -> None:
    folder = qemu(failures=1000)

    with pytest.raises(Retryable, match="accurate CPU usage"):
        encrypted.create(connection, "default", "uid", 1 << 20, None, HUSH)

    assert calls(folder) == encrypted.TRIES


@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        ("Invalid password, cannot unlock any keyslot", "WrongKey"),
        ("No encryption in image header, but options specified format luks", "NotEncrypted"),
        (volume.NO_SPACE, "PoolFull"),
        ("what else there is", "EncryptionFailed"),
    ],
)
def test_what_qemu_says_becomes_a_reason_at_once(connection: Any, qemu: Any, complaint: str, reason: str) -> None:
    folder = qemu(failures=1000, complaint=complaint)

    with pytest.raises(Retryable) as caught:
        encrypted.check(connection, "default", "uid", HUSH)

    assert (caught.value.reason, calls(folder)) == (reason, 1)


def test_a_file_becomes_larger_and_never_smaller(connection: Any, qemu: Any) -> None:
    folder = qemu()
    assert encrypted.grow(connection, "default", "uid", 1 << 21, HUSH) is None
    (folder / "pool" / "uid.qcow2").touch()
    encrypted.grow(connection, "default", "uid", 1 << 21, HUSH)
    encrypted.grow(connection, "default", "uid", 1 << 19, HUSH)

    assert (folder / "called").read_text().startswith("resize")
    assert calls(folder) == 1


def test_a_passphrase_is_lent_to_libvirt_and_taken_back(connection: Any) -> None:
    encrypted.lend(connection, "uid", HUSH)
    encrypted.lend(connection, "uid", Passphrase(b"another"))
    assert [each.value for each in connection.listAllSecrets()] == [b"another"]

    encrypted.take_back(connection, "uid")
    encrypted.take_back(connection, "uid")
    assert connection.listAllSecrets() == []


def test_what_a_dead_agent_left_is_taken_back_and_nothing_else(connection: Any) -> None:
    connection.secrets = [Secret(each) for each in (encryption.usage("a"), encryption.usage("b"), "/strangers.img")]

    encrypted.take_back_all(connection, {"b"})

    assert [each.usage for each in connection.listAllSecrets()] == [encryption.usage("b"), "/strangers.img"]


def test_of_an_encrypted_volume_the_keys_are_wiped(connection: Any, tmp_path: Path) -> None:
    path = tmp_path / "pool" / "uid.qcow2"
    pointer = b"\x05\x37\xbe\x77" + (16).to_bytes(4) + (512).to_bytes(8) + (256).to_bytes(8)
    beginning = b"QFI\xfb" + (3).to_bytes(4) + bytes(24) + (2).to_bytes(4) + bytes(64) + (104).to_bytes(4) + pointer
    path.write_bytes(beginning.ljust(512, b"h") + b"k" * 256 + b"d" * 512)

    volume.wipe(connection, "default", "uid")

    found = path.read_bytes()
    assert (found[512:768], found[768:]) == (bytes(256), b"d" * 512)
    assert found.startswith(beginning)
