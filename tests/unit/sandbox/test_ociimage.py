import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from drover.sandbox import ociimage


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "program").write_bytes(b"#!")
    ociimage.write(tmp_path / "image.tar", "localhost/x:1", {"/bin/x": tmp_path / "program"}, ["/bin/x"])
    return tmp_path / "image.tar"


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        files = ((member.name, opened.extractfile(member)) for member in opened.getmembers() if member.isfile())
        return {name: file.read() for name, file in files if file is not None}


def test_an_image_is_named_by_its_index(archive: Path) -> None:
    (manifest,) = json.loads(read(archive)["index.json"])["manifests"]

    assert manifest["annotations"]["io.containerd.image.name"] == "localhost/x:1"


def test_every_blob_is_named_after_its_content(archive: Path) -> None:
    blobs = {name: content for name, content in read(archive).items() if name.startswith("blobs/")}

    assert len(blobs) == 3
    assert all(name.endswith(hashlib.sha256(content).hexdigest()) for name, content in blobs.items())


def test_the_same_files_make_the_same_image(archive: Path, tmp_path: Path) -> None:
    before = archive.read_bytes()
    ociimage.write(archive, "localhost/x:1", {"/bin/x": tmp_path / "program"}, ["/bin/x"])

    assert archive.read_bytes() == before
