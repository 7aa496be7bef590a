"""The kinds Drover reads and writes: names and paths, nothing about their content."""

from dataclasses import dataclass

GROUP = "drover.dev"
VERSION = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource type of the API server."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    name: str
    """CamelCase, as in ``kind:``."""
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The value of ``apiVersion:``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection, of one object, or of its subresource; no namespace lists all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return root + scope + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


VIRTUALMACHINE = Kind(GROUP, VERSION, "virtualmachines", "VirtualMachine")
DOMAIN = Kind(GROUP, VERSION, "domains", "Domain")
PLUGIN = Kind(GROUP, VERSION, "plugins", "Plugin")
IMAGE = Kind(GROUP, VERSION, "virtualmachineimages", "VirtualMachineImage")
VOLUME = Kind(GROUP, VERSION, "storagevolumes", "StorageVolume")
POOL = Kind(GROUP, VERSION, "storagepools", "StoragePool", namespaced=False)
NETWORK = Kind(GROUP, VERSION, "virtualnetworks", "VirtualNetwork", namespaced=False)
ADDRESS = Kind(GROUP, VERSION, "networkaddresses", "NetworkAddress", namespaced=False)
SECURITYGROUP = Kind(GROUP, VERSION, "securitygroups", "SecurityGroup")
HYPERVISOR = Kind(GROUP, VERSION, "hypervisors", "Hypervisor", namespaced=False)

POD = Kind("", "v1", "pods", "Pod")
NODE = Kind("", "v1", "nodes", "Node", namespaced=False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
EVENT = Kind("", "v1", "events", "Event")
BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
SERVICE = Kind("", "v1", "services", "Service")
ENDPOINTSLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
SECRET = Kind("", "v1", "secrets", "Secret")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
TOKEN_REVIEW = Kind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)

OURS = (VIRTUALMACHINE, DOMAIN, PLUGIN, IMAGE, VOLUME, POOL, NETWORK, ADDRESS, SECURITYGROUP, HYPERVISOR)
