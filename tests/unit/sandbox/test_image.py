import os
from pathlib import Path

import pytest

from drover import __version__
from drover.sandbox import bases, image
from drover.sandbox.layout import CHECKOUT, Layout
from drover.sandbox.progress import silent

SOURCE = Path("operator/drover/agent/__main__.py")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "drover"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*image.RECIPE, SOURCE, "operator/drover/sandbox/node.py", "README.md"):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    return tmp_path / "checkout"


@pytest.mark.parametrize("name", [*image.RECIPE, str(SOURCE), "operator/drover/new.py"])
def test_an_image_is_another_when_something_in_it_changes(checkout: Path, name: str) -> None:
    before = image.key(checkout)
    (checkout / name).write_text("changed")

    assert image.key(checkout) != before


@pytest.mark.parametrize("name", ["README.md", "operator/drover/sandbox/node.py", "operator/drover/agent/x.pyc"])
def test_an_image_is_the_same_when_something_else_changes(checkout: Path, name: str) -> None:
    before = image.key(checkout)
    (checkout / name).write_text("changed")

    assert image.key(checkout) == before


def test_an_image_is_another_on_another_base(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.key(checkout)
    monkeypatch.setattr(bases, "SUITE", "forky")

    assert image.key(checkout) != before


def test_a_file_that_moves_makes_another_image(checkout: Path) -> None:
    before = image.key(checkout)
    (checkout / SOURCE).rename(checkout / SOURCE.with_name("moved.py"))

    assert image.key(checkout) != before


def test_a_copy_of_the_checkout_makes_the_same_image(checkout: Path, tmp_path: Path) -> None:
    copied = image.copy(checkout, tmp_path / "copied")

    assert (image.key(copied), (copied / "README.md").exists()) == (image.key(checkout), False)


def test_an_archive_knows_the_name_of_its_image(checkout: Path, cache: Path) -> None:
    archive = cache / "image" / image.key(checkout) / image.ARCHIVE

    assert image.name_of(archive) == image.reference(checkout)


def test_secrets_are_given_to_the_build_by_name_and_the_base_too(tmp_path: Path) -> None:
    command = [str(word) for word in image.building("localhost/drover:1", "localhost/base:1", {"pip": tmp_path})]

    assert command[command.index("--secret") + 1] == f"id=pip,src={tmp_path}"
    assert command[command.index("--build-arg") + 1] == "BASE=localhost/base:1"
    assert command[-3:] == ["--tag", "localhost/drover:1", "--"]


def test_the_settings_of_pip_win_from_file_to_file_and_by_variables(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[global]\nindex-url = https://a.example\nextra-index-url =\n  https://b.example\n")
    (tmp_path / "b").write_text("[global]\nfind-links = /wheels\ntimeout = 9\n[install]\nproxy = p\n")
    paths = (tmp_path / "missing", tmp_path / "a", tmp_path / "b")

    assert image.pip_settings(paths, {"PIP_INDEX_URL": "https://c.example"}) == {
        "index-url": "https://c.example",
        "extra-index-url": "https://b.example",
        "timeout": "9",
    }


def test_a_machine_without_settings_has_none(tmp_path: Path) -> None:
    assert image.pip_settings([tmp_path / "missing"], {}) == {}


def test_certificates_of_the_machine_are_a_secret_that_pip_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("certificates")
    secrets = image.write_secrets(tmp_path, {"SSL_CERT_FILE": str(tmp_path / "ca.crt")})

    assert secrets["ca"] == tmp_path / "ca.crt"
    assert "cert = /run/secrets/ca" in secrets["pip"].read_text()


def test_a_machine_without_certificates_gives_none(tmp_path: Path) -> None:
    secrets = image.write_secrets(tmp_path, {"SSL_CERT_FILE": str(tmp_path / "missing")})

    assert ("ca" in secrets, "cert" in secrets["pip"].read_text()) == (False, False)


async def test_an_image_is_built_once_and_again_when_the_program_changes(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    pretend(tmp_path / "bin", log)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(image, "CHECKOUT", checkout)
    layout = Layout(tmp_path / "state", 1)
    layout.logs.mkdir(parents=True)
    first, second = await image.provide(layout, silent()), await image.provide(layout, silent())
    (checkout / SOURCE).write_text("changed")
    third = await image.provide(layout, silent())

    assert first == second != third
    assert log.read_text().count(" build ") == 2


def pretend(folder: Path, log: Path) -> None:
    """Put a buildah and an mmdebstrap in the way that only write down what they are told."""
    folder.mkdir()
    for name in ("buildah", "mmdebstrap"):
        (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {log}\ncase "$*" in *from*) echo box;; esac\n')
        (folder / name).chmod(0o755)


async def test_old_images_leave_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "buildah", lambda *words: ("true", *words))
    for number in range(image.KEPT + 1):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
        os.utime(tmp_path / "images" / str(number), (number, number))
    await image.prune(tmp_path / "images")

    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["1", "2", "3", "4"]


def test_the_image_is_of_the_version_of_the_program() -> None:
    assert f"ARG VERSION={__version__}\n" in (CHECKOUT / "Dockerfile").read_text()


def test_what_the_build_ignores_is_what_the_key_leaves_out() -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().split("\n")

    assert {f"!{image.SOURCE}", "!requirements/runtime.txt", f"{image.SOURCE}/sandbox"} <= set(ignored)


def test_the_stand_in_is_of_the_release_that_the_dockerfile_names() -> None:
    assert f"ARG BASE=debian:{bases.SUITE}-slim\n" in (CHECKOUT / "Dockerfile").read_text()
