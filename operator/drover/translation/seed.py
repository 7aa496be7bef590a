"""The files of a NoCloud seed: what cloud-init reads from the disk that is labelled `LABEL`."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drover.api.cloudinit import EnvironmentVariable
from drover.api.domain import DomainSeed

LABEL = "cidata"
"""Volume label by which cloud-init knows the disk; also its serial number."""
NO_USER_DATA = b"#cloud-config\n{}\n"
SERVICE = "/etc/systemd/system/drover-workload.service"
# What users have done at the first boot comes first. The target of cloud-init is the only one that may wait for that:
# cloud-init's last service comes after all that the others want.
UNIT = """\
[Unit]
Description=Workload of the plugin
Wants=network-online.target
After=network-online.target cloud-final.service
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh /etc/drover/workload.sh
Restart=on-failure
RestartSec=1
[Install]
WantedBy=cloud-init.target
"""


@dataclass(frozen=True, slots=True)
class Texts:
    """What users wrote, wherever it was kept; ``None`` where they wrote nothing."""

    user_data: bytes | None = None
    network_data: bytes | None = None
    meta_data: Mapping[str, object] | None = None


def files(seed: DomainSeed, uuid: str, given: Texts) -> dict[str, bytes]:
    """Content of each file by its name; the machine's `uuid` is the instance, whatever users say."""
    found = {
        "meta-data": _meta_data(seed, uuid, given.meta_data or {}),
        "user-data": NO_USER_DATA if given.user_data is None else given.user_data,
    }
    if given.network_data is not None:
        found["network-config"] = given.network_data
    return found | (_workload(seed.entrypoint, seed.env) if seed.entrypoint or seed.env else {})


def _meta_data(seed: DomainSeed, uuid: str, given: Mapping[str, object]) -> bytes:
    """JSON is YAML; what the spec says by fields goes over what users wrote."""
    keys = {"public-keys": seed.ssh_authorized_keys} if seed.ssh_authorized_keys else {}
    content = {**given, "instance-id": uuid, "local-hostname": seed.hostname, **keys}
    return f"{json.dumps(content, indent=1)}\n".encode()


def _workload(entrypoint: Sequence[str], env: Sequence[EnvironmentVariable]) -> dict[str, bytes]:
    pairs = [f"{each.name}={shlex.quote(each.value)}\n" for each in env]
    variables, exports = "".join(pairs), "".join(f"export {pair}" for pair in pairs)
    script = f"#!/bin/sh\n{exports}exec {shlex.join(entrypoint)}\n" if entrypoint else ""
    found = {"workload.env": variables, "vendor-data": _boothook(variables, script)}
    return {name: text.encode() for name, text in (found | ({"workload.sh": script} if script else {})).items()}


def _boothook(variables: str, script: str) -> str:
    """Have cloud-init, at every boot, write the workload down and run it as a service."""
    lines = ["#cloud-boothook", "#!/bin/sh", "mkdir -p /etc/drover", _write("/etc/drover/workload.env", variables)]
    if script:
        lines += [_write("/etc/drover/workload.sh", script), _write(SERVICE, UNIT)]
        lines += ["systemctl daemon-reload", "systemctl enable drover-workload.service"]
        lines += ["systemctl restart --no-block drover-workload.service"]
    return "".join(f"{line}\n" for line in lines)


def _write(path: str, text: str) -> str:
    return f"printf %s {shlex.quote(text)} >{path}"
