"""Files of the image cache as others name them."""

import pytest
from tests.unit.translation.test_diskimage import make_header

from drover.translation.imagename import HEAD_BYTES, backing, digests

DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"<source file='/var/lib/drover/images/{DIGEST}.qcow2'/>", {DIGEST}),
        (f'json:{{"file.filename": "{DIGEST}"}}', {DIGEST}),
        ("<source file='/pool/uid.qcow2'/>", set()),
    ],
)
def test_a_cached_file_is_known_by_its_digest(text: str, found: set[str]) -> None:
    assert digests(text) == found


@pytest.mark.parametrize(
    ("head", "place"),
    [
        pytest.param(make_header(backing=112), (112, 0), id="an overlay"),
        pytest.param(make_header(), None, id="a whole disk"),
        pytest.param(bytes(HEAD_BYTES), None, id="a raw disk"),
        pytest.param(b"QFI", None, id="hardly anything"),
    ],
)
def test_a_disk_names_the_file_on_which_it_rests(head: bytes, place: tuple[int, int] | None) -> None:
    assert backing(head.ljust(HEAD_BYTES, b"\0") if len(head) > 3 else head) == place
