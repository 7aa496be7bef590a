"""What waits for a restart: Secrets that were written to since the guest was told."""

from typing import Any

import pytest
from tests.support.machines import make_domain

from drover.api.domain import DomainSpec, LiveMachine
from drover.planning import pending
from drover.planning.pending import Rotation
from drover.planning.record import live_machine

NEWER = Rotation({"boot": "9"})
SEED = {"hostname": "web", "userData": {"secret": {"name": "boot", "key": "user"}}, "metaData": {"inline": "a: b"}}


def ordered(**seed: Any) -> DomainSpec:
    """A Domain whose user data stands in a Secret."""
    return make_domain(seed=SEED | seed).spec


def flying(*secrets: str) -> LiveMachine:
    """The machine as it was started, of these versions of its Secrets."""
    return live_machine(ordered()).model_copy(update={"secrets": list(secrets)})


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        pytest.param(["boot 7"], {"boot": "7"}, None, id="the same"),
        pytest.param(["boot 7"], {}, None, id="not looked at yet"),
        pytest.param(["boot 7"], {"boot": "9"}, ("version 7", "version 9"), id="written to"),
        pytest.param(["boot 7"], {"boot": ""}, ("version 7", "which is gone"), id="deleted"),
        pytest.param([], {"boot": "9"}, ("version unknown", "version 9"), id="started while nobody could be asked"),
    ],
)
def test_a_secret_that_was_written_to_is_a_pending_change(
    told: list[str], now: dict[str, str], expected: tuple[str, str] | None
) -> None:
    found = [(each.path, each.live, each.desired) for each in pending.changes(flying(*told), ordered(), Rotation(now))]

    words = [f"Secret boot, {each}" for each in expected or ()]
    assert found == ([("spec.cloudInit.userDataSecretRef", *words)] if words else [])


def test_a_seed_that_is_another_altogether_says_it_once() -> None:
    found = pending.changes(flying("boot 7"), ordered(hostname="db"), NEWER)

    assert [each.path for each in found] == ["spec.cloudInit"]
    assert [each.path for each in pending.changes(flying(), make_domain().spec, NEWER)] == ["spec.cloudInit"]


def test_what_was_said_of_a_secret_stands_until_it_is_looked_at_again() -> None:
    said = pending.changes(flying("boot 7"), ordered(), NEWER)

    assert pending.changes(flying("boot 7"), ordered(), Rotation(told=said)) == said
    assert pending.changes(flying("boot 9"), ordered(), Rotation(told=said)) == []
