import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from drover.sandbox import cpio

HEADER = 110


def test_an_archive_is_what_other_tools_unpack(tmp_path: Path) -> None:
    entries = [cpio.directory("bin"), cpio.file("bin/run", b"#!/bin/sh\n", executable=True), cpio.link("bin/go", "run")]

    subprocess.run(
        ["busybox", "cpio", "-i", "-d"], input=cpio.archive(entries), cwd=tmp_path, check=True, capture_output=True
    )
    assert (tmp_path / "bin" / "go").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "bin" / "go").is_symlink()
    assert (tmp_path / "bin" / "run").stat().st_mode & 0o777 == 0o755


@given(st.text(alphabet="abc", min_size=1, max_size=9), st.binary(max_size=9))
def test_every_record_begins_on_a_multiple_of_four(name: str, content: bytes) -> None:
    archive = cpio.archive([cpio.file(name, content)])

    trailer = archive.index(b"TRAILER!!!") - HEADER
    assert trailer % 4 == 0
    assert archive[trailer:].startswith(cpio.MAGIC)
