from pathlib import Path

import pytest

from drover.errors import Unavailable
from drover.sandbox import release
from drover.sandbox.layout import Layout
from drover.sandbox.progress import silent
from drover.sandbox.settings import Settings

BOX = Layout(Path("/box"), 3)


def test_the_chart_is_told_the_image_the_nodes_hold() -> None:
    told = release.values(BOX, Settings(), "localhost/drover:7")

    assert told["image"] == {"repository": "localhost/drover", "tag": "7", "pullPolicy": "Never"}


def test_the_chart_is_told_the_sandboxs_own_network_and_boots() -> None:
    told = release.values(BOX, Settings(environment={"DROVER_LOG_LEVEL": "DEBUG"}), "localhost/drover:7")

    assert told["defaults"] == {"network": {"cidr": "10.224.48.0/20"}}
    assert told["agent"] == {"extraEnv": {"DROVER_LOG_LEVEL": "DEBUG"}, "bootIDFile": "/run/drover-boot-id"}


@pytest.mark.parametrize(("controllers", "budget"), [(1, False), (2, True)])
def test_a_lone_controller_has_no_budget(controllers: int, *, budget: bool) -> None:
    told = release.values(BOX, Settings(controllers=controllers), "localhost/drover:7")

    assert told["controller"] == {"replicas": controllers, "podDisruptionBudget": budget, "extraEnv": {}}


def test_drovers_own_image_is_found_among_others() -> None:
    held = {"localhost/pause:1": Path("/a"), "localhost/drover:7": Path("/b")}

    assert release.reference(held) == "localhost/drover:7"


async def test_what_is_not_installed_cannot_be_reloaded() -> None:
    with pytest.raises(Unavailable, match="not installed"):
        await release.reload(BOX, Settings(drover=False), silent())
