"""Argo CD's health check, run as Argo CD runs it: the script sees the object and returns status and message."""

import json
from pathlib import Path
from typing import Any

import lupa.lua51
import pytest
import yaml
from scripts.chart import argo, flux

FOLDER = argo.SCRIPT.parent


def judge(script: str, body: dict[str, Any]) -> tuple[str, str]:
    """Run a script on an object."""
    lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(body, recursive=True)
    found = lua.execute(script)
    return found.status, found.message


def body(kind: str = "VirtualMachine", *, seen: int = 2, deleted: bool = False, **condition: str) -> dict[str, Any]:
    """Build an object of generation 2 with one condition, Ready unless told otherwise."""
    metadata = {"name": "web", "generation": 2} | ({"deletionTimestamp": "now"} if deleted else {})
    whole = {"type": "Ready", "status": "False", "reason": "Waiting", "message": "said"} | condition
    return {"kind": kind, "metadata": metadata, "status": {"observedGeneration": seen, "conditions": [whole]}}


CASES = [
    pytest.param(body(status="True", reason="AsSpecified"), "Healthy", id="ready"),
    pytest.param(body(reason="Unschedulable"), "Progressing", id="still waiting"),
    pytest.param(body(reason="ImageNotFound"), "Progressing", id="heals when the image appears"),
    pytest.param(body(reason="InvalidSpec"), "Degraded", id="invalid"),
    pytest.param(body(reason="CrashLoopBackOff"), "Degraded", id="ends again and again"),
    pytest.param(body(status="Unknown", reason="NodeLost"), "Unknown", id="node does not answer"),
    pytest.param(body(status="True", seen=1), "Progressing", id="looked at before the last change"),
    pytest.param(body(status="True", deleted=True), "Progressing", id="going"),
    pytest.param({"kind": "VirtualMachine", "metadata": {"generation": 1}}, "Progressing", id="new"),
    pytest.param(body(reason="Pending"), "Progressing", id="a machine never idles"),
    pytest.param(body("VirtualMachineImage", status="Unknown", reason="NotNeeded"), "Healthy", id="image nobody needs"),
    pytest.param(body("VirtualMachineImage", reason="ChecksumMismatch"), "Degraded", id="wrong content"),
    pytest.param(body("StorageVolume", reason="Pending"), "Healthy", id="volume nobody needs"),
    pytest.param(body("StoragePool", reason="NotReadyOnNode"), "Progressing", id="pool missing on a node"),
    pytest.param({"kind": "NetworkAddress", "metadata": {}}, "Healthy", id="allocation"),
    pytest.param(body(type="Failed", status="True"), "Degraded", id="failed"),
    pytest.param(body(type="Complete", status="True"), "Healthy", id="complete"),
    pytest.param(body(type="Accepted", status="True"), "Progressing", id="not judged"),
]


@pytest.mark.parametrize(("found", "health"), CASES)
def test_health_is_told_from_the_conditions(found: dict[str, Any], health: str) -> None:
    assert judge(argo.SCRIPT.read_text(encoding="utf-8"), found)[0] == health


def test_the_message_is_that_of_the_condition() -> None:
    assert judge(argo.SCRIPT.read_text(encoding="utf-8"), body(reason="Unschedulable"))[1] == "said"


@pytest.mark.parametrize("kind", argo.kinds())
def test_every_kind_has_its_check_in_both_forms(kind: str) -> None:
    entries = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
    whole = json.loads((FOLDER / "customizations.json").read_text(encoding="utf-8"))
    forms = (entries[f"resource.customizations.health.drover.dev_{kind}"], whole[f"drover.dev/{kind}"]["health.lua"])

    assert {judge(form, body(kind, status="True"))[0] for form in forms} == {"Healthy"}


def test_flux_and_argo_know_the_same_reasons() -> None:
    script = argo.SCRIPT.read_text(encoding="utf-8")

    assert [reason for reason in (*flux.IDLE, *flux.HOPELESS) if f"{reason} = true" not in script] == []


def test_examples_name_the_chart_where_it_is() -> None:
    application = next(yaml.safe_load_all((FOLDER / "application.yaml").read_text(encoding="utf-8")))
    release = next(each for each in flux.documents() if each["kind"] == "HelmRelease")

    root = Path(__file__).resolve().parents[3]
    paths = (application["spec"]["source"]["path"], release["spec"]["chart"]["spec"]["chart"])
    assert [path for path in paths if not (root / path / "Chart.yaml").is_file()] == []
