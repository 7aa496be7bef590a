from ipaddress import IPv4Network

import pytest
from pydantic import ValidationError

from drover.runtime.settings import AgentSettings, CommonSettings, ControllerSettings


def test_the_environment_overrides_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROVER_RESYNC_SECONDS", "5")
    monkeypatch.setenv("DROVER_DEFAULT_NETWORK_CIDR", "10.30.0.0/24")
    settings = ControllerSettings()

    assert (settings.resync_seconds, settings.default_network_cidr) == (5.0, IPv4Network("10.30.0.0/24"))
    assert settings.namespace == "drover-system"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DROVER_LOG_LEVEL", "LOUD"), ("DROVER_RESYNC_SECONDS", "0"), ("DROVER_NAMESPACE", "")],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        CommonSettings()


def test_an_agent_must_know_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DROVER_NODE_NAME", raising=False)
    with pytest.raises(ValidationError, match="node_name"):
        AgentSettings()


@pytest.mark.parametrize("settings", [ControllerSettings, AgentSettings])
def test_every_setting_is_explained(settings: type[CommonSettings]) -> None:
    assert all(info.description for info in settings.model_fields.values())
