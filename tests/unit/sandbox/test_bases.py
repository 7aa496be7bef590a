from pathlib import Path

import pytest

from drover.errors import Unsupported
from drover.sandbox import bases


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def install(directory: Path, **scripts: str) -> None:
    directory.mkdir()
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)


def test_buildah_keeps_apart_from_what_else_the_machine_builds(tmp_path: Path) -> None:
    command = bases.buildah("images")

    assert (command[2], command[4]) == (tmp_path / "drover/buildah/root", tmp_path / "drover/buildah/run")


def test_the_stand_in_is_a_small_debian() -> None:
    command = bases.bootstrap(Path("root.tar"))

    assert (command[0], command[-2:]) == ("mmdebstrap", (bases.SUITE, Path("root.tar")))


def test_another_recipe_makes_another_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bases.reference()
    monkeypatch.setattr(bases, "EXCLUDED", ())

    assert bases.reference() != before


async def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsupported, match="needs buildah and mmdebstrap: install"):
        await bases.provide()


async def test_a_stand_in_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "log"
    note = f'echo "$(basename "$0") $*" >> {log}'
    install(
        tmp_path / "bin",
        buildah=f'{note}; case "$*" in *images*) grep -q commit {log} && echo known;; *from*) echo box;; esac; true',
        mmdebstrap=note,
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    first, second = await bases.provide(), await bases.provide()

    assert first == second == bases.reference()
    assert [log.read_text().count(word) for word in ("mmdebstrap", "commit", " rm box")] == [1, 1, 1]


async def test_a_stand_in_is_made_by_root_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path / "bin", buildah="true", mmdebstrap="true")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Unsupported, match="needs root"):
        await bases.provide()
