from typing import Any

import pytest
from tests.support.machines import (
    SHOP,
    URL,
    make_catalog,
    make_domain,
    make_image,
    make_kernel,
    make_machine,
    make_pool,
    make_volume,
    notes,
)

from drover.api.cloudinit import CloudInit, SecretKey
from drover.planning import nodeapi
from drover.planning.view import MachineView

AGENT = "system:serviceaccount:drover-system:drover-agent"
FAST = {"disk": "fast"}
OURS = {"name": "boot", "key": "user"}
OTHER = {"name": "admin", "key": "token"}


def review(name: str = AGENT, node: Any = ("n1",), *, authenticated: bool = True) -> dict[str, Any]:
    extra = {nodeapi.NODE_CLAIM: list(node)} if node else {}
    return {"authenticated": authenticated, "user": {"username": name, "extra": extra}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(review(), "n1", id="an agent"),
        pytest.param(review(authenticated=False), "", id="a token that is not good"),
        pytest.param(review("system:serviceaccount:drover-system:drover-controller"), "", id="another account"),
        pytest.param(review("system:serviceaccount:shop:drover-agent"), "", id="an account of this name elsewhere"),
        pytest.param(review(node=()), "", id="a token bound to no node"),
        pytest.param(review(node=("n1", "n2")), "", id="two nodes"),
        pytest.param({}, "", id="no answer"),
    ],
)
def test_only_a_token_of_an_agent_on_a_node_tells_a_node(status: dict[str, Any], expected: str) -> None:
    assert nodeapi.node_of(status, "drover-system") == expected


def test_a_domain_is_known_to_its_own_node_alone() -> None:
    domain, machine = make_domain(), make_machine(status={"nodeName": "n1"})

    assert [nodeapi.may_read(domain, machine, (), node) for node in ("n1", "n2", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("machine", "places", "expected"),
    [
        pytest.param(make_machine(), {"n1"}, True, id="the scheduler gave it a place there"),
        pytest.param(make_machine(), {"n2"}, False, id="its place is elsewhere"),
        pytest.param(make_machine(status={"nodeName": "n2"}), (), False, id="it is said to be elsewhere"),
        pytest.param(make_machine({"uid": "uid-other"}), {"n1"}, False, id="another machine of its name"),
    ],
)
def test_a_domain_alone_proves_nothing(machine: MachineView, places: set[str], expected: Any) -> None:
    assert nodeapi.may_read(make_domain(), machine, places, "n1") is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"userDataSecretRef": OURS}, (SecretKey(name="boot", key="user"),), id="the machine names it"),
        pytest.param({}, (), id="the machine does not name it any more"),
        pytest.param({"userDataSecretRef": OTHER}, (), id="the machine names another"),
    ],
)
def test_what_a_domain_names_counts_only_as_far_as_its_machine_does(
    given: Any, expected: tuple[SecretKey, ...]
) -> None:
    domain = make_domain(seed={"hostname": "web", "userData": {"secret": OURS}})

    assert nodeapi.readable(domain, CloudInit.model_validate(given)) == expected
    assert nodeapi.readable(domain, None) == ()


PRIVATE: Any = {"source": {"type": "HTTP", "http": {"url": URL, "headersSecretRef": {"name": "keys"}}}}
ROOT = {"name": "root", "volume": "web.root", "volumeUid": "u", "pool": "default"}


@pytest.mark.parametrize(
    ("image", "secret", "known", "allowed"),
    [
        pytest.param(make_image(**PRIVATE), "keys", True, True, id="the machine's image names it"),
        pytest.param(make_image(**PRIVATE), "other", True, False, id="another Secret"),
        pytest.param(make_image(), "keys", True, False, id="the image names none"),
        pytest.param(make_image(**PRIVATE), "keys", False, False, id="the machine does not use the image"),
        pytest.param(make_image(namespace="library", **PRIVATE), "keys", True, False, id="an image that is not shared"),
        pytest.param(None, "keys", True, False, id="no image"),
    ],
)
def test_an_images_secret_is_for_machines_that_use_it(image: Any, secret: str, *, known: bool, allowed: bool) -> None:
    name = str(image.meta.key) if image else "shop/debian"
    domain = make_domain(disks=[ROOT | {"image": {"image": name, "source": {"url": URL}}}])
    catalog = make_catalog(images={name: image} if known and image else {})

    assert nodeapi.may_fetch(domain, image, secret, catalog) is allowed


ENCRYPTION: Any = {"encryption": {"keySecretRef": OURS}}
DISK = {"name": "root", "size": "1Gi"}


@pytest.mark.parametrize(
    ("volume", "machine", "opened"),
    [
        pytest.param(make_volume(**ENCRYPTION), {"disks": [DISK]}, True, id="its machine has it"),
        pytest.param(make_volume(), {"disks": [DISK]}, False, id="it is not encrypted"),
        pytest.param(None, {"disks": [DISK]}, False, id="there is none"),
        pytest.param(make_volume(**ENCRYPTION), {"disks": []}, False, id="its machine does not name it any more"),
        pytest.param(make_volume(meta={"uid": "v"}, **ENCRYPTION), {"disks": [DISK]}, False, id="another of its name"),
        pytest.param(make_volume("other", **ENCRYPTION), {"disks": [DISK]}, False, id="another volume"),
        pytest.param(
            make_volume(meta={"annotations": notes(machine_uid="uid-other")}, **ENCRYPTION),
            {"disks": [DISK]},
            False,
            id="another machine's",
        ),
    ],
)
def test_a_passphrase_is_for_the_machine_that_holds_its_volume(volume: Any, machine: Any, *, opened: bool) -> None:
    root = ROOT | {"volumeUid": make_volume().meta.uid}

    found = nodeapi.passphrase(make_domain(disks=[root]), make_machine(**machine), volume)
    assert found == (SecretKey(name="boot", key="user") if opened else None)


def test_a_kernels_secret_is_for_machines_that_boot_it() -> None:
    image = make_kernel("tiny", **PRIVATE)
    kernel = {"image": f"{SHOP}/tiny", "kernel": {"url": URL}}
    catalog = make_catalog(images={f"{SHOP}/tiny": image})

    found = [nodeapi.may_fetch(make_domain(kernel=each), image, "keys", catalog) for each in (kernel, None)]
    assert found == [True, False]


def test_an_isos_secret_is_for_machines_with_it_in_a_drive() -> None:
    image = make_image(type="ISO", **PRIVATE)
    medium = {"name": "cd", "image": {"image": str(image.meta.key), "source": {"url": URL, "type": "ISO"}}}
    catalog = make_catalog(images={str(image.meta.key): image})

    found = [nodeapi.may_fetch(make_domain(media=each), image, "keys", catalog) for each in ([medium], [])]
    assert found == [True, False]


CEPH = {"monitors": ["a"], "pool": "vms", "user": "drover", "keySecretRef": {"name": "ceph"}}


@pytest.mark.parametrize(
    ("pool", "known"),
    [
        pytest.param(make_pool("vms", type="RBD", directory=None, rbd=CEPH), True, id="every node"),
        pytest.param(make_pool("vms", type="RBD", directory=None, rbd=CEPH, nodeSelector=FAST), True, id="such nodes"),
        pytest.param(
            make_pool("vms", type="RBD", directory=None, rbd=CEPH, nodeSelector={"a": "b"}), False, id="other nodes"
        ),
        pytest.param(make_pool("files"), False, id="a pool without a key"),
        pytest.param(None, False, id="no pool"),
    ],
)
def test_the_key_of_a_pool_is_for_its_nodes(pool: Any, *, known: bool) -> None:
    expected = SecretKey(name="ceph", key="key") if known else None

    assert nodeapi.pool_key(pool, FAST) == expected


def test_the_version_of_a_secret_is_that_of_its_data_alone() -> None:
    told = nodeapi.version("u", {"a": "MQ==", "b": "Mg=="})

    assert told == nodeapi.version("u", {"b": "Mg==", "a": "MQ=="})
    assert len({told, nodeapi.version("u", {"a": "MQ=="}), nodeapi.version("v", {"a": "MQ==", "b": "Mg=="})}) == 3
