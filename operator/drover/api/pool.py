"""StoragePool: where volumes live on the nodes it selects."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    Model,
    NodeLabels,
    ObjectName,
    Prose,
    Quantity,
    Users,
    Word,
    between,
    distinct,
    keyed,
    rule,
    rules,
    told,
    unchanged,
)
from drover.api.cloudinit import DATA_KEY

Access = Literal["NodeLocal", "Shared"]
SERVER = r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$"
PATH = r"^(/[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"
QUALIFIED_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
ISCSI_NAME = r"^(iqn|eui|naa)[.][A-Za-z0-9.:-]+$"
GROUP = r"^[A-Za-z0-9_+][A-Za-z0-9_+.-]*$"
MONITOR = r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.]*)$"
CEPH_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
DATASET = r"^[A-Za-z][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"


Server = Annotated[
    str,
    Field(max_length=253, pattern=SERVER, json_schema_extra=told(SERVER, "a host name or an IP address")),
]
ISCSIName = Annotated[
    str,
    Field(
        max_length=223,
        pattern=ISCSI_NAME,
        json_schema_extra=told(ISCSI_NAME, "a name such as iqn.2026-01.com.example:disks"),
    ),
]
AbsolutePath = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=PATH,
        json_schema_extra=told(PATH, "an absolute path of letters, digits, dots, dashes, without . and .."),
    ),
]


class DirectoryPool(Model):
    """A directory of each node's file system."""

    path: AbsolutePath
    """Absolute path on the node, made when missing, such as /var/lib/drover/pools/fast."""


class NFSPool(Model):
    """An export of an NFS server, which each node mounts by itself."""

    server: Server
    """Name or address of the server, as the nodes reach it."""
    path: AbsolutePath
    """The export; root of the nodes must be allowed to write there."""


class LVMPool(Model):
    """A volume group of LVM, which each node has by the same name; others may have logical volumes in it."""

    volume_group: Annotated[
        str,
        Field(max_length=127, pattern=GROUP, json_schema_extra=told(GROUP, "the name of a volume group, such as vg0")),
    ]
    """Its name, such as vg0. It is never made nor extended, and only volumes called drover-… are ever written or deleted."""


class ZFSPool(Model):
    """A pool of ZFS, or a dataset of one, which each node has by the same name; others may have theirs in it."""

    pool: Annotated[
        str,
        Field(
            max_length=127,
            pattern=DATASET,
            json_schema_extra=told(
                DATASET, "the name of a pool of ZFS or of a dataset of one, such as tank or tank/vms"
            ),
        ),
    ]
    """Its name, as in tank or tank/vms. It is never made, and only zvols called drover-… are ever written or deleted."""


class PoolSecret(Model):
    """One value of a Secret in Drover's own namespace: the one where its controller runs."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(max_length=253, pattern=DATA_KEY)] | None = None
    """Key in its data; default key."""


Monitor = Annotated[
    str,
    Field(
        max_length=253,
        pattern=MONITOR,
        json_schema_extra=told(MONITOR, "a host name or an IP address, whose port stands in port"),
    ),
]
CephName = Annotated[
    str,
    Field(
        max_length=127,
        pattern=CEPH_NAME,
        json_schema_extra=told(CEPH_NAME, "a name of letters, digits, dots, dashes and underscores"),
    ),
]


class RBDPool(Model):
    """A pool of a Ceph cluster, in which others may have images."""

    model_config = ConfigDict(json_schema_extra=rules(*unchanged("pool")))

    monitors: Annotated[
        list[Monitor], Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ]
    """Names or addresses of the cluster's monitors, as the nodes reach them; one of them that answers is enough. Live."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Where the monitors take connections: default 3300; clusters that speak the older protocol only have 6789. Live."""
    pool: CephName
    """Name of the pool in the cluster. It is never made, and only images called drover-… are ever written or deleted. Immutable."""
    user: CephName
    """The user as it is after "client.", who may use the pool: ceph auth get-or-create client.drover mon 'profile rbd' osd 'profile rbd pool=vms'. Live."""
    key_secret_ref: PoolSecret
    """Secret in Drover's own namespace whose value is the user's key, as ceph auth get-key prints it. The nodes of the pool get it from the controller and keep it in memory alone. Live."""


class LUN(Model):
    """A LUN and the one volume that may have it."""

    lun: Annotated[int, Field(ge=0, le=16383)]
    """Its number in the target."""
    volume: Annotated[
        str,
        Field(
            max_length=317,
            pattern=QUALIFIED_NAME,
            json_schema_extra=told(QUALIFIED_NAME, "a StorageVolume as namespace/name"),
        ),
    ]
    """The StorageVolume whose data it is, as namespace/name; its source is Existing."""


class ISCSIPool(Model):
    """A target whose administrator made LUNs, each of which is one volume as it is."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *unchanged("server", "port", "target", "initiator"),
            distinct("luns", "volume"),
            rule(
                "oldSelf.luns.all(old, self.luns.exists(new, new.lun == old.lun && new.volume == old.volume))",
                "a LUN stays its volume's: entries of luns can be added, but neither changed nor removed",
                path=".luns",
            ),
        )
    )

    server: Server
    """Name or address of the server, as the nodes reach it."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port where it takes connections; default 3260. Immutable."""
    target: ISCSIName
    """Name of the target, such as iqn.2026-01.com.example:disks. Immutable."""
    initiator: ISCSIName | None = None
    """How nodes call themselves; default iqn.2026-01.dev.drover:<node>, which the target may be told to let in. Immutable."""
    luns: Annotated[list[LUN], Field(max_length=128, json_schema_extra=keyed("lun"))]
    """Which volume has which LUN; no other LUN is ever used. Entries can be added at any time."""


class StoragePoolSpec(Model):
    """Where volumes live."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.type == 'Directory') == has(self.directory)",
                "directory goes with type Directory, and only with it",
            ),
            rule("(self.type == 'NFS') == has(self.nfs)", "nfs goes with type NFS, and only with it"),
            rule("(self.type == 'LVM') == has(self.lvm)", "lvm goes with type LVM, and only with it"),
            rule(
                "self.type != 'LVM' || !has(self.access) || self.access == 'NodeLocal'",
                "access of type LVM is NodeLocal: nothing keeps nodes that share a volume group from spoiling it",
                path=".access",
            ),
            rule("(self.type == 'ZFS') == has(self.zfs)", "zfs goes with type ZFS, and only with it"),
            rule(
                "self.type != 'ZFS' || !has(self.access) || self.access == 'NodeLocal'",
                "access of type ZFS is NodeLocal: no two nodes can have one pool of ZFS",
                path=".access",
            ),
            rule("(self.type == 'RBD') == has(self.rbd)", "rbd goes with type RBD, and only with it"),
            rule("(self.type == 'ISCSI') == has(self.iscsi)", "iscsi goes with type ISCSI, and only with it"),
            rule(
                "!(self.type in ['NFS', 'ISCSI', 'RBD']) || !has(self.access) || self.access == 'Shared'",
                "'access of type ' + self.type + ' is Shared: all nodes see the same bytes'",
                dynamic=True,
                path=".access",
            ),
            rule(
                "self.type != 'ISCSI' || !(has(self.overcommit) || (has(self.default) && self.default))",
                "neither overcommit nor default goes with type ISCSI: nothing is made there",
            ),
            *unchanged("type", "directory", "nfs", "lvm", "zfs", "access"),
        )
    )

    type: Literal["Directory", "ISCSI", "LVM", "NFS", "RBD", "ZFS"]
    """Directory: files below a directory of the node; ISCSI: LUNs that are there already; LVM: logical volumes of a
    volume group of the node; NFS: files on a server that all nodes mount; RBD: images of a pool of Ceph; ZFS: zvols of a
    pool of the node. Immutable."""
    directory: DirectoryPool | None = None
    """The member of type Directory. Immutable."""
    nfs: NFSPool | None = None
    """The member of type NFS. Immutable."""
    lvm: LVMPool | None = None
    """The member of type LVM. Immutable."""
    zfs: ZFSPool | None = None
    """The member of type ZFS. Immutable."""
    rbd: RBDPool | None = None
    """The member of type RBD. Immutable."""
    iscsi: ISCSIPool | None = None
    """The member of type ISCSI. Immutable but for new LUNs."""
    default: bool = False
    """Whether disks that name no pool go here; default false; of several the oldest wins. Live: volumes that are made already stay where they are."""
    node_selector: NodeLabels | None = None
    """Labels of the nodes that have it; absent: all. Applies to machines when they are next scheduled."""
    access: Access | None = None
    """NodeLocal (default of types Directory, LVM and ZFS): every node has bytes of its own; Shared: all its nodes see the same bytes, so machines start on any of them. Immutable."""
    overcommit: Annotated[Quantity, Field(json_schema_extra=between("overcommit", "0.1", "1000"))] | None = None
    """How often a node's capacity may be promised to volumes, such as "1.5"; absent: without bound. Live."""
    namespace_limit: Annotated[Quantity, Field(json_schema_extra=between("namespaceLimit", "1Mi", "1Ei"))] | None = None
    """Sum of the sizes of the volumes that one namespace may have here, such as 500Gi; absent: without bound. Captured images are kept here too and do not count. Live."""


class PoolNode(Model):
    """The pool on one node."""

    name: ObjectName
    """Node."""
    capacity: Word | None = None
    """Size of the file system."""
    allocated: Word | None = None
    """What is taken of it, be it by others than volumes."""
    available: Word | None = None
    """What is free of it."""
    promised: Word | None = None
    """Sizes of the volumes there together, however little they take."""
    ready: bool
    """Whether volumes can be made there."""
    message: Prose = ""
    """Why not."""


class StoragePoolStatus(Model):
    """What was observed of the pool."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Ready: usable on every node that reports it."""
    capacity: Word | None = None
    """Size of all nodes' file systems together, rounded down."""
    allocated: Word | None = None
    """What is taken of them, rounded down."""
    promised: Word | None = None
    """Sizes of all volumes together, however little they take."""
    in_use_count: int | None = None
    """Volumes in it."""
    in_use_by: Users | None = None
    """The first of them, as namespace/name."""
    nodes: Annotated[list[PoolNode], Field(max_length=1000, json_schema_extra=keyed("name"))] | None = None
    """The pool, node by node."""
