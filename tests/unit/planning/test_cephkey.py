"""What is taken for a key of a Ceph cluster."""

from base64 import b64decode

import pytest

from drover.api.cloudinit import SecretKey
from drover.api.pool import RBDPool
from drover.errors import NotReady
from drover.planning import cephkey
from drover.state.host import CephKey

WHERE = SecretKey(name="ceph", key="key")
TEXT = b"AQCKUwJrzsN7JBAAwGVFU4jYo56IJUvCN1mwOQ=="


@pytest.mark.parametrize("content", [TEXT, TEXT + b"\n", b" " + TEXT])
def test_a_key_is_what_ceph_prints_without_what_is_around_it(content: bytes) -> None:
    assert cephkey.read(content, WHERE) == CephKey(b64decode(TEXT))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"\n", "KeyEmpty", id="nothing"),
        pytest.param(b"[client.drover]\n\tkey = " + TEXT, "KeyInvalid", id="a whole keyring"),
        pytest.param(b"aHVzaA==", "KeyInvalid", id="something short"),
        pytest.param(TEXT[:-8], "KeyInvalid", id="a part of it"),
    ],
)
def test_anything_else_is_refused_and_never_quoted(content: bytes, reason: str) -> None:
    with pytest.raises(NotReady, match="Secret ceph, key key is") as caught:
        cephkey.read(content, WHERE)

    assert caught.value.reason == reason
    assert "AQCK" not in str(caught.value)


@pytest.mark.parametrize(("reference", "expected"), [({}, "key"), ({"key": "userKey"}, "userKey")])
def test_a_pool_names_its_secret_and_may_leave_out_the_key_in_it(reference: dict[str, str], expected: str) -> None:
    spec = RBDPool.model_validate(
        {"monitors": ["a"], "pool": "vms", "user": "drover", "keySecretRef": {"name": "ceph", **reference}}
    )

    assert cephkey.secret(spec) == SecretKey(name="ceph", key=expected)


def test_a_key_is_not_shown_by_mistake() -> None:
    assert "hush" not in repr(CephKey(b"hush"))
