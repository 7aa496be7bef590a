"""Disk images for tests, made by hand or by qemu-img."""

import hashlib
import struct
import subprocess
from pathlib import Path

KERNEL = b"a kernel, any bytes at all " * 4096
RAW = bytes(510) + b"\x55\xaa" + bytes(1 << 20)


def sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def sha512(body: bytes) -> str:
    return f"sha512:{hashlib.sha512(body).hexdigest()}"


def qcow2(folder: Path, *options: str, size: str = "4M") -> bytes:
    """A blank qcow2 file by qemu-img."""
    path = folder / "made.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)
    body = path.read_bytes()
    path.unlink()
    return body


def converted(folder: Path, form: str, *options: str, body: bytes = RAW) -> bytes:
    """A raw disk in another format."""
    raw, made = folder / "source.raw", folder / f"made.{form}"
    raw.write_bytes(body)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", form, *options, raw, made], check=True)
    found = made.read_bytes()
    raw.unlink()
    made.unlink()
    return found


def plain(path: Path) -> bytes:
    """What a guest sees of a qcow2 file."""
    made = path.with_suffix(".plain")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, made], check=True)
    found = made.read_bytes()
    made.unlink()
    return found


def backed(folder: Path) -> bytes:
    """A qcow2 file on top of another file."""
    return qcow2(folder, "-u", "-b", "/etc/passwd", "-F", "raw")


def with_data_file(folder: Path) -> bytes:
    """A qcow2 file whose data is in another file."""
    data = folder / "data.raw"
    body = qcow2(folder, "-o", f"data_file={data}")
    data.unlink()
    return body


def patched(body: bytes, offset: int, layout: str, value: int) -> bytes:
    """A header with one field changed."""
    changed = bytearray(body)
    struct.pack_into(layout, changed, offset, value)
    return bytes(changed)
