"""What the controller watches, and by what else than its name it finds an object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from drover.api import kinds
from drover.api.kinds import Kind
from drover.planning import names
from drover.planning.anchor import LABEL_ANCHOR
from drover.planning.capture import origin
from drover.planning.ownership import machine_uid
from drover.planning.plugin import reference
from drover.planning.service import KEEPER, LABEL_KEEPER
from drover.planning.skew import judge
from drover.planning.view import view
from drover.runtime.informer import Watch
from drover.runtime.store import Store
from drover.state import objects
from drover.state.budget import Budget, read_budget
from drover.state.clusternode import Node, read_node
from drover.state.lease import Lease, read_lease
from drover.state.namespace import Namespace, read_namespace
from drover.state.pod import Pod, read_pod
from drover.state.resource import Body, Key
from drover.state.revision import Revision, read_revision
from drover.state.service import Service, Slice, read_service, read_slice

MACHINE = "machine"
"""Index: uid of the machine that an object was made for."""
NAME = "name"
"""Index of anchors: namespace/name of the machine, whichever machine it is or was."""
PLUG = "plug"
"""Index of allocations: network and hardware address, see `plug`."""
INTERFACE = "interface"
"""Index of allocations: uid and interface of their machine, see `interface`."""
ACCELERATOR = "accelerator"
SKEWED = "skewed"
"""Index of hypervisors, and its value for those whose agent is of a release that does not go with ours."""
NODE = "node"
UID = "uid"
OWNER = "owner"
"""Index of revisions: uid of their plugin."""
USES = "uses"
"""Index of machines: namespace/name of the plugin that they name."""
NAMESPACE = "namespace"
ORIGIN = "origin"
"""Index of images: what they are still to be captured from, see `origin_token`."""


def watches(namespace: str) -> list[Watch[Any]]:
    """List all watches; `namespace` is where the Leases are."""
    return [*_kinds_of_ours(), *_kinds_of_the_cluster(namespace)]


def _kinds_of_ours() -> list[Watch[Any]]:
    return [
        *_machines(),
        Watch(
            kinds.DOMAIN,
            objects.read_domain,
            indexes={
                MACHINE: lambda found: view(found).spec.virtual_machine.uid,
                NODE: lambda found: view(found).spec.node_name,
            },
        ),
        Watch(kinds.VOLUME, objects.read_volume, indexes={MACHINE: lambda found: machine_uid(found.meta)}),
        Watch(
            kinds.ADDRESS,
            objects.read_address,
            indexes={
                MACHINE: lambda found: view(found).spec.virtual_machine.uid,
                PLUG: lambda found: plug(view(found).spec.network, view(found).spec.mac_address),
                INTERFACE: lambda found: interface(view(found).spec.virtual_machine.uid, view(found).spec.interface),
            },
        ),
        Watch(kinds.IMAGE, objects.read_image, indexes={ORIGIN: origin_of}),
        Watch(kinds.POOL, objects.read_pool),
        Watch(kinds.NETWORK, objects.read_network),
        Watch(
            kinds.SECURITYGROUP,
            objects.read_securitygroup,
            indexes={NAMESPACE: lambda found: found.meta.key.namespace},
        ),
        Watch(
            kinds.HYPERVISOR,
            objects.read_hypervisor,
            indexes={
                ACCELERATOR: lambda found: view(found).status.accelerator or "",
                SKEWED: lambda found: SKEWED if judge("", view(found).status) else "",
            },
        ),
    ]


def _kinds_of_the_cluster(namespace: str) -> list[Watch[Any]]:
    return [
        Watch(
            kinds.POD,
            read_pod,
            labels=f"{LABEL_ANCHOR}=true",
            indexes={MACHINE: lambda pod: machine_uid(pod.meta), NAME: machine_name},
        ),
        Watch(kinds.SERVICE, read_service, indexes={NAMESPACE: lambda found: found.meta.key.namespace}),
        Watch(
            kinds.ENDPOINTSLICE,
            read_slice,
            labels=f"{LABEL_KEEPER}={KEEPER}",
            indexes={NAMESPACE: lambda found: found.meta.key.namespace},
        ),
        Watch(kinds.LEASE, read_lease, fields=f"metadata.namespace={namespace}"),
        Watch(kinds.NAMESPACE, read_namespace),
        Watch(kinds.NODE, read_node),
        Watch(
            kinds.BUDGET,
            read_budget,
            indexes={NAMESPACE: lambda found: found.meta.key.namespace},
        ),
    ]


def _machines() -> Iterator[Watch[Any]]:
    """Machines, and what they inherit from."""
    yield Watch(
        kinds.VIRTUALMACHINE,
        objects.read_machine,
        indexes={
            UID: lambda found: found.meta.uid,
            NAMESPACE: lambda found: found.meta.key.namespace,
            USES: plugin_of,
        },
    )
    yield Watch(kinds.PLUGIN, objects.read_plugin)
    yield Watch(
        kinds.REVISION,
        read_revision,
        labels=names.LABEL_PLUGIN,
        indexes={OWNER: lambda found: found.meta.owner},
    )


def plug(network: str, mac: str) -> str:
    """Name what one hardware address on one network is."""
    return f"{network} {mac}"


def interface(uid: str, name: str) -> str:
    """Name one interface of one machine."""
    return f"{uid} {name}"


def machine_name(pod: Pod) -> str:
    """``namespace/name`` of the machine that an anchor is or was for."""
    return f"{pod.meta.key.namespace}/{dict(pod.meta.labels).get(names.LABEL_MACHINE, '')}"


def plugin_of(machine: objects.Machine) -> str:
    """``namespace/name`` of the plugin that a machine names, empty for none."""
    # Most machines name none: they are not parsed for that.
    return reference(view(machine)) if b'"plugin":' in machine.packed_spec else ""


def origin_of(image: objects.Image) -> str:
    """What an image is still to be captured from, empty for nothing."""
    found = origin(view(image))
    return origin_token(*found) if found else ""


def origin_token(kind: Kind, key: Key) -> str:
    """Name a volume or a machine from which images are captured."""
    return f"{kind.plural} {key}"


@dataclass(frozen=True, slots=True)
class Stores:
    """The caches, one a kind."""

    machines: Store[objects.Machine]
    domains: Store[objects.Domain]
    volumes: Store[objects.Volume]
    addresses: Store[objects.Address]
    plugins: Store[objects.Plugin]
    revisions: Store[Revision]
    images: Store[objects.Image]
    pools: Store[objects.Pool]
    networks: Store[objects.Network]
    groups: Store[objects.SecurityGroup]
    hypervisors: Store[objects.Hypervisor]
    anchors: Store[Pod]
    services: Store[Service]
    slices: Store[Slice]
    leases: Store[Lease]
    namespaces: Store[Namespace]
    nodes: Store[Node]
    budgets: Store[Budget]


class Caches(Protocol):
    """Who keeps the caches."""

    def store(self, kind: Kind) -> Store[Any]:
        """Give the cache of a watched kind."""

    def learn(self, kind: Kind, body: Body | None) -> None:
        """Take in an object as the API server returned it."""


def stores(informer: Caches) -> Stores:
    """Take the caches of an informer that has these watches."""
    return Stores(
        machines=informer.store(kinds.VIRTUALMACHINE),
        domains=informer.store(kinds.DOMAIN),
        volumes=informer.store(kinds.VOLUME),
        addresses=informer.store(kinds.ADDRESS),
        plugins=informer.store(kinds.PLUGIN),
        revisions=informer.store(kinds.REVISION),
        images=informer.store(kinds.IMAGE),
        pools=informer.store(kinds.POOL),
        networks=informer.store(kinds.NETWORK),
        groups=informer.store(kinds.SECURITYGROUP),
        hypervisors=informer.store(kinds.HYPERVISOR),
        anchors=informer.store(kinds.POD),
        services=informer.store(kinds.SERVICE),
        slices=informer.store(kinds.ENDPOINTSLICE),
        leases=informer.store(kinds.LEASE),
        namespaces=informer.store(kinds.NAMESPACE),
        nodes=informer.store(kinds.NODE),
        budgets=informer.store(kinds.BUDGET),
    )
