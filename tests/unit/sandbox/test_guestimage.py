import lzma
import stat
from pathlib import Path

import yaml

from drover.sandbox import guestimage
from drover.sandbox.cpio import Entry
from drover.sandbox.layout import CHECKOUT

ENTRIES = tuple(guestimage.initramfs(b"busybox", {"virtio": b"ko"}))


def find(path: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.path == path)


def test_every_file_of_the_guest_lies_in_a_directory_made_before() -> None:
    seen = {"."}
    for entry in ENTRIES:
        assert str(Path(entry.path).parent) in seen
        seen |= {entry.path} if stat.S_ISDIR(entry.mode) else set()


def test_nothing_is_in_the_guest_twice() -> None:
    paths = [entry.path for entry in ENTRIES]

    assert sorted(paths) == sorted(set(paths))


def test_scripts_of_the_guest_can_be_run() -> None:
    scripts = [*guestimage.SCRIPTS, guestimage.POWER_BUTTON, "www/cgi-bin/command"]

    assert all(find(path).mode & 0o111 for path in scripts)


def test_every_command_is_told_by_its_name() -> None:
    text = find("www/cgi-bin/command").content.decode()

    assert [name for name in guestimage.COMMANDS if name not in text] == []


def test_modules_are_loaded_in_the_order_given(tmp_path: Path) -> None:
    for name in ("virtio_net.ko", "virtio.ko", "other.ko"):
        (tmp_path / name).write_bytes(name.encode())

    assert list(guestimage.read_modules(tmp_path)) == ["virtio", "virtio_net"]


def test_compressed_modules_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "virtio.ko.xz").write_bytes(lzma.compress(b"code"))

    assert guestimage.read_modules(tmp_path) == {"virtio": b"code"}


def test_the_quickstart_boots_with_the_arguments_that_the_guest_needs() -> None:
    documents = yaml.safe_load_all((CHECKOUT / "manifests" / "examples" / "quickstart.yaml").read_text())
    kernel = next(item for item in documents if item["kind"] == "VirtualMachineImage")["spec"]["kernel"]

    assert kernel["arguments"] == guestimage.ARGUMENTS
    assert kernel["source"]["http"]["url"].endswith(f"/{guestimage.NAME}/vmlinuz")


def test_the_image_is_named_after_what_is_in_it() -> None:
    assert guestimage.key() == guestimage.key()
