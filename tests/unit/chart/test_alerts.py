"""Alerts and dashboard ask for what is counted, and every alert has its page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.chart import dashboard

from drover.metrics import agent, controller, registry
from drover.metrics.registry import REGISTRY
from drover.planning.phase import SETTLED
from drover.state.host import DiskSample, GuestSample, InterfaceSample

ROOT = Path(__file__).resolve().parents[3]
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "helm/drover/files/alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PAGES = ROOT / "docs" / "runbooks"
NAMES = re.compile(r"\bdrover_[a-z_]+")
EXPRESSIONS = [
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in ALERTS),
    *(pytest.param(panel.expression, id=panel.title) for panel in dashboard.PANELS),
]


@pytest.fixture(scope="module")
def counted() -> Iterator[dict[str, set[str]]]:
    """Every series that processes may show, with its labels."""
    before = set(REGISTRY._collector_to_names)
    _fill()
    yield {sample.name: set(sample.labels) for family in REGISTRY.collect() for sample in family.samples}
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def _fill() -> None:
    registry.reconcile_finished("Domain", 1.0, "retry")
    registry.wrote("Domain", "create")
    registry.build("0")
    controller.start_step("started", 1.0)
    controller.watch_phases(lambda: ["Running"])
    controller.watch_queues({"Domain": lambda: 1.0})
    agent.start_phase("create", 1.0)
    agent.watch_node(lambda: {"orphaned": 1.0})
    meters = agent.GuestMeters(clock=lambda: 0.0)
    meters.show([agent.Meter("shop", "web", _sample())])


def _sample() -> GuestSample:
    disk = DiskSample("vda", 1, 1, 1, 1, 1)
    return GuestSample("uuid", 1.0, 1, 1, (disk,), (InterfaceSample("tap", 1, 1, 1, 1),))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_only_what_is_counted_is_asked_for(expression: str, counted: dict[str, set[str]]) -> None:
    assert sorted(set(NAMES.findall(expression)) - set(counted)) == []


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_only_labels_that_there_are_select(expression: str, counted: dict[str, set[str]]) -> None:
    ours = re.findall(r"(drover_[a-z_]+)\{([^}]*)\}", expression)
    asked = {(name, label) for name, inner in ours for label in re.findall(r"(\w+)\s*[=!]", inner)}

    assert sorted(label for name, label in asked if label not in counted[name] | {"app_kubernetes_io_component"}) == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_page_a_summary_and_a_severity(rule: dict[str, Any]) -> None:
    page = (PAGES / f"{rule['alert']}.md").read_text(encoding="utf-8")

    assert page.startswith(f"# {rule['alert']}\n")
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}


def test_no_page_is_without_its_alert() -> None:
    named = {path.stem for path in PAGES.glob("Drover*.md")}

    assert named == {rule["alert"] for rule in ALERTS}


def test_alerts_know_the_words_for_phases() -> None:
    phases = {word for rule in ALERTS for word in re.findall(r'phase="(\w+)"', rule["expr"])}

    assert phases - SETTLED <= {"Unknown", "Scheduling", "Terminating"}


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    shown = json.loads(dashboard.render("made"))

    assert [panel["id"] for panel in shown["panels"]] == list(range(1, len(dashboard.PANELS) + 1))
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown["panels"]}) == len(shown["panels"])
