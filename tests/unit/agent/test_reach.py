"""Which servers the node asks for images on behalf of its tenants."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.unit.agent import images
from tests.unit.agent.webserver import content, status, website

from drover.agent.fetch.order import Order, Trouble
from drover.agent.fetch.process import fetch
from drover.agent.fetch.reach import check_by_name, read


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("10.0.0.5", True),
        ("fd00::5", True),
        ("64:ff9b::5db8:d70e", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("224.0.0.1", False),
        ("168.63.129.16", False),
        ("fd00:ec2::254", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_the_nodes_own_services_and_its_clouds_are_out_of_reach(address: str, *, allowed: bool) -> None:
    assert read("*").allows(ip_address(address)) is allowed


@pytest.mark.parametrize(
    ("hosts", "name", "address", "allowed"),
    [
        ("10.0.0.0/8", "mirror.example", "10.1.2.3", True),
        ("10.0.0.0/8", "mirror.example", "192.0.2.1", False),
        ("*, 127.0.0.0/8", "mirror.example", "192.0.2.1", True),
        ("*, 127.0.0.0/8", "localhost", "127.0.0.1", True),
        ("Mirror.example", "mirror.example.", "127.0.0.1", True),
        ("*.example", "mirror.example", "10.0.0.1", True),
        ("*.example", "example", "10.0.0.1", False),
        ("mirror.example", "other.example", "10.0.0.1", False),
        ("fd00::/8", "mirror.example", "10.0.0.1", False),
    ],
)
def test_operators_say_which_servers_may_be_asked(hosts: str, name: str, address: str, *, allowed: bool) -> None:
    reach = read(hosts)

    assert (reach.knows(name) or reach.allows(ip_address(address))) is allowed


@pytest.mark.parametrize(
    ("hosts", "name", "allowed"),
    [
        ("*", "mirror.example", True),
        ("*", "169.254.169.254", False),
        ("*", "10.0.0.1", True),
        ("mirror.example", "mirror.example", True),
        ("10.0.0.0/8", "mirror.example", False),
    ],
)
def test_a_proxy_is_not_sent_where_the_node_may_not_go(hosts: str, name: str, *, allowed: bool) -> None:
    if allowed:
        check_by_name(read(hosts), name)
    else:
        with pytest.raises(Trouble, match="may not be fetched from"):
            check_by_name(read(hosts), name)


async def reason(url: str, folder: Path) -> str:
    with pytest.raises(Trouble) as trouble:
        await fetch(Order(url, folder, kind="File"), lambda *_: None)
    return trouble.value.reason


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_a_server_out_of_reach_is_never_asked(tmp_path: Path, host: str) -> None:
    async with website(content(images.KERNEL)) as site:
        assert await reason(site.url.replace("127.0.0.1", host), tmp_path) == "HostNotAllowed"

    assert site.ranges == []


async def test_a_proxy_of_the_operator_is_asked_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with website(content(images.KERNEL)) as site:
        monkeypatch.setenv("http_proxy", site.url.removesuffix("/image"))
        order = Order("http://mirror.example/image", tmp_path, kind="File")
        result = await fetch(order, lambda *_: None)

    assert result.digest == images.sha256(images.KERNEL)


async def test_a_proxy_is_not_asked_for_what_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with website(content(images.KERNEL)) as site:
        monkeypatch.setenv("http_proxy", site.url.removesuffix("/image"))
        assert await reason("http://169.254.169.254/latest/meta-data", tmp_path) == "HostNotAllowed"

    assert site.ranges == []


async def test_a_redirect_within_reach_is_followed(tmp_path: Path) -> None:
    async with website(status(302, Location="/elsewhere"), content(images.KERNEL)) as site:
        order = Order(site.url, tmp_path, kind="File", hosts="127.0.0.1")
        result = await fetch(order, lambda *_: None)

    assert result.digest == images.sha256(images.KERNEL)
