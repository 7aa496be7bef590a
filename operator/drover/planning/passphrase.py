"""What opens an encrypted volume: taken from a Secret, and shown to nobody."""

from drover.api.cloudinit import SecretKey
from drover.errors import NotReady
from drover.state.host import Passphrase

MOST_BYTES = 512
LOOK_SECONDS = 10.0
"""How soon a Secret is read again that holds nothing of use."""


def read(content: bytes, disk: str, key: SecretKey) -> Passphrase:
    """Take the passphrase of a disk from a Secret's value; `NotReady` when there is none in it. It is never quoted."""
    # An editor leaves a line end behind, which nobody takes for a part of a passphrase.
    text = content.rstrip(b"\r\n")
    where = f"disk {disk}: Secret {key.name}, key {key.key}"
    if not text:
        raise NotReady(f"{where} is empty, and a passphrase is not", reason="KeyEmpty", delay=LOOK_SECONDS)
    if len(text) > MOST_BYTES or not _is_text(text):
        words = f"is no passphrase: UTF-8 without null bytes, at most {MOST_BYTES} bytes"
        raise NotReady(f"{where} {words}", reason="KeyInvalid", delay=LOOK_SECONDS)
    return Passphrase(text)


def _is_text(content: bytes) -> bool:
    """QEMU takes nothing else, random bytes neither."""
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def refused(disk: str, volume: str, key: SecretKey) -> NotReady:
    """Say that a passphrase does not open what was written with another one."""
    words = (
        f"disk {disk}: Secret {key.name}, key {key.key} does not open volume {volume}, which was encrypted with another"
        " passphrase; its data is kept"
    )
    return NotReady(words, reason="WrongKey", delay=LOOK_SECONDS)
