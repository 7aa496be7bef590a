from ipaddress import IPv4Network

import pytest
from pydantic import ValidationError

from drover.runtime.settings import AgentSettings, CommonSettings, ControllerSettings
from drover.state.hostdevice import DeviceModel, Offer


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


OFFER = """[{"resource": "nvidia.com/GA102",
  "selector": {"vendor": "10de", "product": "2204", "addresses": ["0000:01:00.0"]},
  "companions": [{"vendor": "10de", "product": "1aef"}]}]"""


def test_offers_of_devices_are_read_as_the_chart_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROVER_NODE_NAME", "n1")
    monkeypatch.setenv("DROVER_HOST_DEVICES", OFFER)
    (offer,) = (each.offer() for each in AgentSettings().host_devices)

    companions = frozenset({DeviceModel("10de", "1aef")})
    model, addresses = DeviceModel("10de", "2204"), frozenset({"0000:01:00.0"})
    assert offer == Offer("nvidia.com/GA102", model, addresses, companions)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        pytest.param('"10de", "product"', '"10DE", "product"', id="upper case"),
        pytest.param('"vendor": "10de", "product": "2204"', '"vendor": "10de"', id="no product"),
        pytest.param("nvidia.com/GA102", "GA102", id="a resource of nobody"),
        pytest.param("companions", "companion", id="a slip of the pen"),
        pytest.param("0000:01:00.0", "01:00.0", id="half an address"),
    ],
)
def test_offers_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, was: str, becomes: str) -> None:
    monkeypatch.setenv("DROVER_NODE_NAME", "n1")
    monkeypatch.setenv("DROVER_HOST_DEVICES", OFFER.replace(was, becomes))
    with pytest.raises(ValidationError, match="host_devices"):
        AgentSettings()
