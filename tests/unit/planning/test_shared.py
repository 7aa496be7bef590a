"""What is said of images, pools and networks: the sum of what the nodes report."""

from dataclasses import replace
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
from drover.planning.use import use

SHA = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
SHA512 = "sha512:" + "c" * 128


def _held(url: str = URL, digest: str = SHA, image: str = "shop/debian", **more: Any) -> dict[str, Any]:
    facts = {"digest": digest, "size": 10, "format": "qcow2", "virtualSize": 2 << 30, "access": "Shared"}
    return {"image": image, "url": url, **facts, **more}


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


def _failing(reason: str = "ChecksumMismatch", wanted: str = "", **more: Any) -> dict[str, Any]:
    return {"image": "shop/debian", "url": URL, "reason": reason, "message": "why", "wanted": wanted, **more}


@pytest.mark.parametrize(
    ("spec", "reports", "verified", "ready"),
    [
        pytest.param({}, {"n1": [_failing()]}, ("False", "ChecksumMismatch"), ("False", "ChecksumMismatch"), id="all"),
        pytest.param(
            {},
            {"n1": [_held()], "n2": [_failing("Unreachable")]},
            ("True", "Verified"),
            ("False", "Unreachable"),
            id="one",
        ),
        pytest.param({}, {"n1": [_held()]}, ("True", "Verified"), ("True", "Held"), id="none"),
        pytest.param(
            {}, {"n1": [_failing("Stalled")]}, ("Unknown", "NotFetched"), ("False", "Stalled"), id="the server's fault"
        ),
        pytest.param(
            {"checksum": SHA},
            {"n1": [_failing(wanted=OTHER)]},
            ("Unknown", "NotFetched"),
            ("Unknown", "NotNeeded"),
            id="another image's trouble",
        ),
        pytest.param(
            {},
            {"n1": [_held()], "n2": [_failing(wanted=SHA)]},
            ("False", "ChecksumMismatch"),
            ("False", "ChecksumMismatch"),
            id="not what the first node saw",
        ),
        pytest.param(
            {"checksum": SHA},
            {"n1": [_failing(wanted=SHA, digest=OTHER)]},
            ("False", "DigestMismatch"),
            ("False", "DigestMismatch"),
            id="other content is held",
        ),
    ],
)
def test_nodes_that_cannot_get_an_image_are_told(
    spec: dict[str, Any], reports: dict[str, Any], verified: tuple[str, str], ready: tuple[str, str]
) -> None:
    hypervisors = [make_hypervisor(node, images=files) for node, files in reports.items()]
    found = image.status(make_image(**spec), hypervisors, now=NOW)
    conditions = [find(found.conditions, kind) for kind in ("Verified", "Ready")]
    assert [(each.status, each.reason) for each in conditions if each] == [verified, ready]


def test_nodes_that_fail_alike_are_named_together() -> None:
    hypervisors = [
        make_hypervisor(node, images=[_failing(message=why)]) for node, why in zip("abc", "xxy", strict=True)
    ]
    ready = find(image.status(make_image(), hypervisors, now=NOW).conditions, "Ready")
    assert ready is not None
    assert ready.message == "a, b: x; c: y"


def test_nodes_that_fetch_an_image_are_told() -> None:
    under_way = {"image": "shop/debian", "url": URL, "stage": "Converting", "percent": 40}
    other = under_way | {"url": KERNEL_URL}
    reports = {"n1": [under_way], "n2": [other], "n3": [under_way | {"percent": None}]}
    found = image.status(make_image(), [make_hypervisor(n, images=each) for n, each in reports.items()], now=NOW)

    told = [(each.node_name, each.stage, each.percent) for each in found.fetching or []]
    assert told == [("n1", "Converting", 40), ("n3", "Converting", None)]
    ready = find(found.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("Unknown", "Fetching")


def test_the_size_of_what_is_fetched_is_told_and_kept() -> None:
    fetched = [_held(KERNEL_URL) | {"downloadSize": 1 << 20}, _held(INITRD_URL) | {"downloadSize": 1 << 20}]
    first = image.status(make_kernel(), [make_hypervisor(images=fetched)], now=NOW)
    assert (first.download_size, first.digest) == ("2Mi", SHA)
    told = replace(make_kernel(), status=first)
    assert image.status(told, [make_hypervisor()], now=NOW).download_size == "2Mi"


@pytest.mark.parametrize(("users", "told"), [([], None), (["shop/b", "shop/a"], ["shop/a", "shop/b"])])
def test_who_uses_something_shared_is_told(users: list[str], told: list[str] | None) -> None:
    known = use(users)
    for found in (
        image.status(make_image(), [], now=NOW, use=known),
        pool.status(make_pool(), [], now=NOW, use=known),
        network.status(make_network(), [], now=NOW, use=known),
    ):
        assert (found.in_use_count, found.in_use_by) == (len(users), told)


def test_of_many_users_ten_are_named() -> None:
    known = use([f"shop/{number:02}" for number in range(20, 0, -1)])
    assert (known.count, known.names) == (20, tuple(f"shop/{number:02}" for number in range(1, 11)))


def test_a_network_tells_how_many_of_its_addresses_are_taken() -> None:
    found = network.status(make_network(), [], now=NOW, use=use([], allocated=3))
    assert (found.allocated, found.capacity) == (3, 5)


def test_a_pool_is_as_large_as_all_its_nodes_together() -> None:
    reports = [_reported("default", capacity="100Gi", allocated="40Gi", available="60Gi")]
    hypervisors = [make_hypervisor(name, pools=reports) for name in ("n1", "n2")]
    found = pool.status(make_pool(), hypervisors, now=NOW)
    assert (found.capacity, found.allocated) == ("200Gi", "80Gi")
    assert pool.status(make_pool(), [], now=NOW).capacity is None


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
