"""Guests for which no Domain speaks."""

import pytest
from tests.support.domains import UID, make_guest, make_record

from drover.planning.orphan import orphans

GUEST = make_guest("Paused", "User", make_record(epoch=3))


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [({}, 1), ({"another": 3}, 1), ({UID: 2}, 1), ({UID: 3}, 0), ({UID: 4}, 0)],
    ids=["no-domain", "another's", "older", "same", "newer"],
)
def test_a_guest_is_an_orphan_unless_a_domain_of_its_epoch_or_a_later_one_speaks_for_it(
    epochs: dict[str, int], expected: int
) -> None:
    assert len(orphans([GUEST], epochs)) == expected


def test_an_orphan_is_told_with_its_name_epoch_and_state() -> None:
    (orphan,) = orphans([GUEST], {})

    assert (orphan.uuid, orphan.name, orphan.epoch, orphan.state) == (UID, "shop.web", 3, "Paused")
