"""What operators may set, from environment variables that begin with DROVER_; documented by the fields."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from drover import __version__
from drover.api.hostdevice import DeviceAddress, ResourceName
from drover.state.hostdevice import DeviceModel, Offer

Text = Annotated[str, Field(min_length=1)]


Digits = Annotated[str, Field(pattern="^[0-9a-f]{4}$")]
"""A number by which devices tell what they are, in hexadecimal digits."""


class DeviceModelSetting(BaseModel):
    """Which devices: all of one model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: Digits
    product: Digits

    def model(self) -> DeviceModel:
        """Put it as decisions use it."""
        return DeviceModel(self.vendor, self.product)


class DeviceSelector(DeviceModelSetting):
    """Which devices: all of one model, or those of it at some addresses."""

    addresses: Annotated[list[DeviceAddress], Field(max_length=64)] = []


class DeviceOffer(BaseModel):
    """A kind of device that machines may have, and what may go along with one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: ResourceName
    selector: DeviceSelector
    companions: Annotated[list[DeviceModelSetting], Field(max_length=16)] = []

    def offer(self) -> Offer:
        """Put it as decisions use it."""
        companions = frozenset(each.model() for each in self.companions)
        return Offer(self.resource, self.selector.model(), frozenset(self.selector.addresses), companions)


class CommonSettings(BaseSettings):
    """What every process can be told."""

    model_config = SettingsConfigDict(env_prefix="DROVER_", frozen=True, use_attribute_docstrings=True)

    namespace: Text = "drover-system"
    """Namespace of the leases and of the service accounts."""
    http_address: Text = "127.0.0.1:8080"
    """host:port on which /metrics, /healthz and /readyz are served; port 0 takes a free one."""
    resync_seconds: PositiveFloat = 300.0
    """Seconds between two comparisons of the caches with the cluster; drawn anew each time, up to twice as long."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity that is logged."""


class ControllerSettings(CommonSettings):
    """What the controller can be told."""

    default_network_cidr: IPv4Network = IPv4Network("10.20.0.0/16")
    """Addresses of the network "default" when the controller creates it."""
    default_pool_path: Path = Path("/var/lib/drover/pools/default")
    """Folder on the nodes of the pool "default" when the controller creates it."""
    cluster_defaults: Literal["Create", "Skip"] = "Create"
    """Whether to create the network and the pool "default" when there are none."""
    node_api_address: Text = "127.0.0.1:0"
    """host:port on which agents are served the Secrets their guests need, over TLS; port 0 takes a free one."""
    node_api_advertised: str = ""
    """host:port at which agents reach it; where it listens when not set, which 0.0.0.0 does not tell."""
    lease_seconds: PositiveFloat = 15.0
    """A controller that did not renew its lease for so long is replaced."""
    node_lease_stale_seconds: PositiveFloat = 40.0
    """A node whose agent did not renew its lease for so long counts as lost from sight."""
    cpu_request_per_core: PositiveFloat = 0.1
    """CPUs that the anchor pod requests for each virtual core, unless the machine says otherwise."""
    workers: PositiveInt = 16
    """Objects of one kind that are reconciled at a time."""
    anchor_image: Text = f"drover.dev/drover:{__version__}"
    """Image of the anchor pods; it must hold the command `sleep`."""


class AgentSettings(CommonSettings):
    """What the agent of a node can be told."""

    node_name: Text
    """Name of the Kubernetes node it runs on."""
    node_address: IPv4Address | IPv6Address | None = None
    """Address at which other nodes reach this one; when not set, the one from which it reaches the API server."""
    libvirt_uri: Text = "qemu:///system"
    """Where libvirt listens."""
    state_dir: Path = Path("/var/lib/drover")
    """Folder for what survives a restart of the agent."""
    boot_id_file: Path = Path("/proc/sys/kernel/random/boot_id")
    """File whose content changes with each boot of the node."""
    host_devices: Annotated[list[DeviceOffer], Field(max_length=64)] = []
    """Devices that machines may have, as JSON: a list of {resource, selector: {vendor, product, addresses}, companions:
    [{vendor, product}]}. Nothing else of the node is given to a guest."""
    sysfs_dir: Path = Path("/sys")
    """Where the kernel shows the node's devices."""
    start_parallelism: PositiveInt | None = None
    """Guests that are started at a time; as many as the node has CPUs when not set."""
    workers: PositiveInt = 16
    """Objects of one kind that are reconciled at a time."""
    restart_backoff_base_seconds: PositiveFloat = 10.0
    """Pause before a guest that ended is started again, doubled each time."""
    restart_backoff_limit_seconds: PositiveFloat = 300.0
    """Longest such pause."""
    restart_backoff_reset_seconds: PositiveFloat = 600.0
    """A guest that ran for so long starts over with the shortest pause."""
    image_stall_seconds: PositiveFloat = 60.0
    """A download that brings nothing, or too little, for so long is begun again where it stopped."""
    image_least_rate: PositiveInt = 8192
    """Bytes a second that a download must bring."""
    image_hosts: Text = "*"
    """Servers that images may be fetched from: names, *.names, addresses and networks, with commas between them. A * by
    itself stands for every other server but those at loopback, link-local and cloud metadata addresses, which must be
    listed to be asked."""
    image_plain_registries: str = ""
    """Container registries, as host or host:port with commas between, that are asked by http instead of https."""
    image_maximum_bytes: PositiveInt = 1 << 40
    """Largest file of an image, as it comes and as it is unpacked."""
    image_unused_seconds: PositiveFloat = 7 * 86400.0
    """A cached file that no guest and no volume has needed for so long is deleted."""
    image_least_free_percent: Annotated[int, Field(ge=0, le=90)] = 15
    """When less of the file system is free, cached files that nobody needs are deleted at once, the oldest first."""
    image_sweep_seconds: PositiveFloat = 600.0
    """How often the cache is looked through."""
    image_timeout_seconds: PositiveFloat = 6 * 3600.0
    """A download or conversion that takes longer fails."""
