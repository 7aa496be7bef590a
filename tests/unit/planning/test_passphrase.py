"""What is taken for a passphrase."""

import pytest

from drover.api.cloudinit import SecretKey
from drover.errors import NotReady
from drover.planning import passphrase
from drover.state.host import Passphrase

KEY = SecretKey(name="vault-key", key="passphrase")


@pytest.mark.parametrize("content", [b"hush hush", b"hush hush\n", b"hush hush\r\n"])
def test_a_line_end_is_no_part_of_a_passphrase(content: bytes) -> None:
    assert passphrase.read(content, "root", KEY) == Passphrase(b"hush hush")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "KeyEmpty", id="nothing"),
        pytest.param(b"\n", "KeyEmpty", id="a line end alone"),
        pytest.param(b"a\0b", "KeyInvalid", id="a null byte"),
        pytest.param(b"\xff\xfe", "KeyInvalid", id="no text"),
        pytest.param(b"x" * 513, "KeyInvalid", id="too long"),
    ],
)
def test_what_qemu_would_not_take_is_refused_and_never_quoted(content: bytes, reason: str) -> None:
    with pytest.raises(NotReady, match="disk root: Secret vault-key, key passphrase is") as caught:
        passphrase.read(content, "root", KEY)

    assert caught.value.reason == reason
    assert "xxx" not in str(caught.value)


def test_a_passphrase_is_not_shown_by_mistake() -> None:
    assert "hush" not in repr(Passphrase(b"hush"))


def test_a_wrong_passphrase_is_told_with_its_volume() -> None:
    error = passphrase.refused("root", "web.root", KEY)

    assert error.reason == "WrongKey"
    assert str(error).endswith(
        "does not open volume web.root, which was encrypted with another passphrase; its data is kept"
    )
