"""VirtualMachineImage: a disk, an ISO or a kernel that machines start from; each node that needs one fetches it once."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from drover.api.base import (
    Conditions,
    Label,
    Link,
    Model,
    ObjectName,
    Quantity,
    Users,
    Word,
    between,
    keyed,
    rule,
    rules,
    told,
    unchanged,
)
from drover.api.hardware import Architecture, KernelArguments, Switch
from drover.api.sharing import AllowedNamespaces

CHECKSUM = r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"
URL = r"^https?://[!-~]+$"
ENDPOINT = r'^https?://[!"$->@-~]+$'
BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
KEY = r"^[ -~]+$"
REGION = r"^[a-z0-9-]+$"
OCI = r"^[A-Za-z0-9.-]+(:[0-9]+)?/[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
_CHECKSUM_TOLD = told(CHECKSUM, "sha256: or sha512: and as many lower-case hexadecimal digits as it has")
Checksum = Annotated[str, Field(max_length=135, pattern=CHECKSUM, json_schema_extra=_CHECKSUM_TOLD)]


def _located(pattern: str, allowed: str) -> dict[str, JsonValue]:
    """Schema extras of a URL: whose server it is can be told, and no password is written where many read it."""
    server = "url(self).getHostname() != '' && !self.matches('^https?://[^/?#]*@')"
    sound = "port == '' || (port.size() < 6 && int(port) > 0 && int(port) < 65536)"
    port = f"[url(self).getPort()].all(port, {sound})"
    return rules(
        rule(
            f"self.matches('{pattern}') && isURL(self) && {server} && {port}",
            f"'must be {allowed} with a host, and without a user: a Secret holds credentials; not ' + self",
            dynamic=True,
        )
    )


class SecretRef(Model):
    """A Secret of the own namespace."""

    name: ObjectName
    """Name of the Secret."""


class HTTPSource(Model):
    """A file on a web server."""

    url: Annotated[str, Field(max_length=2048, pattern=URL, json_schema_extra=_located(URL, "an http or https URL"))]
    """Where it is, by http or https; a download that was cut goes on where it was, if the server can."""
    headers_secret_ref: SecretRef | None = None
    """Secret whose every key is the name of a header to send, such as Authorization; no other server gets them."""


class S3Source(Model):
    """An object in a bucket of any server that speaks S3."""

    endpoint: Annotated[
        str,
        Field(
            max_length=200,
            pattern=ENDPOINT,
            json_schema_extra=_located(ENDPOINT, "an http or https URL without a query"),
        ),
    ]
    """URL of the server, such as https://s3.example.com, to which bucket and key are added as a path."""
    bucket: Annotated[
        str, Field(max_length=63, pattern=BUCKET, json_schema_extra=told(BUCKET, "3 to 63 of a-z, 0-9, dot and dash"))
    ]
    """Name of the bucket."""
    key: Annotated[str, Field(max_length=400, pattern=KEY, json_schema_extra=told(KEY, "printable ASCII characters"))]
    """Key of the object, of printable ASCII characters."""
    region: (
        Annotated[str, Field(max_length=64, pattern=REGION, json_schema_extra=told(REGION, "the name of a region"))]
        | None
    ) = None
    """Region of the bucket; default us-east-1."""
    credentials_secret_ref: SecretRef | None = None
    """Secret with accessKeyID, secretAccessKey and, for temporary ones, sessionToken; absent: anybody may read the bucket."""


class OCISource(Model):
    """An image in a container registry: a container disk, with its disk below /disk in its largest layer, or an artifact."""

    reference: Annotated[
        str,
        Field(
            max_length=512,
            pattern=OCI,
            json_schema_extra=told(OCI, "host[:port]/repository with :tag, @sha256:digest or both"),
        ),
    ]
    """Registry, repository and tag or digest, such as registry.example.com/disks/debian:12; by a tag the first digest seen is recorded and all nodes fetch that one."""
    credentials_secret_ref: SecretRef | None = None
    """Secret of type kubernetes.io/dockerconfigjson, or with username and password; absent: anybody may pull."""


class CapturedVolume(Model):
    """A StorageVolume of the image's namespace, captured once, while no machine has it on."""

    name: ObjectName
    """Name of the StorageVolume; it may change or go once it is captured."""
    seal: Switch | None = None
    """Enabled takes out of the image what makes a guest one of its kind: machine-id, SSH host keys, cloud-init's state, logs, DHCP leases; the volume stays as it is. Needs virt-sysprep on the node; default Disabled."""


class CapturedMachine(Model):
    """A machine of the image's namespace, whose first disk is captured once, while its powerState is Stopped."""

    name: Label
    """Name of the VirtualMachine; it may change or go once its disk is captured."""
    seal: Switch | None = None
    """Enabled takes out of the image what makes a guest one of its kind: machine-id, SSH host keys, cloud-init's state, logs, DHCP leases; the machine's disk stays as it is. Needs virt-sysprep on the node; default Disabled."""


def _member(kind: str, name: str) -> dict[str, str]:
    """CEL: a source has the member of its type and no other."""
    return rule(
        f"(self.type == '{kind}') == has(self.{name})", f"source.{name} goes with type {kind}, and only with it"
    )


class ImageSource(Model):
    """Where a file comes from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _member("HTTP", "http"),
            _member("S3", "s3"),
            _member("OCI", "oci"),
            _member("Volume", "volume"),
            _member("VirtualMachine", "virtualMachine"),
        )
    )

    type: Literal["HTTP", "S3", "OCI", "Volume", "VirtualMachine"]
    """HTTP: a web server; S3: a bucket; OCI: a container registry; Volume: the data of a StorageVolume at one moment;
    VirtualMachine: the same of the first disk of a machine."""
    http: HTTPSource | None = None
    """The member of type HTTP."""
    s3: S3Source | None = None
    """The member of type S3."""
    oci: OCISource | None = None
    """The member of type OCI."""
    volume: CapturedVolume | None = None
    """The member of type Volume."""
    virtual_machine: CapturedMachine | None = None
    """The member of type VirtualMachine."""


_PINNED = rule(
    "!has(self.checksum) || !has(self.source) || self.source.type != 'OCI'",
    "an OCI image is pinned by its reference, as in host/repository@sha256:…, not by checksum",
    path=".checksum",
)


_FETCHED = rule(
    "!(self.source.type in ['Volume', 'VirtualMachine'])",
    "the files of a kernel are fetched, not captured",
    path=".source",
)


class Initrd(Model):
    """An initial RAM disk."""

    model_config = ConfigDict(json_schema_extra=rules(_PINNED, _FETCHED))

    source: ImageSource
    """Where it comes from."""
    checksum: Checksum | None = None
    """sha256:… or sha512:… of the file; a mismatch leaves nothing behind; absent: the first digest seen."""


class ImageKernel(Model):
    """A kernel to boot directly."""

    model_config = ConfigDict(json_schema_extra=rules(_PINNED, _FETCHED))

    source: ImageSource
    """Where the kernel comes from."""
    checksum: Checksum | None = None
    """sha256:… or sha512:… of the kernel; a mismatch leaves nothing behind; absent: the first digest seen."""
    initrd: Initrd | None = None
    """The initial RAM disk that goes with it; absent: none."""
    arguments: KernelArguments | None = None
    """Kernel command line; default console=ttyS0."""


Term = Annotated[str, Field(min_length=1, max_length=64)]


class OperatingSystem(Model):
    """What is installed in the image."""

    family: Literal["Linux", "Windows", "BSD", "Other"] | None = None
    """Linux, Windows, BSD or Other."""
    name: Term | None = None
    """Its name, such as Debian."""
    version: Term | None = None
    """Its version, such as 12."""


class VirtualMachineImageSpec(Model):
    """What the image is and where it comes from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.type == 'Kernel' || has(self.source)", "source is required with type Disk and ISO"),
            rule("self.type != 'ISO' || !has(self.kernel)", "type ISO has no kernel"),
            rule("self.type != 'Kernel' || has(self.kernel)", "kernel is required with type Kernel"),
            rule(
                "self.type != 'Kernel' || !has(self.source)", "type Kernel takes its files from kernel, not from source"
            ),
            rule(
                "has(self.source) || !has(self.checksum)",
                "checksum belongs to source; a kernel's own is kernel.checksum",
            ),
            _PINNED,
            rule(
                "self.type == 'Disk' || !has(self.source) || !(self.source.type in ['Volume', 'VirtualMachine'])",
                "what is captured from a volume or a machine is of type Disk",
            ),
            rule(
                "!has(self.checksum) || !has(self.source) || !(self.source.type in ['Volume', 'VirtualMachine'])",
                "what is captured has no checksum beforehand; its digest is in the status",
                path=".checksum",
            ),
            *unchanged("type", "source", "checksum", "kernel", "architecture", "minimumMemory"),
        )
    )

    type: Literal["Disk", "ISO", "Kernel"]
    """Disk: a disk image (qcow2, raw, VMDK, VHDX or VDI, also packed by gzip, xz or zstd), kept as qcow2; ISO: the image
    of a CD or DVD, also packed, kept as it is; Kernel: a kernel and its initial RAM disk. Immutable."""
    source: ImageSource | None = None
    """Where the disk or the ISO comes from; a Kernel has its sources in kernel. Immutable."""
    checksum: Checksum | None = None
    """sha256:… or sha512:… of the file as it is fetched, so of an archive the archive's; absent: the first digest seen is recorded and all nodes must match it. Immutable."""
    kernel: ImageKernel | None = None
    """Type Kernel: the whole image. On a Disk image: boot it directly, without a boot loader; default the disk's own boot loader. Immutable."""
    architecture: Architecture | None = None
    """amd64 or arm64: that of machines that start from it and name none; one of another architecture is refused. Absent: nothing is known of it. Immutable."""
    os: OperatingSystem | None = None
    """What is installed in it, for people; absent: nothing is said. Live."""
    minimum_memory: Annotated[Quantity, Field(json_schema_extra=between("minimumMemory", "1Mi", "16Ti"))] | None = None
    """Memory without which what is in it does not run, such as 128Mi: a machine with less is refused. Absent: any will do. Immutable."""
    allowed_namespaces: AllowedNamespaces | None = None
    """Who may use it; default the own namespace. Live."""


class ImageFile(Model):
    """A file of the image, as the first node saw it."""

    url: Link
    """Where it came from; of S3 and OCI written as s3://… and oci://…."""
    digest: Word
    """sha256:… of the file as fetched, of OCI of its manifest; every node must find the same."""


class ImageFetch(Model):
    """A node that fetches the image."""

    node_name: Word
    """Which node."""
    stage: Literal["Downloading", "Unpacking", "Converting"]
    """What it is at."""
    percent: int | None = None
    """How much of the stage is done; absent when nobody knows."""


class ImageCapture(Model):
    """What a captured image is made from, and where it is kept."""

    volume: ObjectName
    """StorageVolume that it is captured from."""
    volume_uid: Annotated[str, Field(max_length=64, alias="volumeUID")]
    """Its uid."""
    pool: ObjectName
    """StoragePool of that volume, which keeps the image too; it counts neither in what the pool promised nor in its namespaceLimit."""


class VirtualMachineImageStatus(Model):
    """What was observed of the image."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Verified: what came is what the spec and the other nodes say; Ready: a node holds it, and none fails to get it.
    Both are Unknown until a machine first needs it."""
    digest: Word | None = None
    """sha256:… of its disk or ISO, else of its kernel, as fetched."""
    files: Annotated[list[ImageFile], Field(max_length=3)] | None = None
    """Its files and their digests."""
    format: Word | None = None
    """Format of the disk as fetched and unpacked: qcow2, raw, vmdk, vhdx or vdi; an ISO is raw."""
    virtual_size: Word | None = None
    """Size of the disk a guest sees."""
    download_size: Word | None = None
    """Bytes of all its files as fetched."""
    nodes: int | None = None
    """Nodes that hold it."""
    node_name: ObjectName | None = None
    """Node that captures the image and keeps it; of a Shared pool every node of that can take it from there."""
    capture: ImageCapture | None = None
    """Where a captured image comes from and is kept; absent until its volume can be captured."""
    fetching: Annotated[list[ImageFetch], Field(max_length=10, json_schema_extra=keyed("nodeName"))] | None = None
    """Nodes that are at it, the first ten; those that are done in a moment are not told of."""
    in_use_count: int | None = None
    """Machines whose spec names it."""
    in_use_by: Users | None = None
    """The first of them, as namespace/name."""
