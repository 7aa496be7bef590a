"""Plugins as users meet them: applied with kubectl, asked for in the guest."""

import json

from tests.system.world import BOOT, Tenant, eventually, example, make_kernel_image, make_object

TELL = ["/bin/sh", "-c", 'echo "$WORDS" >/www/words; exec sleep 1000000']


def test_the_example_serves_what_its_plugin_says(tenant: Tenant) -> None:
    tenant.example("plugin-web")

    machine = tenant.machine("site").ready()

    assert (tenant.world.http(f"{machine.ip}:8080") or "").strip() == "hello from a plugin"
    resolved = machine.status["resolved"]
    assert (resolved["plugin"], resolved["memory"]) == (f"{tenant.namespace}/web", "128Mi")
    columns = tenant.kubectl("get", "plugin").splitlines()
    assert columns[0].split() == ["NAME", "VERSION", "READY", "IN", "USE", "AGE"]
    used = [f"{tenant.namespace}/site"]
    eventually(
        "its user", lambda: (tenant.world.get("plugin", "web", tenant.namespace) or {})["status"]["inUseBy"] == used
    )


def test_a_change_of_the_plugin_reaches_a_machine_when_it_is_restarted(tenant: Tenant) -> None:
    tenant.apply(_plugin("first"))
    machine = tenant.start("web", plugin="words", memory=None)
    assert (machine.ask("/words") or "").strip() == "first"

    tenant.apply(_plugin("second"))
    eventually("the pending change", lambda: machine.condition("Synced").get("reason") == "RestartRequired", 30)
    machine.virsh("destroy")
    eventually("the second boot", lambda: machine.status.get("restarts") == 1, BOOT)
    eventually("the words after a crash", lambda: (machine.ask("/words") or "").strip() == "first", BOOT)
    machine.annotate(restartedAt="now")

    eventually("the words after a restart", lambda: (machine.ask("/words") or "").strip() == "second", BOOT)
    eventually("no pending change", lambda: machine.condition("Synced").get("status") == "True", 30)


def test_a_plugin_that_may_not_be_used_says_why_and_heals(tenant: Tenant) -> None:
    tenant.apply(make_kernel_image(), *(each for each in example("plugin-disabled") if each["kind"] != "Plugin"))
    machine = tenant.machine("latecomer")
    eventually("PluginNotFound", lambda: machine.condition("Accepted").get("reason") == "PluginNotFound", 30)
    tenant.example("plugin-disabled")
    eventually("PluginDisabled", lambda: machine.condition("Accepted").get("reason") == "PluginDisabled", 30)

    tenant.kubectl("patch", "plugin", "words", "--type=merge", "-p", json.dumps({"spec": {"state": "Enabled"}}))

    assert machine.ready().ask("/hostname") == "latecomer\n"


def _plugin(words: str) -> dict[str, object]:
    workload = {"env": [{"name": "WORDS", "value": words}], "entrypoint": TELL}
    return make_object("Plugin", "words", {"template": {"memory": {"size": "96Mi"}}, "workload": workload})
