"""Which revision of its plugin a machine is made of, and what becomes of a plugin and its revisions."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import (
    NOW,
    make_domain,
    make_found,
    make_machine,
    make_meta,
    make_off,
    make_plugin,
    make_pod,
    make_revision,
    notes,
)

from drover.api.domain import LiveMachine
from drover.api.plugin import Workload
from drover.planning import action, plugin
from drover.planning.conditions import Finding
from drover.planning.found import Found
from drover.planning.inheritance import Inheritance
from drover.planning.plugin import Choice, PluginFound
from drover.planning.view import DomainView, MachineView, PluginView
from drover.planning.virtualmachine import decide
from drover.state.revision import Revision

USER = make_machine(plugin="library/nginx")
OLD = {"plugin": {"name": "library/nginx", "revision": "nginx-old"}}
NEW = plugin.revision_name(make_plugin())
RESTART = notes(restartedAt="now")
START = notes(startedAt="now")


def choose(machine: MachineView = USER, domain: DomainView | None = None, found: PluginView | None = None) -> Choice:
    return plugin.choose(machine, domain, found or make_plugin(), {"team": "a"})


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        pytest.param(None, "PluginNotFound", "there is no Plugin library/nginx", id="missing"),
        pytest.param(make_plugin({"deleting": NOW}), "PluginNotFound", "is being deleted", id="going"),
        pytest.param(make_plugin(state="Disabled"), "PluginDisabled", "disabled", id="disabled"),
        pytest.param(make_plugin(allowedNamespaces=None), "NotAllowed", "namespace shop", id="not shared"),
        pytest.param(
            make_plugin(allowedNamespaces={"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}),
            "NotAllowed",
            "namespace shop",
            id="shared with others",
        ),
        pytest.param(make_plugin(status={}), "PluginNotReady", "not written down", id="not written down"),
    ],
)
def test_a_plugin_that_may_not_be_used_is_told_with_its_reason(
    found: PluginView | None, reason: str, words: str
) -> None:
    choice = plugin.choose(USER, None, found, {"team": "a"})

    assert choice.problem is not None
    assert (choice.revision, choice.problem.type, choice.problem.reason) == ("", "Accepted", reason)
    assert words in choice.problem.message


def test_a_machine_begins_with_the_present_revision() -> None:
    assert choose() == Choice(NEW, NEW)


@pytest.mark.parametrize(
    ("machine", "domain", "expected"),
    [
        pytest.param(USER, make_domain(**OLD), "nginx-old", id="one that runs keeps what it has"),
        pytest.param(
            make_machine({"annotations": RESTART}, plugin="library/nginx"), make_domain(**OLD), NEW, id="a restart"
        ),
        pytest.param(
            make_machine({"annotations": RESTART}, plugin="library/nginx"),
            make_domain(restartedAt="now", **OLD),
            "nginx-old",
            id="a restart that was passed on",
        ),
        pytest.param(
            make_machine({"annotations": START}, plugin="library/nginx"),
            make_domain(**OLD),
            "nginx-old",
            id="a start of one that runs",
        ),
        pytest.param(
            make_machine({"annotations": START}, plugin="library/nginx"),
            make_domain(status={"state": "Stopped"}, **OLD),
            NEW,
            id="a start of one that stopped",
        ),
        pytest.param(
            make_machine(plugin="library/nginx", powerState="Stopped"),
            make_domain(**OLD),
            NEW,
            id="the spec's own stop",
        ),
        pytest.param(USER, make_domain(), NEW, id="one that had no plugin"),
        pytest.param(
            make_machine(plugin="library/nginx"),
            make_domain(plugin={"name": "library/other", "revision": "x"}),
            NEW,
            id="another plugin",
        ),
    ],
)
def test_another_revision_comes_with_a_start_that_the_user_asks_for(
    machine: MachineView, domain: DomainView, expected: str
) -> None:
    choice = choose(machine, domain)

    assert (choice.revision, choice.newest) == (expected, NEW)


def test_a_disabled_plugin_stays_with_those_that_have_it() -> None:
    machine = make_machine({"annotations": RESTART}, plugin="library/nginx")

    assert choose(machine, make_domain(**OLD), make_plugin(state="Disabled")) == Choice("nginx-old", "nginx-old")


@pytest.mark.parametrize(
    ("epoch", "resolved", "expected"),
    [
        pytest.param(
            1, {"plugin": "library/nginx", "pluginRevision": "nginx-old"}, "nginx-old", id="between two nodes"
        ),
        pytest.param(None, {"plugin": "library/nginx", "pluginRevision": "nginx-old"}, NEW, id="never started"),
        pytest.param(1, {"plugin": "library/other", "pluginRevision": "x"}, NEW, id="another plugin"),
        pytest.param(1, None, NEW, id="no plugin"),
    ],
)
def test_a_move_keeps_the_revision(epoch: int | None, resolved: dict[str, str] | None, expected: str) -> None:
    sizes = {"cores": 1, "memory": "1Gi", "cpuRequest": "1", "memoryRequest": "1Gi"}
    rest = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 1}
    status = {"epoch": epoch, "resolved": {**sizes, **rest, **resolved} if resolved else None}

    assert choose(make_machine(status=status, plugin="library/nginx")).revision == expected


def test_a_revision_gives_its_values_and_its_workload() -> None:
    found = make_plugin(workload={"type": "HTTP", "port": 80})

    spec, inherited = plugin.inherit(USER.spec, "library/nginx", NEW, make_revision(found))

    assert spec.cpu is not None
    assert (spec.cpu.cores, inherited.workload) == (2, Workload(type="HTTP", port=80))
    assert inherited.pin is not None
    assert inherited.problem is None


def test_a_revision_that_is_gone_is_told() -> None:
    spec, inherited = plugin.inherit(USER.spec, "library/nginx", "nginx-old", None)

    assert spec == USER.spec
    assert inherited.problem is not None
    assert "nginx-old of Plugin library/nginx is gone" in inherited.problem.message


@pytest.mark.parametrize(
    ("template", "spec", "words"),
    [
        pytest.param(
            {"disks": [{"name": f"d{number}", "size": "1Gi"} for number in range(16)]},
            {"disks": [{"name": "mine", "size": "1Gi"}]},
            "spec.disks: List should have at most 16 items after validation, not 17, with what the plugin gives",
            id="too many disks",
        ),
        pytest.param({"memory": {"size": "half"}}, {}, "spec.template.memory.size", id="a revision that is not ours"),
    ],
)
def test_what_is_too_much_together_is_a_condition(template: dict[str, Any], spec: dict[str, Any], words: str) -> None:
    revision = Revision(make_meta("nginx-1", "library"), 1, json.dumps({"template": template}).encode())

    _, inherited = plugin.inherit(make_machine(**spec).spec, "library/nginx", "nginx-1", revision)

    assert inherited.problem is not None
    assert (inherited.problem.status, inherited.problem.reason) == ("False", "InvalidSpec")
    assert words in inherited.problem.message


# --- the machine ------------------------------------------------------------------------------------------------------


def inheriting(machine: MachineView = USER, revision: str = NEW, **changes: Any) -> Found:
    return make_found(machine, inherited=Inheritance("library/nginx", revision), **changes)


def test_a_machine_whose_plugin_may_not_be_used_says_so_and_books_nothing() -> None:
    problem = Finding("Accepted", "False", "PluginNotFound", "plugin: there is no Plugin library/nginx")

    decision = decide(make_found(USER, inherited=Inheritance("library/nginx", "", problem=problem)), now=NOW)

    assert decision.stages == ()
    assert decision.status is not None
    assert next(each.reason for each in decision.status.conditions or []) == "PluginNotFound"


def test_the_first_domain_names_the_revision() -> None:
    (stage,) = decide(inheriting(anchors=(make_pod(),)), now=NOW).stages

    (created,) = stage
    assert isinstance(created, action.CreateDomain)
    assert created.body["spec"]["plugin"] == {"name": "library/nginx", "revision": NEW}


def test_a_newer_revision_waits_as_a_pending_change() -> None:
    live = LiveMachine(cores=1, memory_bytes=512 << 20, plugin="nginx-old")
    domain = make_domain(status={"live": live.model_dump(by_alias=True)}, **OLD)
    newer = (make_machine(plugin="library/nginx", cpu={"cores": 2}).spec, Inheritance("library/nginx", NEW))

    decision = decide(inheriting(revision="nginx-old", domains=(domain,), anchors=(make_pod(),), latest=newer), now=NOW)

    assert decision.stages == ()
    assert decision.status is not None
    changes = {each.path: (each.live, each.desired) for each in decision.status.pending_changes or []}
    assert changes == {"spec.cpu.cores": ("1", "2"), "spec.plugin": ("nginx-old", NEW)}


def test_a_change_that_brings_a_disk_and_an_interface_is_shown_before_they_are_there() -> None:
    live = LiveMachine(cores=1, memory_bytes=512 << 20, plugin="nginx-old")
    domain = make_domain(status={"live": live.model_dump(by_alias=True)}, **OLD)
    spec = make_machine(disks=[{"name": "root", "size": "1Gi"}], interfaces=[{"name": "lan"}]).spec
    newer = (spec, Inheritance("library/nginx", NEW))

    decision = decide(inheriting(revision="nginx-old", domains=(domain,), anchors=(make_pod(),), latest=newer), now=NOW)

    assert decision.status is not None
    assert {each.path for each in decision.status.pending_changes or []} >= {"spec.disks[root]", "spec.interfaces[lan]"}


def test_a_restart_that_brings_another_revision_waits_for_what_that_needs() -> None:
    machine = make_machine({"annotations": RESTART}, plugin="library/nginx", disks=[{"name": "root", "size": "1Gi"}])

    stages = decide(inheriting(machine, domains=(make_domain(**OLD),), anchors=(make_pod(),)), now=NOW).stages

    assert [type(each).__name__ for stage in stages for each in stage] == ["Create"]


def test_a_restart_brings_the_revision_with_the_request() -> None:
    machine = make_machine({"annotations": RESTART}, plugin="library/nginx")

    ((update,),) = decide(inheriting(machine, domains=(make_domain(**OLD),), anchors=(make_pod(),)), now=NOW).stages

    assert isinstance(update, action.UpdateSpec)
    assert (update.spec["restartedAt"], update.spec["plugin"]["revision"]) == ("now", NEW)


def test_a_machine_that_the_spec_stopped_takes_the_present_revision_at_once() -> None:
    machine = make_machine(plugin="library/nginx", powerState="Stopped")
    domain = make_off()

    ((update,),) = decide(inheriting(machine, domains=(domain,)), now=NOW).stages

    assert isinstance(update, action.UpdateSpec)
    assert update.spec["plugin"]["revision"] == NEW


# --- the plugin -------------------------------------------------------------------------------------------------------


def owned(found: PluginView, count: int) -> tuple[Any, ...]:
    """Old revisions of a plugin, and the present one."""
    return (*(make_revision(found, number, f"nginx-{number}") for number in range(count)), make_revision(found, count))


def told(found: PluginFound) -> plugin.Decision:
    return plugin.decide(found, now=NOW)


def names_of(decision: plugin.Decision) -> list[str]:
    return [type(each).__name__ for stage in decision.stages for each in stage]


def test_a_new_plugin_is_held_and_written_down() -> None:
    decision = told(PluginFound(make_plugin({"finalizers": ()}, {}, version="1"), (), (), frozenset()))

    assert names_of(decision) == ["AddFinalizer", "Create"]
    ((_,), (created,)) = decision.stages
    assert isinstance(created, action.Create)
    assert created.body["data"] == {"version": "1", "template": {"cpu": {"cores": 2}}}
    assert (created.body["revision"], decision.status.revision) == (1, None)


def test_a_plugin_that_is_written_down_costs_nothing() -> None:
    found = make_plugin()

    decision = told(PluginFound(found, owned(found, 3), ("shop/web",), frozenset()))

    assert decision.stages == ()
    assert (decision.status.in_use_by, decision.status.in_use_count) == (["shop/web"], 1)
    assert decision.status.revision == NEW
    assert [(each.type, each.status) for each in decision.status.conditions or []] == [("Ready", "True")]


def test_a_change_is_the_next_revision_and_leaves_the_old_one() -> None:
    before, after = make_plugin(), make_plugin(template={"cpu": {"cores": 3}})

    decision = told(PluginFound(after, owned(before, 3), (), frozenset()))

    ((created,),) = decision.stages
    assert isinstance(created, action.Create)
    assert created.body["revision"] == 4
    assert plugin.revision_name(before) != plugin.revision_name(after)


def test_what_is_said_for_people_makes_no_revision() -> None:
    assert plugin.revision_name(make_plugin(description="x")) == NEW
    assert plugin.revision_name(replace(make_plugin(), meta=make_meta("nginx", "library", uid="other"))) != NEW


def test_old_revisions_go_unless_a_machine_is_made_of_them() -> None:
    found = make_plugin()

    decision = told(PluginFound(found, owned(found, plugin.HISTORY + 3), (), frozenset({"nginx-1"})))

    deleted = [each.meta.key.name for stage in decision.stages for each in stage if isinstance(each, action.Delete)]
    assert deleted == ["nginx-2", "nginx-0"]


@pytest.mark.parametrize(
    ("users", "words"),
    [
        pytest.param(("shop/a", "shop/b"), [], id="used"),
        pytest.param((), ["RemoveFinalizer"], id="unused"),
    ],
)
def test_a_plugin_that_is_going_goes_when_nobody_uses_it(users: tuple[str, ...], words: list[str]) -> None:
    found = make_plugin({"deleting": NOW}, {})

    decision = told(PluginFound(found, (), users, frozenset()))

    assert names_of(decision) == words
    (ready,) = decision.status.conditions or []
    assert (ready.reason, "shop/a, shop/b" in ready.message) == ("Terminating", bool(users))


def test_a_plugin_does_not_keep_its_namespace_from_ending() -> None:
    found = PluginFound(make_plugin({"deleting": NOW}, {}), (), ("shop/a",), frozenset(), closing=True)

    assert names_of(told(found)) == ["RemoveFinalizer"]


def test_a_plugin_that_was_let_go_needs_nothing_more() -> None:
    assert told(PluginFound(make_plugin({"deleting": NOW, "finalizers": ()}), (), (), frozenset())).stages == ()


def test_a_disabled_plugin_says_so_and_names_ten_users_at_most() -> None:
    users = tuple(f"shop/vm-{number:02}" for number in range(30))

    status = told(PluginFound(make_plugin(state="Disabled"), (), users, frozenset())).status

    assert status.in_use_by is not None
    assert (len(status.in_use_by), status.in_use_count) == (10, 30)
    assert [each.reason for each in status.conditions or []] == ["Disabled"]
