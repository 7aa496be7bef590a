from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from drover.sandbox import images


async def test_a_part_of_a_file_is_served_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "file").write_bytes(b"0123456789")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file").symlink_to(tmp_path / "cache" / "file")

    async with TestClient(TestServer(images.application(tmp_path / "served"))) as client:
        response = await client.get("/file", headers={"Range": "bytes=2-4"})
        assert (response.status, await response.read()) == (206, b"234")


async def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    async with TestClient(TestServer(images.application(tmp_path))) as client:
        assert (await client.get("/none")).status == 404
