"""The image: small, not root, and without anything of the machine that built it."""

import asyncio
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from drover.sandbox import image
from drover.sandbox.layout import Layout
from drover.sandbox.progress import silent

MOST_BYTES = 160 * 10**6
"""Compressed, as a registry holds it."""
CHUNK = 1 << 20
OF_THE_BUILD = re.compile(r"/bin/(gcc|cc|pip3?)|/etc/pip\.conf|/run/secrets/.+$")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout = Layout(tmp_path_factory.mktemp("image"), 0)
    layout.logs.mkdir(parents=True)
    return asyncio.run(image.provide(layout, silent()))


def config(archive: Path) -> dict[str, object]:
    """What a container of the image is started with, and its history."""
    with tarfile.open(archive) as bundle:
        manifest = json.load(bundle.extractfile("manifest.json") or pytest.fail("no manifest"))
        return dict(json.load(bundle.extractfile(manifest[0]["Config"]) or pytest.fail("no configuration")))


def layers(archive: Path) -> Iterator[tarfile.TarFile]:
    """Every layer, opened."""
    with tarfile.open(archive) as bundle:
        manifest = json.load(bundle.extractfile("manifest.json") or pytest.fail("no manifest"))
        for name in manifest[0]["Layers"]:
            with tarfile.open(fileobj=bundle.extractfile(name)) as layer:
                yield layer


def compressed(archive: Path) -> int:
    """Bytes of the archive, compressed as registries do, but more hastily."""
    packer, total = zlib.compressobj(1), 0
    with archive.open("rb") as file:
        while chunk := file.read(CHUNK):
            total += len(packer.compress(chunk))
    return total + len(packer.flush())


def test_the_image_is_small(archive: Path) -> None:
    assert compressed(archive) < MOST_BYTES


def test_it_is_not_root_reaps_its_children_and_can_be_asked_how_it_is(archive: Path) -> None:
    started = config(archive)["config"]

    assert isinstance(started, dict)
    assert (started["User"], started["Entrypoint"]) == ("65532:65532", ["/usr/bin/tini", "--", "drover"])
    assert started["Healthcheck"]["Test"] == ["CMD", "drover", "healthcheck"]


def test_neither_compiler_nor_settings_of_the_build_are_left(archive: Path) -> None:
    names = [f"/{entry.name}" for layer in layers(archive) for entry in layer]

    assert [name for name in names if OF_THE_BUILD.search(name)] == []
    assert "/opt/drover/source/drover/__main__.py" in names
    assert not [name for name in names if name.startswith("/opt/drover/source/drover/sandbox")]


def test_the_history_does_not_know_the_machine_that_built_it(archive: Path) -> None:
    told = json.dumps(config(archive))

    assert not re.search(r"index-url|PIP_INDEX|https?://[^ ]*simple|/root/|" + re.escape(str(Path.cwd())), told)
