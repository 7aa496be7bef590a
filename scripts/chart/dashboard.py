"""The Grafana dashboard: one panel for each question that somebody on duty has."""

import json
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT, COLUMNS = 8, 7, 3
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A question, what answers it, and how each line is called."""

    title: str
    about: str
    expression: str
    legend: str
    unit: str = "short"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket[$__rate_interval])))"


PANELS = (
    Panel("Machines by phase", "What users have.", "sum by (phase) (drover_virtualmachines)", "{{phase}}"),
    Panel(
        "Guests by node",
        "Known to libvirt, running, orphaned, waiting for their turn to start.",
        "sum by (node, count) (drover_node_guests)",
        "{{node}} {{count}}",
    ),
    Panel("Builds", "More than one while an upgrade runs.", "count by (version) (drover_build_info)", "{{version}}"),
    Panel(
        "Start of a machine, p95",
        "Seconds from its acceptance until it has passed a step.",
        _quantile(0.95, "drover_start_step_seconds", "step"),
        "{{step}}",
        "s",
    ),
    Panel(
        "Start on the node, p95",
        "Seconds that the phases take: prepare, create, serve.",
        _quantile(0.95, "drover_guest_start_phase_seconds", "phase"),
        "{{phase}}",
        "s",
    ),
    Panel("Queues", "Objects that wait for a worker.", "sum by (pod, queue) (drover_queue_depth)", "{{pod}} {{queue}}"),
    Panel(
        "Reconciles, p95",
        "Seconds one takes.",
        _quantile(0.95, "drover_reconcile_seconds", "kind"),
        "{{kind}}",
        "s",
    ),
    Panel(
        "Reconciles that did not succeed",
        "retry: tried again; rest: only a change helps; bug: the log holds a traceback.",
        "sum by (kind, outcome) (rate(drover_reconcile_errors_total[$__rate_interval]))",
        "{{kind}} {{outcome}}",
        "ops",
    ),
    Panel(
        "Writes to the API server",
        "None at rest.",
        "sum by (kind, verb) (rate(drover_writes_total[$__rate_interval]))",
        "{{verb}} {{kind}}",
        "wps",
    ),
    Panel(
        "Processor time of guests",
        "The ten that use most.",
        "topk(10, rate(drover_vm_cpu_seconds_total[$__rate_interval]))",
        "{{namespace}}/{{name}}",
        "percentunit",
    ),
    Panel(
        "Memory of guests on their nodes",
        "The ten that take most.",
        "topk(10, drover_vm_resident_bytes)",
        "{{namespace}}/{{name}}",
        "bytes",
    ),
    Panel(
        "Disk writes of guests",
        "The ten that write most.",
        "topk(10, rate(drover_vm_disk_write_bytes_total[$__rate_interval]))",
        "{{namespace}}/{{name}} {{disk}}",
        "Bps",
    ),
)


def render(notice: str) -> str:
    """Write the dashboard."""
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    content = {
        "uid": "drover",
        "title": "Drover",
        "description": notice,
        "tags": ["drover"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(content, indent=1) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    place = {"w": WIDTH, "h": HEIGHT, "x": WIDTH * (number % COLUMNS), "y": HEIGHT * (number // COLUMNS)}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": panel.expression, "legendFormat": panel.legend, "datasource": SOURCE}],
    }
