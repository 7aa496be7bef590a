"""What is said of images, pools and networks: the sum of what the nodes report."""

from typing import Any

import pytest
from tests.support.machines import (
    INITRD_URL,
    KERNEL_URL,
    NOW,
    URL,
    make_hypervisor,
    make_image,
    make_kernel,
    make_network,
    make_pool,
)

from drover.planning import image, network, pool
from drover.planning.conditions import find

SHA = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
SHA512 = "sha512:" + "c" * 128


def _held(url: str = URL, digest: str = SHA) -> dict[str, Any]:
    return {"image": "shop/debian", "url": url, "digest": digest, "size": 10, "format": "qcow2", "virtualSize": 2 << 30}


def _reported(name: str, *, ready: bool = True, **fields: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, **fields}


@pytest.mark.parametrize(
    ("spec", "held", "ready", "reason", "nodes"),
    [
        pytest.param({}, {}, "Unknown", "NotNeeded", 0, id="no node has it"),
        pytest.param({}, {"n1": [_held()]}, "True", "Held", 1, id="one has"),
        pytest.param({}, {"n1": [_held()], "n2": [_held()]}, "True", "Held", 2, id="two have"),
        pytest.param({}, {"n1": [_held("http://other")]}, "Unknown", "NotNeeded", 0, id="one has another"),
        pytest.param({"checksum": OTHER}, {"n1": [_held()]}, "False", "DigestMismatch", 0, id="not what was asked for"),
        pytest.param({"checksum": SHA512}, {"n1": [_held()]}, "True", "Held", 1, id="another kind of checksum"),
        pytest.param(
            {}, {"n1": [_held()], "n2": [_held(digest=OTHER)]}, "False", "DigestMismatch", 1, id="the first one counts"
        ),
    ],
)
def test_an_image_is_ready_when_a_node_holds_it_verified(
    spec: dict[str, Any], held: dict[str, Any], ready: str, reason: str, nodes: int
) -> None:
    found = image.status(
        make_image(**spec), [make_hypervisor(node, images=files) for node, files in held.items()], now=NOW
    )
    condition = find(found.conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason, found.nodes) == (ready, reason, nodes)


def test_the_first_digest_that_was_seen_is_recorded_for_good() -> None:
    first = image.status(make_image(), [make_hypervisor(images=[_held()])], now=NOW)
    assert [(file.url, file.digest) for file in first.files or []] == [(URL, SHA)]
    assert (first.format, first.virtual_size) == ("qcow2", "2Gi")
    told = make_image(status=first.model_dump(by_alias=True, exclude_none=True))
    later = image.status(told, [make_hypervisor(images=[_held(digest=OTHER)])], now=NOW)
    assert (later.files, later.format, later.nodes) == (first.files, "qcow2", 0)


def test_a_kernel_is_held_when_all_its_files_are() -> None:
    kernel, files = make_kernel(), [_held(KERNEL_URL), _held(INITRD_URL)]
    assert image.files(kernel.spec) == {KERNEL_URL: "", INITRD_URL: ""}
    assert image.status(kernel, [make_hypervisor(images=files[:1])], now=NOW).nodes == 0
    whole = image.status(kernel, [make_hypervisor(images=files)], now=NOW)
    assert (whole.nodes, whole.format, whole.virtual_size) == (1, None, None)
    assert image.files(make_kernel(initrd=None).spec) == {KERNEL_URL: ""}


@pytest.mark.parametrize(
    ("reports", "status", "reason"),
    [
        pytest.param([], "Unknown", "NotReported", id="nobody reports"),
        pytest.param([_reported("default")], "True", "Ready", id="ready"),
        pytest.param([_reported("default", ready=False, message="no room")], "False", "NotReadyOnNode", id="not"),
        pytest.param([_reported("other")], "Unknown", "NotReported", id="another one"),
    ],
)
def test_a_pool_and_a_network_are_ready_when_every_node_says_so(
    reports: list[dict[str, Any]], status: str, reason: str
) -> None:
    hypervisor = make_hypervisor(pools=reports, networks=reports)
    for found in (
        pool.status(make_pool(), [hypervisor], now=NOW),
        network.status(make_network(), [hypervisor], now=NOW),
    ):
        condition = find(found.conditions, "Ready")
        assert condition is not None
        assert (condition.status, condition.reason) == (status, reason)


def test_every_node_is_listed_by_name() -> None:
    reports = [_reported("default")]
    nodes = [make_hypervisor(name, pools=reports, networks=reports) for name in ("n2", "n1")]
    assert [node.name for node in pool.status(make_pool(), nodes, now=NOW).nodes or []] == ["n1", "n2"]
    assert [node.name for node in network.status(make_network(), nodes, now=NOW).nodes or []] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        pytest.param(
            {"capacity": "100Gi", "available": "50Gi"}, {"capacity": "100Gi", "available": "49Gi"}, "50Gi", id="little"
        ),
        pytest.param(
            {"capacity": "100Gi", "available": "50Gi"}, {"capacity": "100Gi", "available": "40Gi"}, "40Gi", id="much"
        ),
        pytest.param(
            {"capacity": "50Gi", "available": "50Gi"}, {"capacity": "100Gi", "available": "49Gi"}, "49Gi", id="grew"
        ),
        pytest.param({"capacity": "100Gi"}, {"capacity": "100Gi", "available": "49Gi"}, "49Gi", id="first time"),
        pytest.param({"capacity": "100Gi", "available": "49Gi"}, {"capacity": "100Gi"}, None, id="unknown now"),
    ],
)
def test_free_space_is_told_when_it_has_changed_noticeably(before: Any, now: Any, told: str | None) -> None:
    known = make_pool(status={"nodes": [{**before, "name": "n1", "ready": True}]})
    found = pool.status(known, [make_hypervisor(pools=[_reported("default", **now)])], now=NOW)
    assert [node.available for node in found.nodes or []] == [told]
