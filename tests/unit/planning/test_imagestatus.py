"""What is said of an image is about that image, not about its URL."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.machines import INITRD_URL, KERNEL_URL, NOW, URL, http, make_hypervisor, make_image, make_kernel

from drover.api.image import VirtualMachineImageStatus
from drover.planning import image
from drover.planning.conditions import find

SHA, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SHA512 = "sha512:" + "c" * 128
SOURCE = http(URL)
PRIVATE = {"source": {**SOURCE, "http": {**SOURCE["http"], "headersSecretRef": {"name": "keys"}}}}
RECORDED = {"files": [{"url": URL, "digest": SHA}]}
CONTENT = {KERNEL_URL: SHA, INITRD_URL: OTHER, URL: OTHER}
FAILURE = {"reason": "Forbidden", "message": "no"}


def held(by: str, digest: str = SHA, url: str = URL, access: str = "Shared", **more: Any) -> dict[str, Any]:
    """A file that was fetched for the image `by`; one that took a Secret is its own."""
    return {"image": by, "url": url, "digest": digest, "size": 10, "virtualSize": 1 << 30, "access": access, **more}


def told(spec: dict[str, Any], *nodes: list[dict[str, Any]], status: Any = None) -> VirtualMachineImageStatus:
    """What is said of the image shop/debian."""
    hypervisors = [make_hypervisor(f"n{number}", images=files) for number, files in enumerate(nodes)]
    return image.status(make_image(status=status, **spec), hypervisors, now=NOW)


def ready(status: VirtualMachineImageStatus) -> tuple[str, str]:
    condition = find(status.conditions, "Ready")
    assert condition is not None
    return condition.status, condition.reason


OWN, HIDDEN = held("shop/debian", access="Own"), held("rival/disk", access="Own")
PUBLIC, CHANGED = held("rival/disk"), held("rival/disk", OTHER)


@pytest.mark.parametrize(
    "spec", [{}, {"checksum": SHA}, {"checksum": SHA512}, PRIVATE], ids=["bare", "sha256", "sha512", "Secret"]
)
def test_of_a_file_that_took_another_images_secret_nothing_is_told(spec: dict[str, Any]) -> None:
    hidden = HIDDEN | {"checksum": SHA512, "format": "vmdk", "downloadSize": 9}
    failing = held("rival/disk", "", access="Own", **FAILURE)
    assert told(spec, [hidden], [failing], [failing | {"stage": "Converting"}]) == told(spec)


def test_what_a_server_says_to_others_is_not_the_first_digest_of_an_image_with_a_secret() -> None:
    assert told(PRIVATE, [CHANGED]) == told(PRIVATE)
    found = told(PRIVATE, [CHANGED], [CHANGED, OWN], [OWN, CHANGED])
    assert (found.digest, found.nodes, ready(found)) == (SHA, 2, ("True", "Held"))


@pytest.mark.parametrize(
    ("spec", "status", "report", "digest", "nodes"),
    [
        pytest.param({}, {}, PUBLIC, SHA, 1, id="any will do"),
        pytest.param({}, RECORDED, PUBLIC, SHA, 1, id="the recorded one"),
        pytest.param({}, RECORDED, CHANGED, SHA, 0, id="another than the recorded one"),
        pytest.param({"checksum": SHA}, {}, PUBLIC, SHA, 1, id="the one asked for"),
        pytest.param({"checksum": SHA}, {}, CHANGED, SHA, 0, id="another than asked for"),
        pytest.param({"checksum": SHA512}, {}, PUBLIC | {"checksum": SHA512}, SHA, 1, id="the sha512 asked for"),
        pytest.param({"checksum": SHA512}, {}, PUBLIC, None, 0, id="nobody knows its sha512"),
        pytest.param(PRIVATE, {}, PUBLIC, None, 0, id="with a Secret, any will do"),
        pytest.param(PRIVATE, RECORDED, PUBLIC, SHA, 1, id="with a Secret, the recorded one"),
        pytest.param(PRIVATE | {"checksum": SHA}, {}, PUBLIC, SHA, 1, id="with a Secret, the one asked for"),
    ],
)
def test_a_file_that_anybody_may_fetch_serves_every_image_that_a_node_gives_it_to(
    spec: dict[str, Any], status: Any, report: dict[str, Any], digest: str | None, nodes: int
) -> None:
    found = told(spec, [report], status=status)
    assert (found.digest, found.nodes) == (digest, nodes)
    assert ready(found) == (("True", "Held") if nodes else ("Unknown", "NotNeeded"))


def test_the_digest_of_what_was_fetched_for_the_image_itself_is_recorded_before_that_of_others() -> None:
    found = told({}, [CHANGED], [held("shop/debian")])
    assert (found.digest, found.nodes, ready(found)) == (SHA, 1, ("True", "Held"))


def test_that_another_image_cannot_be_fetched_or_is_being_fetched_is_not_told_of_this_one() -> None:
    failing = held("rival/disk", "", **FAILURE)
    assert told({}, [failing], [failing | {"reason": "", "stage": "Downloading"}]) == told({})
    found = told({}, [failing, held("shop/debian")])
    assert (found.nodes, ready(found)) == (1, ("True", "Held"))


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(CONTENT)), st.sampled_from(["shop/tiny", "shop/b", "rival/c"]))))
def test_of_servers_that_answer_everybody_alike_it_does_not_matter_who_asked(nodes: list[dict[str, str]]) -> None:
    reports = [[held(by, CONTENT[url], url) for url, by in files.items()] for files in nodes]
    found = image.status(make_kernel(), [make_hypervisor(f"n{n}", images=r) for n, r in enumerate(reports)], now=NOW)
    assert found.nodes == sum({KERNEL_URL, INITRD_URL} <= files.keys() for files in nodes)
    seen = {url for files in nodes for url in files} - {URL}
    assert {file.url: file.digest for file in found.files or []} == {url: CONTENT[url] for url in seen}
    assert ready(found)[0] == ("True" if found.nodes else "Unknown")
