import json
from typing import Any

import pytest

from drover.api.domain import DomainSeed
from drover.translation.seed import Texts, files

UUID = "6d0e2f1c-4a8b-4a53-9c61-0d2f6c6f3a11"


def make(given: Texts | None = None, **fields: Any) -> dict[str, bytes]:
    return files(DomainSeed.model_validate({"hostname": "web", **fields}), UUID, given or Texts())


def test_a_seed_always_holds_what_cloud_init_insists_on() -> None:
    assert set(make()) == {"meta-data", "user-data"}
    assert make()["user-data"] == b"#cloud-config\n{}\n"


@pytest.mark.parametrize("given", [Texts(), Texts(meta_data={"instance-id": "mine", "dsmode": "local"})])
def test_the_instance_is_the_machine_whatever_users_say(given: Texts) -> None:
    found = json.loads(make(given)["meta-data"])

    assert (found["instance-id"], found["local-hostname"]) == (UUID, "web")
    assert found.get("dsmode") == (given.meta_data or {}).get("dsmode")


def test_public_keys_are_metadata() -> None:
    found = json.loads(make(sshAuthorizedKeys=["ssh-ed25519 A", "ssh-ed25519 B"])["meta-data"])

    assert found["public-keys"] == ["ssh-ed25519 A", "ssh-ed25519 B"]
    assert "public-keys" not in json.loads(make()["meta-data"])


def test_texts_of_users_are_passed_on_byte_for_byte() -> None:
    found = make(Texts(user_data=b"\x1f\x8bzip", network_data=b"version: 2\n"))

    assert (found["user-data"], found["network-config"]) == (b"\x1f\x8bzip", b"version: 2\n")


def test_a_workload_is_a_script_with_its_environment() -> None:
    found = make(entrypoint=["/bin/app", "a b"], env=[{"name": "TEXT", "value": "it's\ntwo lines"}])

    assert found["workload.sh"].decode().splitlines()[0] == "#!/bin/sh"
    assert found["workload.sh"].decode().endswith("exec /bin/app 'a b'\n")
    assert found["workload.env"].decode() == "TEXT='it'\"'\"'s\ntwo lines'\n"
    assert found["workload.sh"].decode().count("export ") == 1
    assert found["vendor-data"].startswith(b"#cloud-boothook\n#!/bin/sh\n")
    assert b"drover-workload.service" in found["vendor-data"]


def test_an_environment_without_entrypoint_is_only_written_down() -> None:
    found = make(env=[{"name": "A", "value": "b"}])

    assert found["workload.env"] == b"A=b\n"
    assert "workload.sh" not in found
    assert b"systemctl" not in found["vendor-data"]
