"""Verbs on encrypted disk files and libvirt's secrets of them; blocking, see `domain`.

libvirt opens encrypted qcow2 files and makes none, so they are made, enlarged and tried by qemu-img.
"""

import subprocess
from collections.abc import Collection
from pathlib import PurePosixPath

import libvirt
from drover.errors import NotReady, Retryable
from drover.hypervisor import volume
from drover.hypervisor.errors import found
from drover.hypervisor.pool import active, directory
from drover.state.host import Passphrase, VolumeFile
from drover.translation import encryption
from drover.translation import volume as names

TRIES = 12
SECONDS = 300
"""How long a command may take that writes and reads only the header of a file."""
WHOLE_SECONDS = 6 * 3600
"""The same of one that writes all of it."""
WORDS = 500
NOT_MEASURED = "Unable to get accurate CPU usage"
TROUBLE = (
    ("cannot unlock any keyslot", "WrongKey", "the passphrase does not open it"),
    ("No encryption in image header", "NotEncrypted", "its file is not encrypted, although the volume says so"),
    (volume.NO_SPACE, "PoolFull", "its pool has no room left"),
)
"""What qemu-img says, the reason of a condition, and the words for people."""


def create(
    connection: libvirt.virConnect,
    pool: str,
    uid: str,
    size_bytes: int,
    image: PurePosixPath | None,
    passphrase: Passphrase,
) -> VolumeFile:
    """Make an encrypted volume, blank or on top of an image, unless it is there."""

    def write(path: PurePosixPath) -> None:
        _run(encryption.creation(path, size_bytes, image), passphrase)

    return volume.made(connection, pool, uid, write)


def create_whole(
    connection: libvirt.virConnect,
    pool: str,
    uid: str,
    size_bytes: int,
    image: PurePosixPath,
    passphrase: Passphrase,
) -> VolumeFile:
    """Make an encrypted volume with all that is in an image, unless it is there."""

    def write(path: PurePosixPath) -> None:
        _run(encryption.whole(path, image), passphrase, seconds=WHOLE_SECONDS)
        _run(encryption.enlargement(path, size_bytes), passphrase)

    return volume.made(connection, pool, uid, write)


def grow(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, passphrase: Passphrase
) -> VolumeFile | None:
    """Make an encrypted volume larger; never smaller."""
    present = volume.volume(connection, pool, uid)
    if present is None or present.capacity_bytes >= size_bytes:
        return present
    _run(encryption.enlargement(PurePosixPath(present.path), size_bytes), passphrase)
    return volume.volume(connection, pool, uid)


def check(connection: libvirt.virConnect, pool: str, uid: str, passphrase: Passphrase) -> None:
    """Open an encrypted volume that no guest has open: `NotReady` with reason WrongKey when that fails for that."""
    path = PurePosixPath(directory(active(connection, pool))) / names.name(uid)
    _run(encryption.question(path), passphrase)


def lend(connection: libvirt.virConnect, uid: str, passphrase: Passphrase) -> None:
    """Have libvirt know a passphrase."""
    known = _secret(connection, uid) or connection.secretDefineXML(encryption.secret(uid))
    known.setValue(passphrase.value)


def take_back(connection: libvirt.virConnect, uid: str) -> None:
    """Have libvirt forget a passphrase."""
    known = _secret(connection, uid)
    if known is not None:
        found(known.undefine)


def take_back_all(connection: libvirt.virConnect, lent: Collection[str]) -> None:
    """Have libvirt forget all passphrases of volumes but those lent now: an agent that died may have left some."""
    kept = {encryption.usage(uid) for uid in lent}
    for each in connection.listAllSecrets():
        ours = each.usageType() == libvirt.VIR_SECRET_USAGE_TYPE_VOLUME and encryption.is_ours(each.usageID())
        if ours and each.usageID() not in kept:
            found(each.undefine)


def _secret(connection: libvirt.virConnect, uid: str) -> libvirt.virSecret | None:
    kind = libvirt.VIR_SECRET_USAGE_TYPE_VOLUME
    return found(connection.secretLookupByUsage, kind, encryption.usage(uid))


def _run(words: encryption.Words, passphrase: Passphrase, seconds: float = SECONDS) -> None:
    """Run qemu-img; the passphrase reaches it by its standard input, which no list of processes shows."""
    complaint = ""
    for _ in range(TRIES):
        try:
            ended = subprocess.run(
                ["qemu-img", *words],
                input=passphrase.value,
                capture_output=True,
                timeout=seconds,
                check=False,
                umask=0o077,
            )
        except subprocess.TimeoutExpired as error:
            raise Retryable("qemu-img did not come to an end", reason="EncryptionFailed") from error
        if ended.returncode == 0:
            return
        complaint = ended.stderr.decode(errors="replace").strip()
        # QEMU measures how many rounds of its key derivation take two seconds by the CPU time of its thread, which some
        # kernels count in ticks as long as the measurement is: then it sees none go by, and gives up within
        # milliseconds. The next try begins at another point of a tick.
        if NOT_MEASURED not in complaint:
            break
    raise _trouble(complaint)


def _trouble(complaint: str) -> Retryable:
    for told, reason, words in TROUBLE:
        if told in complaint:
            return NotReady(words, reason=reason)
    return Retryable(f"qemu-img: {complaint[:WORDS]}", reason="EncryptionFailed")
