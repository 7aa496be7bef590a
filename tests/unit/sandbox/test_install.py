from pathlib import Path

import aiohttp
import pytest

from drover.errors import Unsupported
from drover.sandbox import install, lifecycle
from drover.sandbox.api import Api
from drover.sandbox.layout import Layout
from drover.sandbox.settings import Settings

BOX = Layout(Path("/box"), 3)


def test_an_agent_is_told_where_it_is() -> None:
    agent = install.agent(BOX, Settings(), BOX.node(2))

    told = dict(agent.environment)
    assert (agent.name, agent.node) == ("agent-n2", "n2")
    assert told["DROVER_NODE_NAME"] == "n2"
    assert told["DROVER_HTTP_ADDRESS"] == "10.213.3.2:8081"
    assert told["DROVER_BOOT_ID_FILE"] == "/box/nodes/n2/boot_id"


def test_replicas_of_the_controller_do_not_share_an_address() -> None:
    replicas = [install.controller(BOX, Settings(), index) for index in (1, 2, 3)]

    assert [item.name for item in replicas] == ["controller", "controller-2", "controller-3"]
    for name in ("DROVER_HTTP_ADDRESS", "DROVER_NODE_API_ADDRESS"):
        assert len({dict(item.environment)[name] for item in replicas}) == 3


def test_the_default_network_is_the_sandboxs_own() -> None:
    told = dict(install.controller(BOX, Settings(), 1).environment)

    assert told["DROVER_DEFAULT_NETWORK_CIDR"] == "10.224.48.0/20"


def test_what_the_user_sets_wins() -> None:
    settings = Settings(environment={"DROVER_HTTP_ADDRESS": "x", "DROVER_LOG_LEVEL": "DEBUG"})

    told = dict(install.agent(BOX, settings, BOX.node(1)).environment)
    assert (told["DROVER_HTTP_ADDRESS"], told["DROVER_LOG_LEVEL"]) == ("x", "DEBUG")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"conditions": [{"type": "Ready", "status": "True"}]}, True, id="true"),
        pytest.param({"conditions": [{"type": "Ready", "status": "False"}]}, False, id="false"),
        pytest.param({"conditions": [{"type": "Other", "status": "True"}]}, False, id="another"),
        pytest.param({}, False, id="none yet"),
    ],
)
def test_a_condition_counts_only_when_it_is_true(status: dict[str, object], *, expected: bool) -> None:
    assert install.condition({"status": status}, "Ready") is expected


def test_a_missing_object_has_no_condition() -> None:
    assert not install.condition(None, "Ready")


@pytest.mark.parametrize(
    ("settings", "present", "absent"),
    [
        pytest.param(
            Settings(nodes=2, controllers=2, kubelet="Kwok"),
            {"kwok", "n2", "agent-n2", "controller-2"},
            {"n3", "kubelet-n1"},
            id="two of each",
        ),
        pytest.param(
            Settings(drover=False, kubelet="Kwok"), {"libvirtd-n1"}, {"agent-n1", "controller"}, id="without drover"
        ),
        pytest.param(Settings(agents=False, kubelet="Kwok"), {"controller", "n1"}, {"agent-n1"}, id="without agents"),
        pytest.param(
            Settings(nodes=0, kubelet="Kwok"), {"etcd", "kwok"}, {"n1", "libvirtd-n1"}, id="control plane alone"
        ),
        pytest.param(
            Settings(nodes=1),
            {"n1", "libvirtd-n1", "containerd-n1", "kubelet-n1", "kube-proxy-n1"},
            {"kwok", "agent-n1", "controller", "kubelet-n2"},
            id="real nodes",
        ),
    ],
)
def test_a_sandbox_has_the_components_that_were_asked_for(
    settings: Settings, present: set[str], absent: set[str]
) -> None:
    names = lifecycle.component_names(BOX, settings)

    assert present <= names
    assert not absent & names


async def test_a_checkout_without_definitions_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "CRDS", tmp_path)

    async with aiohttp.ClientSession() as session:
        with pytest.raises(Unsupported, match="from its checkout"):
            await install.apply_definitions(BOX, Api(session))


def test_a_machine_that_is_not_ready_is_quoted() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "ImageNotFound", "message": "no image tiny"}]

    assert install.explanation({"status": {"conditions": conditions}}) == "ImageNotFound no image tiny"
    assert install.explanation(None) == "it has no status"
