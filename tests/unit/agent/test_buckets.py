"""Objects in buckets, and headers that only one server may see."""

from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from aiohttp import web
from tests.unit.agent import images
from tests.unit.agent.test_fetch import fetched, left
from tests.unit.agent.webserver import Website, content, status, website

from drover.agent.fetch.order import Order, Trouble
from drover.agent.fetch.s3 import signed

KEYS = {"accessKeyID": "AK", "secretAccessKey": "hush"}


def address(site: str, key: str = "images/debian 12.raw") -> str:
    return f"s3://vms/{quote(key)}?endpoint={quote(site, safe='')}&region=eu-1"


def origin(site: Website) -> str:
    return "http://" + urlsplit(site.url).netloc


@pytest.mark.parametrize("credentials", [{}, KEYS], ids=["public", "private"])
async def test_an_object_is_fetched_from_its_bucket(tmp_path: Path, credentials: dict[str, str]) -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return web.Response(body=images.KERNEL)

    async with website(answer) as site:
        result = await fetched(address(origin(site)), tmp_path, credentials=credentials)

    assert result.digest == images.sha256(images.KERNEL)
    assert [(each.path, "X-Amz-Signature" in each.query) for each in asked] == [
        ("/vms/images/debian 12.raw", bool(credentials))
    ]


def test_a_url_is_signed_for_a_while_without_telling_the_key() -> None:
    url = signed(Order(address("http://s3.example:9000"), Path("/x"), "File", credentials=KEYS | {"sessionToken": "t"}))

    told = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/vms/images/debian%2012.raw"
    assert (told["X-Amz-Expires"], told["X-Amz-Security-Token"]) == (["3600"], ["t"])
    assert told["X-Amz-Credential"][0].startswith("AK/")
    assert "hush" not in url


async def test_credentials_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="secretAccessKey") as caught:
        await fetched(address("http://127.0.0.1:1"), tmp_path, credentials={"accessKeyID": "AK"})

    assert (caught.value.reason, left(tmp_path)) == ("CredentialsInvalid", [])


async def test_headers_from_a_secret_go_to_no_other_server(tmp_path: Path) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(body=images.KERNEL)

    async with website(answer) as other, website(status(302, Location=other.url)) as site:
        await fetched(site.url, tmp_path, credentials={"Authorization": "Bearer hush"})
        await fetched(other.url, tmp_path, credentials={"Authorization": "Bearer hush"})

    assert seen == ["", "Bearer hush"]


async def test_what_is_at_the_end_of_a_redirect_is_kept(tmp_path: Path) -> None:
    async with website(content(images.KERNEL)) as other, website(status(302, Location=other.url)) as site:
        result = await fetched(site.url, tmp_path)

    assert left(tmp_path) == [result.file]
