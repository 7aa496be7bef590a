"""First boot: what cloud-init inside the guest is told, by a NoCloud seed disk."""

from typing import Annotated

from pydantic import ConfigDict, Field

from drover.api.base import Label, Model, ObjectName, rule, rules

TEXT_LIMIT = 65536
"""Characters of a text that stands in a spec; a Secret may hold more."""
KEY_LINE = r"^[ -~]+$"
DATA_KEY = r"^[-._a-zA-Z0-9]+$"

FORMS = (
    "#!",
    "#cloud-config",
    "#cloud-boothook",
    "#include",
    "#part-handler",
    "## template: jinja",
    "Content-Type: multipart/",
    "MIME-Version:",
)
"""How a text that cloud-init takes as user data may begin."""
_BEGINS = rule(
    f"self.matches('^[ \\\\t]*({'|'.join(FORMS)})')",
    "userData must begin with #cloud-config, #! or another form that cloud-init knows",
)

SeedText = Annotated[str, Field(max_length=TEXT_LIMIT)]
AuthorizedKey = Annotated[str, Field(max_length=8192, pattern=KEY_LINE)]
"""One line of an authorized_keys file."""
AuthorizedKeys = Annotated[list[AuthorizedKey], Field(max_length=32)]


class SecretKey(Model):
    """One value of a Secret of the own namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(max_length=253, pattern=DATA_KEY)]
    """Key in its data."""


class InlineCloudInit(Model):
    """What cloud-init in the guest is told, all of it written here."""

    ssh_authorized_keys: AuthorizedKeys | None = None
    """Public keys that may log in as the image's default user; read at the first boot. A change applies at the next start."""
    hostname: Label | None = None
    """Host name; default the machine's name. A change applies at the next start."""
    user_data: Annotated[SeedText, Field(json_schema_extra=rules(_BEGINS))] | None = None
    """User data: #cloud-config, a script that begins with #!, or any other form that cloud-init knows; absent: none. A change applies at the next start."""
    network_data: SeedText | None = None
    """Network configuration in cloud-init's own YAML, version 1 or 2; default DHCP, or what the addressMode of each interface says. A change applies at the next start."""
    meta_data: SeedText | None = None
    """More metadata, a YAML mapping; absent: none; instance-id is always the machine's uid, so a restart is not a first boot. A change applies at the next start."""


def _either(name: str) -> dict[str, str]:
    """CEL: a text stands in the spec or in a Secret, not in both."""
    message = f"cloudInit takes {name} or {name}SecretRef, not both"
    return rule(f"!has(self.{name}) || !has(self.{name}SecretRef)", message, path=f".{name}SecretRef")


class CloudInit(InlineCloudInit):
    """What cloud-init in the guest is told; the instance-id is the machine's uid, so a restart is not a first boot."""

    model_config = ConfigDict(
        json_schema_extra=rules(_either("userData"), _either("networkData"), _either("metaData")),
    )

    user_data_secret_ref: SecretKey | None = None
    """Secret that holds the user data; read at each start, on its way to the node by the controller alone."""
    network_data_secret_ref: SecretKey | None = None
    """Secret that holds the network configuration; read at each start."""
    meta_data_secret_ref: SecretKey | None = None
    """Secret that holds more metadata; read at each start."""


class EnvironmentVariable(Model):
    """One environment variable of a workload."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Its value, default empty; nothing secret: everybody who may use the plugin can read it."""
