"""The CRDs on a real API server: what is refused at apply and in which words, and what kubectl makes of the rest."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster import caller
from tests.cluster.caller import OK, Caller
from tests.support import documents
from tests.support.bodies import HTTP, ROOT, SUBNET, Body, body, image, network, plugin, pool, vm, volume
from tests.system.world import World

from drover.api.kinds import OURS, Kind
from drover.kube.connection import read_kubeconfig
from drover.kube.transport import Request

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "examples"
NAMESPACE = "default"
STRICT = {"fieldValidation": "Strict"}
AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"
KERNEL: Body = {"source": HTTP}
CAPTURE: Body = {"type": "Volume", "volume": {"name": "notes"}}
READY: Body = {
    "type": "Ready",
    "status": "True",
    "reason": "AsSpecified",
    "message": "all is well",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
STATUS: Body = {
    "phase": "Running",
    "nodeName": "n1",
    "addresses": [{"interface": "lan", "ip": "10.20.0.15"}],
    "resolved": {"cores": 2, "memory": "1Gi"},
    "restarts": 3,
    "conditions": [READY],
}
WHOLE = vm(
    "whole",
    powerState="Paused",
    restartPolicy="OnFailure",
    terminationGracePeriodSeconds=0,
    cpu={"cores": 2, "request": "200m"},
    memory={"size": 1073741824},
    kernel={"image": "library/tiny", "arguments": "quiet"},
    disks=[ROOT, {"name": "data", "size": "5Gi", "reclaimPolicy": "Retain"}, {"name": "old", "volume": "web.data"}],
    interfaces=[{"name": "lan", "network": "shop", "address": "10.20.0.15", "macAddress": "02:00:00:00:00:01"}],
    plugin="library/nginx",
    cloudInit={
        "sshAuthorizedKeys": ["ssh-ed25519 AAAA me"],
        "hostname": "db",
        "userDataSecretRef": {"name": "boot", "key": "user-data"},
        "networkData": "version: 2\n",
        "metaData": "dsmode: local\n",
    },
    readinessProbe={"httpGet": {"port": 80, "path": "/ready"}, "periodSeconds": 1},
    devices=[{"name": "gpu0", "resource": "nvidia.com/GA102"}, {"name": "gpu1", "resource": "nvidia.com/GA102"}],
    nodeSelector={"example.com/disktype": "ssd"},
    affinity={
        "nodeAffinity": {AFFINITY: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}
    },
    tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    priorityClassName="high",
)


def sealed(word: str) -> Body:
    """Write that an image is captured from a machine, and whether it is sealed."""
    return {"type": "VirtualMachine", "virtualMachine": {"name": "web", "seal": word}}


def disk(**fields: Any) -> Body:
    """Write a machine with one disk, its root disk with other fields."""
    return vm(disks=[{name: value for name, value in (ROOT | fields).items() if value is not None}])


LOCKED: Body = {"encryption": {"keySecretRef": {"name": "vault-key", "key": "passphrase"}}}
UNLOCKED: Body = {"encryption": {"keySecretRef": {"name": "vault-key", "key": "another"}}}
GPU: Body = {"name": "gpu0", "resource": "nvidia.com/GA102"}


def gpu(**fields: Any) -> Body:
    """Write a machine with one device, with other fields."""
    return vm(devices=[{name: value for name, value in (GPU | fields).items() if value is not None}])


GROUP = {"volumeGroup": "vg0"}
TANK = {"pool": "tank/vms"}
CEPH = {"monitors": ["mon1"], "pool": "vms", "user": "drover", "keySecretRef": {"name": "ceph"}}
SAN = {"server": "san", "target": "iqn.2026-01.com.example:disks", "luns": [{"lun": 1, "volume": "shop/a"}]}


def san(**fields: Any) -> Body:
    """Write a pool of a target with one LUN."""
    return pool(type="ISCSI", directory=None, iscsi=SAN | fields)


def ceph(**fields: Any) -> Body:
    """Write a pool of Ceph, with other fields; None leaves one out."""
    member = {name: value for name, value in (CEPH | fields).items() if value is not None}
    return pool(type="RBD", directory=None, rbd=member)


BUCKET: Body = {"type": "S3", "s3": {"endpoint": "https://s3.example", "bucket": "images", "key": "disk"}}


def bucket(**fields: str) -> Body:
    """Write where an object is, with other fields."""
    return {"type": "S3", "s3": BUCKET["s3"] | fields}


def registry(reference: str) -> Body:
    """Write where an image in a registry is."""
    return {"type": "OCI", "oci": {"reference": reference}}


def lan(**fields: Any) -> Body:
    """Write a machine with one interface."""
    return vm(interfaces=[{"name": "lan", **fields}])


def probe(**fields: Any) -> Body:
    """Write a machine with a probe."""
    return vm(readinessProbe=fields)


def first_boot(**fields: Any) -> Body:
    """Write a machine that is told something at its first boot."""
    return vm(cloudInit=fields)


def node_term(**requirement: Any) -> Body:
    """Write a machine that is particular about nodes."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    return vm(affinity={"nodeAffinity": {AFFINITY: terms}})


def typed(**fields: Any) -> Body:
    """Write a network of another type, or otherwise unlike the usual one."""
    return body("VirtualNetwork", "shop", {"type": "NAT", "subnets": [SUBNET]} | fields)


def group(**fields: Any) -> Body:
    """Write a security group with one rule."""
    return body("SecurityGroup", "web", {"rules": [{"name": "r", "protocol": "TCP"} | fields]})


REFUSED = [
    pytest.param(vm(cpus=2), 'unknown field "spec.cpus"', id="unknown-field"),
    pytest.param(vm(affinity={"nodeAffinities": {}}), 'unknown field "spec.affinity.nodeAffinities"', id="slip-deep"),
    pytest.param(vm() | {"spec": None}, "spec: Required value", id="no-spec"),
    pytest.param(vm(memory={"size": "lots"}), 'spec.memory.size: Invalid value: "lots"|16Mi to 16Ti', id="no-size"),
    pytest.param(vm(memory={"size": "1Ki"}), 'spec.memory.size: Invalid value: "1Ki"|16Mi to 16Ti', id="small"),
    pytest.param(vm(memory={"size": 1}), "spec.memory.size: Invalid value: 1:|16Mi to 16Ti", id="small-number"),
    pytest.param(vm(memory={"size": "1E"}), 'spec.memory.size: Invalid value: "1E"|16Mi to 16Ti', id="huge"),
    pytest.param(vm(memory={"size": "-1Gi"}), 'spec.memory.size: Invalid value: "-1Gi"', id="negative"),
    pytest.param(vm(cpu={"cores": 0}), "spec.cpu.cores: Invalid value: 0|greater than or equal to 1", id="no-cores"),
    pytest.param(vm(cpu={"request": "0"}), 'spec.cpu.request: Invalid value: "0"|1m to 256', id="no-request"),
    pytest.param(vm(powerState="On"), 'spec.powerState: Unsupported value: "On"|"Stopped"', id="power-state"),
    pytest.param(gpu(resource="GA102"), "spec.devices[0].resource|GA102", id="resource-of-nobody"),
    pytest.param(
        gpu(resource="node.kubernetes.io/x"), "spec.devices[0].resource|extended resource|not node.k", id="resource-own"
    ),
    pytest.param(gpu(resource="a..b/c"), "spec.devices[0].resource|extended resource|not a..b/c", id="resource-dots"),
    pytest.param(gpu(resource="requests.a/b"), "extended resource such as nvidia.com/GA102", id="resource-request"),
    pytest.param(gpu(name="GPU"), "spec.devices[0].name|not GPU", id="device-name"),
    pytest.param(gpu(resource=None), "spec.devices[0].resource: Required value", id="device-of-nothing"),
    pytest.param(vm(devices=[GPU, GPU]), "spec.devices[1]: Duplicate value", id="devices-alike"),
    pytest.param(
        vm(devices=[GPU], powerState="Hibernated"),
        "spec.powerState|Hibernated is not allowed with devices",
        id="asleep",
    ),
    pytest.param(
        vm(devices=[GPU], memory={"size": "1Gi", "maxSize": "2Gi"}),
        "spec.memory.maxSize|not allowed with devices",
        id="device-balloon",
    ),
    pytest.param(plugin(template={"devices": [GPU]}), 'unknown field "spec.template.devices"', id="plugin-devices"),
    pytest.param(vm("a" * 53), f"metadata.name|at most 52 characters, not {'a' * 53}", id="long-name"),
    pytest.param(vm("a.b"), "metadata.name|must be a DNS label|not a.b", id="dotted-name"),
    pytest.param(disk(name="a" * 21), f"spec.disks[0].name|at most 20 characters|not {'a' * 21}", id="long-disk-name"),
    pytest.param(disk(name="Root"), "spec.disks[0].name|DNS label|not Root", id="upper-case-disk"),
    pytest.param(disk(image="A/b"), 'spec.disks[0].image: Invalid value: "A/b"|namespace/name', id="image-name"),
    *(
        pytest.param(disk(size=size), f"spec.disks[0].size|1Mi to 64Ti, not {size}", id=f"size-{size}")
        for size in ("0", 0, "1.5", "-1Gi", "10gb", "8Ei")
    ),
    pytest.param(disk(size="1"), 'spec.disks[0].size: Invalid value: "1"|1Mi to 64Ti', id="tiny-disk"),
    pytest.param(vm(disks=[ROOT, ROOT]), 'spec.disks[1]: Duplicate value: {"name":"root"}', id="same-disk-name"),
    pytest.param(
        disk(image=None, size=None),
        "spec.disks|one of image, from, size or volume is required of disk root",
        id="no-source",
    ),
    pytest.param(
        disk(volume="old"), "spec.disks[0]|disk root: volume takes|image, from, size, pool", id="volume-and-image"
    ),
    pytest.param(
        vm(disks=[{"name": "a", "volume": "old", **LOCKED}]),
        "spec.disks[0].encryption|disk a: encryption goes with a volume that the entry makes",
        id="encryption-of-an-existing-volume",
    ),
    pytest.param(
        vm(disks=[{"name": "a", "from": {"volume": "old"}, **LOCKED}]),
        "spec.disks[0].encryption|not with volume or from",
        id="encryption-of-a-copy",
    ),
    pytest.param(
        vm(disks=[{"name": "cd", "type": "CDROM", **LOCKED}]),
        "disk cd|encryption are not allowed with type CDROM",
        id="encryption-of-a-drive",
    ),
    pytest.param(
        disk(encryption={}), "spec.disks[0].encryption.keySecretRef: Required value", id="encryption-by-nothing"
    ),
    pytest.param(
        volume(source={"type": "Volume", "volume": "a"}, **LOCKED),
        "spec.encryption|encryption goes with source type Blank or Image",
        id="encrypted-copy",
    ),
    pytest.param(
        body("StorageVolume", "lun", {"source": {"type": "Existing"}, **LOCKED}),
        "spec.encryption|encryption goes with source type Blank or Image",
        id="encrypted-lun",
    ),
    pytest.param(
        vm(disks=[{"name": "a", "volume": "old"}, {"name": "b", "volume": "old"}]),
        "spec.disks: Invalid value: disks: two entries have volume old",
        id="one-volume-twice",
    ),
    pytest.param(
        vm(disks=[{"name": name, "size": "1Gi", "bootOrder": 1} for name in ("a", "b")]),
        "spec.disks|two entries have the same bootOrder",
        id="same-boot-order",
    ),
    pytest.param(disk(type="CDROM"), "spec.disks[0]|not allowed with type CDROM", id="drive-with-a-size"),
    pytest.param(
        vm(disks=[{"name": "cd", "type": "CDROM", "bus": "VirtIO"}]),
        "spec.disks[0].bus|disk cd: a CDROM is on bus SATA or SCSI",
        id="drive-on-virtio",
    ),
    pytest.param(
        disk(ephemeral="Enabled", reclaimPolicy="Retain"),
        "spec.disks[0].ephemeral|nothing of it is kept",
        id="retained",
    ),
    pytest.param(disk(serial="a b"), "spec.disks[0].serial|1 to 20 letters|not a b", id="serial"),
    pytest.param(
        disk(limits={"iops": 10, "burstIops": 5}), "limits.burstIops must be more than limits.iops", id="small-burst"
    ),
    pytest.param(
        disk(limits={"burstBytesPerSecond": "1Mi"}), "limits.burstBytesPerSecond must be more", id="burst-of-nothing"
    ),
    pytest.param(disk(limits={"burstSeconds": 5}), "limits.burstSeconds needs limits.burstIops", id="no-burst"),
    pytest.param(vm(cpu={"cores": 4, "maxCores": 2}), "spec.cpu.maxCores|at least cpu.cores", id="few-cores-at-most"),
    pytest.param(vm(cpu={"model": "-x"}), "spec.cpu.model|HostPassthrough|not -x", id="processor"),
    pytest.param(
        vm(memory={"size": "2Gi", "maxSize": "1Gi"}), "spec.memory.maxSize|at least memory.size", id="less-at-most"
    ),
    pytest.param(
        vm(memory={"size": "1Gi", "maxSize": "2Gi", "hugepages": "2Mi"}),
        "not allowed with hugepages",
        id="huge-balloon",
    ),
    pytest.param(
        vm(firmware={"secureBoot": "Enabled"}), "spec.firmware.secureBoot|needs firmware.type", id="secure-bios"
    ),
    pytest.param(
        vm(firmware={"type": "BIOS", "tpm": "Enabled"}), "spec.firmware.tpm|needs firmware.type", id="bios-tpm"
    ),
    pytest.param(vm(machineType="pc"), "spec.machineType|q35 or virt|not pc", id="board"),
    pytest.param(vm(watchdog="Bark"), 'spec.watchdog: Unsupported value: "Bark"', id="watchdog"),
    pytest.param(lan(macAddress="01:00:00:00:00:01"), "interfaces[0].macAddress|locally administered", id="multicast"),
    pytest.param(lan(macAddress="02:00:00:00:00:0G"), "interfaces[0].macAddress|not 02:00:00:00:00:0G", id="bad-mac"),
    pytest.param(lan(address="10.0.0.300"), "interfaces[0].address|IPv4 address|not 10.0.0.300", id="bad-ip"),
    pytest.param(lan(address="fe80::1"), "interfaces[0].address|IPv4 address|not fe80::1", id="not-ipv4"),
    pytest.param(lan(address="127.0.0.1"), "interfaces[0].address|neither loopback|not 127.0.0.1", id="loopback"),
    pytest.param(
        lan(address="10.0.0.9", addressMode="Unmanaged"),
        "interfaces[0].address|address 10.0.0.9 is not reserved with addressMode Unmanaged",
        id="address-of-nobody",
    ),
    pytest.param(
        vm(kernel={"arguments": "quiet\n"}), "kernel.arguments|one line of printable ASCII", id="arguments-in-lines"
    ),
    pytest.param(
        image(type="Kernel", source=None, kernel=KERNEL | {"arguments": "a\0b"}),
        "spec.kernel.arguments|one line of printable ASCII",
        id="arguments-with-a-null",
    ),
    pytest.param(
        vm(interfaces=[{"name": name, "macAddress": "02:00:00:00:00:01"} for name in ("a", "b")]),
        "spec.interfaces|two entries have macAddress 02:00:00:00:00:01",
        id="same-mac-twice",
    ),
    pytest.param(
        probe(httpGet={"port": 80}, tcpSocket={"port": 80}), "spec.readinessProbe|exactly one of", id="two-probes"
    ),
    pytest.param(probe(periodSeconds=3), "spec.readinessProbe|exactly one of httpGet, tcpSocket", id="no-probe"),
    pytest.param(probe(httpGet={"port": 99999}), "httpGet.port: Invalid value: 99999|65535", id="port"),
    pytest.param(probe(httpGet={"port": 80, "path": "x"}), "httpGet.path|begins with /|not x", id="path"),
    pytest.param(vm(nodeSelector={"a b": "c"}), "spec.nodeSelector|must be labels|not a b", id="label"),
    pytest.param(
        vm(tolerations=[{"key": "k", "operator": "Exists", "value": "v"}]),
        "spec.tolerations[0].value|Exists takes no value",
        id="toleration",
    ),
    pytest.param(node_term(key="a", operator="In"), "operator In of key a takes at least one value", id="no-values"),
    pytest.param(network("a" * 21), "metadata.name|at most 20 characters", id="long-network-name"),
    pytest.param(network(cidr="10.20.0.1/24"), 'cidr: Invalid value: "10.20.0.1/24"|10.20.0.0/24', id="host"),
    pytest.param(network(cidr="10.20.0.0/30"), "subnets[0].cidr|prefix of 12 to 29|not 10.20.0.0/30", id="narrow"),
    pytest.param(network(cidr="fd00::/48"), "subnets[0].cidr|IPv6 network|64 to 120|not fd00::/48", id="wide-ipv6"),
    pytest.param(network(cidr="fd00::/64"), "subnets[0].gateway|inside fd00::/64, not 10.20.0.1", id="other-family"),
    pytest.param(typed(type="Overlay"), "spec.overlay|overlay is required with type Overlay", id="no-overlay"),
    pytest.param(typed(overlay={"vni": 1}), "spec.overlay|not allowed with any other", id="overlay-of-nat"),
    pytest.param(
        typed(type="Overlay", overlay={"vni": 16777216}), "spec.overlay.vni: Invalid value: 16777216|16777215", id="vni"
    ),
    pytest.param(
        typed(type="Bridge", bridge={"name": "br0", "vlan": 4095}), "spec.bridge.vlan: Invalid value: 4095", id="vlan"
    ),
    pytest.param(typed(subnets=[]), "spec.subnets|each with a gateway, are required", id="no-subnet"),
    pytest.param(
        typed(subnets=[SUBNET, SUBNET | {"name": "b", "cidr": "10.20.0.0/16"}]), "must not overlap", id="overlap"
    ),
    pytest.param(
        typed(type="Direct", direct={"device": "eth1"}), "spec.antiSpoofing|must be Disabled", id="direct-and-bound"
    ),
    pytest.param(group(ports=["0"]), "ports: 0 is neither a port from 1 to 65535", id="port-0"),
    pytest.param(group(ports=["90-80"]), "ports: 90-80 is neither", id="ports-backwards"),
    pytest.param(group(ports=["http"]), "ports: http is neither", id="port-name"),
    pytest.param(group(ports=[]), "spec.rules[0].ports|at least 1 items", id="no-ports"),
    pytest.param(group(ports=["80-"]), "ports: 80- is neither", id="ports-without-end"),
    pytest.param(group(ports=["65536"]), "ports: 65536 is neither", id="port-too-high"),
    pytest.param(
        group(ports=[str(port) for port in range(1, 301)]), "spec.rules[0].ports: Too many: 300", id="300-ports"
    ),
    pytest.param(group(ports=["80"], protocol="ICMP"), "ports need protocol TCP or UDP, not ICMP", id="icmp-ports"),
    pytest.param(group(**{"from": {"cidrs": ["10.0.0.1/8"]}}), "without host bits|not 10.0.0.1/8", id="host-bits"),
    pytest.param(group(**{"from": {"securityGroups": ["web"]}}), "must not name itself", id="own-group"),
    pytest.param(group(to={"cidrs": ["10.0.0.0/8"]}), "to is for Egress", id="to-of-ingress"),
    pytest.param(network(cidr="nonsense"), "subnets[0].cidr|IPv4 network|not nonsense", id="no-cidr"),
    pytest.param(network(cidr="0.0.0.0/12"), "subnets[0].cidr|neither loopback|not 0.0.0.0/12", id="cidr-of-nowhere"),
    pytest.param(
        typed(type="Bridge", bridge={"name": "br0"}, subnets=[{"name": "a", "cidr": "169.254.0.0/16"}]),
        "subnets[0].cidr|neither loopback, link-local nor multicast; not 169.254.0.0/16",
        id="cidr-of-the-link",
    ),
    pytest.param(typed(domain="shop..internal"), "spec.domain|a DNS domain|not shop..internal", id="domain"),
    pytest.param(typed(domain="a" * 64), "spec.domain|labels of at most 63", id="domain-of-a-long-label"),
    pytest.param(network(gateway="10.21.0.1"), "subnets[0].gateway|inside 10.20.0.0/24, not 10.21.0.1", id="outside"),
    pytest.param(network(gateway="10.20.0.0"), "subnets[0].gateway|host address|not 10.20.0.0", id="network-address"),
    pytest.param(network(gateway="10.20.0.255"), "subnets[0].gateway|host address|not 10.20.0.255", id="broadcast"),
    pytest.param(
        network(allocation={"start": "10.20.0.9", "end": "10.20.0.3"}),
        "allocation.start 10.20.0.9 must not lie after allocation.end 10.20.0.3",
        id="backwards",
    ),
    pytest.param(
        network(allocation={"start": "10.20.0.9", "end": "10.20.1.3"}),
        "subnets[0].allocation.end|inside 10.20.0.0/24, not 10.20.1.3",
        id="range-outside",
    ),
    pytest.param(network(dnsServers=["x"]), "subnets[0].dnsServers[0]|IP address|not x", id="name-server"),
    pytest.param(
        first_boot(userData="#!", userDataSecretRef={"name": "a", "key": "b"}),
        "cloudInit.userDataSecretRef|takes userData or userDataSecretRef, not both",
        id="two-user-data",
    ),
    pytest.param(first_boot(userData="packages: []"), "cloudInit.userData|must begin with #cloud-config", id="no-form"),
    pytest.param(
        plugin(template={"cloudInit": {"userData": "x"}}), "cloudInit.userData|must begin with", id="plugin-no-form"
    ),
    pytest.param(first_boot(hostname="A.b"), 'cloudInit.hostname: Invalid value: "A.b"', id="host-name"),
    pytest.param(first_boot(sshAuthorizedKeys=["a\nb"]), "sshAuthorizedKeys[0]|match '^[ -~]+$'", id="two-lines"),
    pytest.param(first_boot(userDataSecretRef={"name": "a"}), "userDataSecretRef.key: Required value", id="no-key"),
    pytest.param(vm(plugin="A/b"), 'spec.plugin: Invalid value: "A/b"|namespace/name', id="plugin-name"),
    pytest.param(plugin(state="Off"), 'spec.state: Unsupported value: "Off"|"Disabled"', id="plugin-state"),
    pytest.param(plugin(workload={"port": 80}), "spec.workload|type and port together", id="port-alone"),
    *(
        pytest.param(plugin(template=template), f'unknown field "spec.template.{path}"', id=f"template-{path}")
        for template, path in (
            ({"nodeSelector": {"a": "b"}}, "nodeSelector"),
            ({"tolerations": []}, "tolerations"),
            ({"priorityClassName": "high"}, "priorityClassName"),
            ({"disks": [{"name": "a", "volume": "b"}]}, "disks[0].volume"),
            ({"interfaces": [{"name": "a", "address": "10.0.0.1"}]}, "interfaces[0].address"),
            ({"interfaces": [{"name": "a", "macAddress": "02:00:00:00:00:01"}]}, "interfaces[0].macAddress"),
            ({"cloudInit": {"userDataSecretRef": {"name": "a", "key": "b"}}}, "cloudInit.userDataSecretRef"),
        )
    ),
    pytest.param(image(source=None), "source is required with type Disk and ISO", id="disk-no-source"),
    pytest.param(image(architecture="riscv64"), 'spec.architecture|"amd64", "arm64"', id="image-architecture"),
    pytest.param(image(minimumMemory="0"), "minimumMemory|1Mi", id="image-memory"),
    pytest.param(image(os={"family": "Plan9"}), 'spec.os.family|"Linux", "Windows"', id="image-os"),
    pytest.param(image(type="Kernel", source=None), "kernel is required with type Kernel", id="no-kernel"),
    pytest.param(image(type="Kernel", kernel=KERNEL), "type Kernel takes its files from kernel", id="kernel-source"),
    pytest.param(image(type="CD"), 'spec.type: Unsupported value: "CD"|"Disk", "ISO", "Kernel"', id="image-type"),
    pytest.param(image(type="ISO", source=None), "source is required with type Disk and ISO", id="iso-no-source"),
    pytest.param(image(type="ISO", kernel=KERNEL), "type ISO has no kernel", id="iso-kernel"),
    pytest.param(image(source=BUCKET | {"http": {"url": "http://x/y"}}), "source.http goes with type HTTP", id="two"),
    pytest.param(image(source=bucket(endpoint="s3.example")), "endpoint|not s3.example", id="endpoint"),
    pytest.param(image(source=bucket(bucket="A_b")), "spec.source.s3.bucket|not A_b", id="bucket"),
    pytest.param(image(source=bucket(key="")), "spec.source.s3.key", id="no-key"),
    pytest.param(image(source={"type": "S3"}), "source.s3 goes with type S3, and only with it", id="no-bucket"),
    pytest.param(image(source=registry("debian")), "spec.source.oci.reference|not debian", id="no-registry"),
    pytest.param(image(source=registry("reg/a@sha256:12")), "spec.source.oci.reference", id="a-short-digest"),
    pytest.param(
        image(source=registry("reg:5000/a:1"), checksum=f"sha256:{'0' * 64}"),
        "pinned by its reference",
        id="oci-checksum",
    ),
    pytest.param(
        image(source={"type": "Volume"}), "source.volume goes with type Volume, and only with it", id="no-vol"
    ),
    pytest.param(
        image(source=CAPTURE | {"virtualMachine": {"name": "web"}}), "goes with type VirtualMachine", id="two-origins"
    ),
    pytest.param(
        image(type="ISO", source=CAPTURE), "captured from a volume or a machine is of type Disk", id="iso-capture"
    ),
    pytest.param(image(kernel={"source": CAPTURE}), "files of a kernel are fetched, not captured", id="kernel-capture"),
    pytest.param(
        image(source=CAPTURE, checksum=f"sha256:{'0' * 64}"), "has no checksum beforehand", id="capture-checksum"
    ),
    pytest.param(
        image(source=sealed("Yes")),
        'spec.source.virtualMachine.seal: Unsupported value: "Yes"|"Enabled", "Disabled"',
        id="seal",
    ),
    pytest.param(image(source={"type": "Upload"}), 'spec.source.type: Unsupported value: "Upload"', id="source-type"),
    pytest.param(image(checksum="md5:aa"), 'spec.checksum: Invalid value: "md5:aa"|sha256:', id="checksum"),
    pytest.param(image(source={"type": "HTTP"}), "source.http goes with type HTTP, and only with it", id="no-url"),
    pytest.param(
        image(source={"type": "HTTP", "http": {"url": "file:///etc/passwd"}}),
        "source.http.url|http or https URL|not file:///etc/passwd",
        id="file-url",
    ),
    *(
        pytest.param(
            image(source={"type": "HTTP", "http": {"url": url}}), f"source.http.url|with a host|not {url}", id=url
        )
        for url in ("http:///disk", "http://?disk", "http://[::1", "http://a:http/", "http://a:65536/", "http://u:p@a/")
    ),
    pytest.param(image(source=bucket(endpoint="https://:443")), "endpoint|with a host|not https://:443", id="no-host"),
    pytest.param(image(checksum=f"sha256:{'A' * 64}"), "spec.checksum|lower-case hexadecimal", id="upper-checksum"),
    pytest.param(image(checksum=f"sha512:{'a' * 64}"), "spec.checksum|as many", id="short-checksum"),
    pytest.param(image(allowedNamespaces={"from": "Selector"}), "selector goes with from: Selector", id="no-selector"),
    pytest.param(volume(size=None), "size is required of a blank volume", id="volume-no-size"),
    pytest.param(volume(source={"type": "Image"}), "source.image goes with type Image", id="volume-no-image"),
    pytest.param(pool(directory={"path": "/var/../etc"}), "directory.path|without . and ..|not /var/../etc", id="dots"),
    pytest.param(pool(directory={"path": "pools"}), "directory.path|absolute path|not pools", id="relative-path"),
    pytest.param(pool(directory=None), "directory goes with type Directory", id="pool-no-directory"),
    pytest.param(pool(type="NFS", directory=None), "nfs goes with type NFS", id="pool-no-export"),
    pytest.param(pool(nfs={"server": "s", "path": "/e"}), "nfs goes with type NFS", id="pool-with-export"),
    pytest.param(
        pool(type="NFS", directory=None, access="NodeLocal", nfs={"server": "s", "path": "/e"}),
        "spec.access|access of type NFS is Shared",
        id="pool-access",
    ),
    pytest.param(
        pool(type="NFS", directory=None, nfs={"server": "-o x", "path": "/e"}),
        "nfs.server|a host name or an IP address; not -o x",
        id="pool-server",
    ),
    pytest.param(pool(type="LVM", directory=None), "lvm goes with type LVM", id="pool-no-group"),
    pytest.param(pool(lvm=GROUP), "lvm goes with type LVM", id="pool-with-group"),
    pytest.param(
        pool(type="LVM", directory=None, access="Shared", lvm=GROUP),
        "spec.access|access of type LVM is NodeLocal",
        id="group-access",
    ),
    pytest.param(
        pool(type="LVM", directory=None, lvm={"volumeGroup": "../vg"}),
        "lvm.volumeGroup|the name of a volume group, such as vg0; not ../vg",
        id="group-name",
    ),
    pytest.param(pool(type="ZFS", directory=None), "zfs goes with type ZFS", id="pool-no-dataset"),
    pytest.param(pool(zfs=TANK), "zfs goes with type ZFS", id="pool-with-dataset"),
    pytest.param(
        pool(type="ZFS", directory=None, access="Shared", zfs=TANK),
        "spec.access|access of type ZFS is NodeLocal",
        id="dataset-access",
    ),
    pytest.param(
        pool(type="ZFS", directory=None, zfs={"pool": "tank/../x"}),
        "zfs.pool|such as tank or tank/vms; not tank/../x",
        id="dataset-name",
    ),
    pytest.param(pool(type="RBD", directory=None), "rbd goes with type RBD", id="pool-no-cluster"),
    pytest.param(pool(rbd=CEPH), "rbd goes with type RBD", id="pool-with-cluster"),
    pytest.param(
        pool(type="RBD", directory=None, access="NodeLocal", rbd=CEPH),
        "spec.access|access of type RBD is Shared",
        id="cluster-access",
    ),
    pytest.param(
        ceph(monitors=["mon1:6789"]), "rbd.monitors[0]|whose port stands in port; not mon1:6789", id="monitor-port"
    ),
    pytest.param(ceph(monitors=[]), "rbd.monitors|at least 1 items", id="no-monitor"),
    pytest.param(ceph(pool="vms/a"), "rbd.pool|digits, dots, dashes and underscores; not vms/a", id="cluster-pool"),
    pytest.param(ceph(keySecretRef=None), "rbd.keySecretRef|Required value", id="no-key"),
    pytest.param(pool(type="ISCSI", directory=None), "iscsi goes with type ISCSI", id="pool-no-target"),
    pytest.param(san(initiator="n1"), "iscsi.initiator|a name such as iqn.2026-01.com.example:disks; not n1", id="iqn"),
    pytest.param(
        pool(type="ISCSI", directory=None, access="NodeLocal", iscsi=SAN),
        "spec.access|access of type ISCSI is Shared",
        id="target-access",
    ),
    pytest.param(
        pool(type="ISCSI", directory=None, default=True, iscsi=SAN),
        "nor default goes with type ISCSI",
        id="lun-default",
    ),
    pytest.param(
        san(luns=[{"lun": 1, "volume": "shop/a"}, {"lun": 2, "volume": "shop/a"}]),
        "luns: two entries have volume shop/a",
        id="two-luns",
    ),
    pytest.param(san(luns=[{"lun": 1, "volume": "a"}]), "a StorageVolume as namespace/name; not a", id="lun-whose"),
    pytest.param(san(luns=[{"lun": 1, "volume": "a/b"}, {"lun": 1, "volume": "a/c"}]), "Duplicate", id="lun-twice"),
    pytest.param(volume(source={"type": "Existing"}), "size does not go with source.type Existing", id="lun-size"),
    pytest.param(pool(overcommit="0"), "spec.overcommit|from 0.1 to 1000, not 0", id="pool-overcommit"),
    pytest.param(pool(namespaceLimit="lots"), "spec.namespaceLimit", id="pool-limit"),
    pytest.param(volume(source={"type": "Volume"}), "source.volume goes with type Volume", id="volume-no-origin"),
    pytest.param(volume(wipe="Yes"), "spec.wipe", id="volume-wipe"),
    pytest.param(
        disk(image="a", **{"from": {"volume": "b"}}), "disk root: it starts from an image or", id="two-sources"
    ),
    pytest.param(
        disk(volume="old", image=None, size=None, **{"from": {"volume": "b"}}),
        "image, from, size",
        id="volume-and-from",
    ),
]

CHANGES = [
    pytest.param(
        disk(), disk(image="ubuntu"), "disks[0].image|disk root: image is immutable: debian, not ubuntu", id="image"
    ),
    pytest.param(disk(), disk(image=None), "disks[0].image|image is immutable: debian, not none", id="image-removed"),
    pytest.param(disk(), disk(pool="fast"), "disks[0].pool|pool is immutable: none, not fast", id="pool"),
    pytest.param(disk(), disk(size="9Gi"), "disks[0].size|size only grows; 9Gi is less than 10Gi", id="size"),
    pytest.param(disk(), disk(size=1048576), "size only grows; 1048576 is less than 10Gi", id="size-as-a-number"),
    pytest.param(volume(), volume(size="1Gi"), "spec.size|size only grows; 1Gi is less than 2Gi", id="volume-size"),
    pytest.param(volume(), volume(pool="fast"), "spec.pool|pool is immutable", id="volume-pool"),
    pytest.param(
        volume(), volume(source={"type": "Image", "image": "x"}), "spec.source|source is immutable", id="volume-source"
    ),
    pytest.param(
        image(architecture="amd64"), image(architecture="arm64"), "spec.architecture|is immutable", id="image-arch"
    ),
    pytest.param(image(), image(minimumMemory="1Gi"), "spec.minimumMemory|is immutable", id="image-minimum"),
    pytest.param(network(), network(dnsServers=["9.9.9.9"]), "spec.subnets|subnets is immutable", id="subnets"),
    pytest.param(pool(), pool(access="Shared"), "spec.access|access is immutable", id="access"),
    pytest.param(
        disk(), disk(**LOCKED), "disks[0].encryption|disk root: encryption is immutable", id="encryption-added"
    ),
    pytest.param(disk(**LOCKED), disk(), "disks[0].encryption|encryption is immutable", id="encryption-removed"),
    pytest.param(volume(), volume(**LOCKED), "spec.encryption|encryption is immutable", id="volume-encryption"),
    pytest.param(volume(**LOCKED), volume(**UNLOCKED), "spec.encryption|encryption is immutable", id="another-key"),
    pytest.param(
        disk(image=None, size="1Gi"),
        disk(image=None, size="1Gi", **{"from": {"volume": "b"}}),
        "disks[0].from|from is immutable",
        id="from",
    ),
    pytest.param(pool(), pool(directory={"path": "/b"}), "spec.directory|directory is immutable", id="directory"),
    pytest.param(
        pool(type="LVM", directory=None, lvm=GROUP),
        pool(type="LVM", directory=None, lvm={"volumeGroup": "vg1"}),
        "spec.lvm|lvm is immutable",
        id="group",
    ),
    pytest.param(
        pool(type="ZFS", directory=None, zfs=TANK),
        pool(type="ZFS", directory=None, zfs={"pool": "tank"}),
        "spec.zfs|zfs is immutable",
        id="dataset",
    ),
    pytest.param(ceph(), ceph(pool="other"), "spec.rbd.pool|pool is immutable", id="cluster-pool"),
    pytest.param(san(), san(server="b"), "spec.iscsi.server|server is immutable", id="target"),
    pytest.param(san(), san(luns=[]), "spec.iscsi.luns|neither changed nor removed", id="a-lun-is-taken-away"),
    pytest.param(
        san(), san(luns=[{"lun": 1, "volume": "shop/b"}]), "neither changed nor removed", id="a-lun-changes-hands"
    ),
    pytest.param(image(source=sealed("Disabled")), image(source=sealed("Enabled")), "source is immutable", id="seal"),
    pytest.param(
        image(), image(checksum=f"sha256:{'0' * 64}"), "spec.checksum|checksum is immutable", id="image-checksum"
    ),
]

ALLOWED = [
    pytest.param(vm(plugin="a"), vm(plugin="a", disks=[{"name": "root", "pool": "fast"}]), id="the-plugin-says-more"),
    pytest.param(vm(plugin="a"), vm(plugin="a", readinessProbe={"periodSeconds": 3}), id="the-plugin-says-whom"),
    pytest.param(plugin(), plugin(template={"disks": [{"name": "root", "image": "a"}]}), id="a-plugin-changes"),
    pytest.param(
        san(), san(luns=[{"lun": 2, "volume": "shop/b"}, {"lun": 1, "volume": "shop/a"}]), id="a-target-has-more-luns"
    ),
    pytest.param(disk(), disk(size="11Gi"), id="a-disk-grows"),
    pytest.param(disk(), vm(disks=[]), id="a-disk-is-detached"),
    pytest.param(disk(), vm(disks=[{"name": "first", "size": "1Gi"}, ROOT]), id="a-disk-is-put-before"),
    pytest.param(image(), image(allowedNamespaces={"from": "All"}), id="an-image-is-shared"),
    pytest.param(
        image(source=bucket(region="eu-1", key="a/b c.raw")),
        image(source=bucket(region="eu-1", key="a/b c.raw"), allowedNamespaces={"from": "All"}),
        id="an-image-in-a-bucket",
    ),
    pytest.param(
        image(source=registry("reg.example:5000/a/b:1.2")),
        image(source=registry("reg.example:5000/a/b:1.2"), allowedNamespaces={"from": "All"}),
        id="an-image-in-a-registry",
    ),
    pytest.param(image(type="ISO"), image(type="ISO", allowedNamespaces={"from": "All"}), id="an-iso"),
    pytest.param(image(source=CAPTURE), image(source=CAPTURE, allowedNamespaces={"from": "All"}), id="a-capture"),
    pytest.param(
        image(source=sealed("Enabled")),
        image(source=sealed("Enabled"), allowedNamespaces={"from": "All"}),
        id="a-sealed-capture",
    ),
    pytest.param(vm(), vm(powerState="Stopped"), id="a-machine-is-stopped"),
]


@pytest.fixture
async def user(cluster_sandbox: World) -> AsyncIterator[Caller]:
    """Somebody who asks for things as kubectl does, and is told what kubectl prints."""
    async with caller.calling(read_kubeconfig(cluster_sandbox.state / "kubeconfig")) as somebody:
        yield somebody


@pytest.fixture
def clean(cluster_sandbox: World) -> Iterator[World]:
    """Take away afterwards what a test applied."""
    yield cluster_sandbox
    cluster_sandbox.kubectl("delete", "vm", "--all", "--wait=false")


@pytest.mark.parametrize(("body", "words"), REFUSED)
async def test_nonsense_is_refused_at_apply_naming_field_value_and_what_is_allowed(
    user: Caller, body: Body, words: str
) -> None:
    code, said = await user.ask(create(body, dryRun="All"))

    assert code != OK
    assert [word for word in words.split("|") if word not in said] == [], said


def test_kubectl_prints_what_the_server_refuses(cluster_sandbox: World) -> None:
    done = cluster_sandbox.try_kubectl("apply", "-f", "-", given=json.dumps(vm(memory={"size": "1Ki"}, cpus=2)))
    assert 'unknown field "spec.cpus"' in done.stderr

    done = cluster_sandbox.try_kubectl("apply", "-f", "-", given=json.dumps(vm(memory={"size": "1Ki"})))
    assert 'The VirtualMachine "web" is invalid: ' in done.stderr
    assert "16Mi to 16Ti" in done.stderr


@pytest.mark.parametrize(("before", "after", "words"), CHANGES)
async def test_a_change_that_cannot_be_made_is_refused_at_apply(
    user: Caller, before: Body, after: Body, words: str
) -> None:
    code, said = await changed(user, before, after)

    assert code != OK
    assert [word for word in words.split("|") if word not in said] == [], said


@pytest.mark.parametrize(("before", "after"), ALLOWED)
async def test_a_change_that_can_be_made_is_taken(user: Caller, before: Body, after: Body) -> None:
    assert await changed(user, before, after) == (OK, "")


async def changed(user: Caller, before: Body, after: Body) -> tuple[int, str]:
    """Make an object, try to replace it by another, and take it away; gives code and message of the middle part."""
    made = await user.transport.send(create(before))
    assert isinstance(made, dict), made
    there = kind_of(before).path(NAMESPACE, made["metadata"]["name"])
    body = {**after, "metadata": made["metadata"]}
    answer = await user.ask(Request("PUT", there, STRICT, body))
    assert await user.ask(Request("DELETE", there, {})) == (OK, "")
    return answer


def create(body: Body, **query: str) -> Request:
    """Ask for an object as ``kubectl apply`` does when there is none."""
    return Request("POST", kind_of(body).path(NAMESPACE), {**STRICT, **query}, body)


def kind_of(body: Body) -> Kind:
    """The kind of an object of ours."""
    return next(kind for kind in OURS if kind.name == body["kind"])


def test_every_example_is_taken_by_the_api_server(cluster_sandbox: World) -> None:
    said = cluster_sandbox.kubectl("apply", "--dry-run=server", "-f", str(EXAMPLES))

    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.yaml")]
    objects = [each for text in texts for each in yaml.safe_load_all(text) if each]
    assert said.count(" (server dry run)") == len(objects)


def test_yaml_in_a_document_is_taken_by_the_api_server(cluster_sandbox: World) -> None:
    shown = [body for _, body in documents.ours()]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": shown})

    said = cluster_sandbox.kubectl("apply", "--dry-run=server", "-f", "-", given=listed)

    assert said.count(" (server dry run)") == len(shown) > 10


def test_every_field_at_once_is_taken_as_written(clean: World) -> None:
    clean.kubectl("apply", "-f", "-", given=json.dumps(WHOLE))

    stored = clean.get("vm", "whole")

    assert stored is not None
    assert stored["spec"] == WHOLE["spec"]


def test_the_only_default_that_is_stored_is_the_power_state(clean: World) -> None:
    clean.kubectl("apply", "-f", "-", given=json.dumps(disk()))

    stored = clean.get("vm", "web")

    assert stored is not None
    assert stored["spec"] == disk()["spec"] | {"powerState": "Running"}


def test_columns_conditions_and_field_selectors_read_the_status(clean: World) -> None:
    clean.kubectl("apply", "-f", "-", given=json.dumps(vm("hello")))
    clean.kubectl("patch", "vm", "hello", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))

    assert clean.kubectl("get", "vm", "--field-selector=status.nodeName=n2", "-o", "name") == ""
    titles, line = clean.kubectl("get", "vm", "--field-selector=status.nodeName=n1").splitlines()
    assert titles.split() == ["NAME", "STATUS", "READY", "NODE", "IP", "CPU", "MEMORY", "AGE"]
    assert line.split()[:-1] == ["hello", "Running", "True", "n1", "10.20.0.15", "2", "1Gi"]
    wide = clean.kubectl("get", "vm", "hello", "-o", "wide")
    assert ("RESTARTS" in wide, "all is well" in wide) == (True, True)
    clean.kubectl("wait", "--for=condition=Ready", "vm/hello", "--timeout=5s")


@pytest.mark.parametrize("words", [(), ("--server-side", "--force-conflicts")], ids=["client", "server"])
def test_a_status_makes_no_difference_to_what_was_applied(clean: World, words: tuple[str, ...]) -> None:
    clean.kubectl("apply", *words, "-f", "-", given=json.dumps(WHOLE))
    clean.kubectl("patch", "vm", "whole", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))

    done = clean.try_kubectl("diff", *words, "-f", "-", given=json.dumps(WHOLE))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_field_explains_itself_in_kubectl(cluster_sandbox: World) -> None:
    said = cluster_sandbox.kubectl("explain", "vm.spec.disks")

    assert "Disks in boot order" in said
    assert "Capacity such as 10Gi" in said


def test_our_kinds_are_a_category_and_not_part_of_all(cluster_sandbox: World) -> None:
    ours = cluster_sandbox.kubectl("api-resources", "--api-group=drover.dev", "--categories=drover", "-o", "name")
    everything = cluster_sandbox.kubectl("api-resources", "--api-group=drover.dev", "--categories=all", "-o", "name")

    assert (len(ours.split()), everything) == (10, "")
