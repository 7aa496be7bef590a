"""Who may have what through the controller's node API."""

import hashlib
import hmac
import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

from drover.api.cloudinit import CloudInit, SecretKey
from drover.api.domain import DomainImage, DomainKernel
from drover.api.image import VirtualMachineImageSpec
from drover.planning import cephkey, imagesource, seed, volume
from drover.planning.catalog import Catalog
from drover.planning.references import allows
from drover.planning.view import DomainView, ImageView, MachineView, PoolView, VolumeView

AGENT = "drover-agent"
"""Name of the agents' ServiceAccount."""
SERVER_NAME = "drover-controller"
"""What the server's certificate is made out to."""
CONFIG_MAP_NAME = "drover-node-api"
"""ConfigMap in our namespace that says where the node API is, and its certificate."""
ROUTE = "/v1/seeds/{namespace}/{domain}"
IMAGE_ROUTE = "/v1/images/{namespace}/{domain}/{owner}/{image}/{secret}"
"""The Secret that it takes to fetch an image for a Domain; `owner` is the image's namespace."""
KEY_ROUTE = "/v1/keys/{namespace}/{domain}/{volume}"
"""The passphrase of an encrypted volume of a Domain."""
POOL_ROUTE = "/v1/pools/{pool}"
"""The key of a pool of Ceph, which is of no Domain but of every node that has the pool."""
VERSION_LENGTH = 12
NODE_CLAIM = "authentication.kubernetes.io/node-name"


def node_of(review: Mapping[str, Any], namespace: str) -> str:
    """Name of the node whose agent a TokenReview's status tells of, empty when it tells of somebody else."""
    user = review.get("user") or {}
    agent = f"system:serviceaccount:{namespace}:{AGENT}"
    nodes = (user.get("extra") or {}).get(NODE_CLAIM) or []
    known = review.get("authenticated") is True and user.get("username") == agent and len(nodes) == 1
    return str(nodes[0]) if known else ""


def may_read(domain: DomainView, machine: MachineView, places: Container[str], node: str) -> bool:
    """Tell whether a node's agent may know what the Domain of a machine names.

    The Domain says so, and besides it what no agent can write: a place that the scheduler gave the machine, or what the
    controller said of it.
    """
    hers = domain.spec.virtual_machine.uid == machine.meta.uid
    there = node in places or machine.status.node_name == node
    return bool(node) and hers and there and domain.spec.node_name == node


def readable(domain: DomainView, cloud_init: CloudInit | None) -> tuple[SecretKey, ...]:
    """List the Secrets of a Domain's seed that its machine, of this `cloud_init`, still names.

    Agents can write their Domains, as far as the API server is concerned; what users wrote into their machines they
    cannot.
    """
    named = seed.named(cloud_init)
    return tuple(secret for secret in seed.secrets(domain.spec.seed) if secret in named)


def passphrase(domain: DomainView, machine: MachineView, held: VolumeView | None) -> SecretKey | None:
    """Tell which Secret opens a volume of a Domain; None when its machine, plugin included, does not have the volume.

    The Secret is the one that the volume names, which nobody can change; that the machine has the volume is what its
    user and the controller say: the Domain's word is only for which of its volumes it is.
    """
    if held is None or held.spec.encryption is None:
        return None
    named = any(disk.volume == held.meta.key.name and disk.volume_uid == held.meta.uid for disk in domain.spec.disks)
    hers = volume.claimants(held.meta)[:1] == (machine.meta.uid,) and volume.wants(machine, held.meta.key.name)
    return held.spec.encryption.key_secret_ref if named and hers else None


def pool_key(pool: PoolView | None, labels: Mapping[str, str]) -> SecretKey | None:
    """Tell which Secret of our own namespace opens a pool; None when a node of these labels does not have the pool."""
    if pool is None or pool.spec.rbd is None:
        return None
    has_it = all(labels.get(name) == value for name, value in (pool.spec.node_selector or {}).items())
    return cephkey.secret(pool.spec.rbd) if has_it else None


def version(uid: str, data: Mapping[str, str]) -> str:
    """Name what a Secret holds: another name for other data, the same one whatever else is written to the Secret.

    It stands in statuses. The uid is the key of the digest, so that only who may read the Secret can try out guesses.
    """
    text = json.dumps(sorted(data.items()))
    return hmac.new(uid.encode(), text.encode(), hashlib.sha256).hexdigest()[:VERSION_LENGTH]


def may_fetch(domain: DomainView, image: ImageView | None, secret: str, catalog: Catalog) -> bool:
    """Tell whether a Domain's node may have a Secret: its machine uses the image, and the image names the Secret.

    `catalog` is what the machine refers to; again, what a Domain says by itself counts for nothing.
    """
    if image is None or secret not in _secrets(image.spec):
        return False
    name = str(image.meta.key)
    known = name in catalog.images and allows(image, catalog.namespace, catalog.labels)
    return known and any(each.image == name for each in _users(domain))


def _users(domain: DomainView) -> Iterator[DomainImage | DomainKernel]:
    yield from (disk.image for disk in domain.spec.disks if disk.image)
    yield from (medium.image for medium in domain.spec.media if medium.image)
    if domain.spec.kernel:
        yield domain.spec.kernel


def _secrets(spec: VirtualMachineImageSpec) -> frozenset[str]:
    kernel = spec.kernel
    sources = (
        spec.source,
        kernel.source if kernel else None,
        kernel.initrd.source if kernel and kernel.initrd else None,
    )
    return frozenset(name for source in sources if source and (name := imagesource.secret(source)))
