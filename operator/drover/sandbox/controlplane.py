"""A real Kubernetes control plane: etcd, API server, controller-manager, scheduler, and where asked for kwok."""

from drover.sandbox import kubeconfig, pki, supervise
from drover.sandbox.api import Api
from drover.sandbox.component import Component
from drover.sandbox.layout import DATA, MAXIMUM_NODES, SERVICES, Layout

API_DEADLINE = 60.0
ACCOUNT_DEADLINE = 60.0
CLIENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kwok", "sandbox")


def etcd(layout: Layout) -> Component:
    """Return etcd: without fsync, which a killed process survives and a machine that loses power does not."""
    pki_directory = layout.pki
    peer = f"http://{layout.loopback()}:2380"
    flags = {
        "name": "sandbox",
        "data-dir": layout.state / "etcd",
        "unsafe-no-fsync": "true",
        "listen-client-urls": layout.etcd_url,
        "advertise-client-urls": layout.etcd_url,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"sandbox={peer}",
        "client-cert-auth": "true",
        "trusted-ca-file": pki_directory / "etcd-ca.crt",
        "cert-file": pki_directory / "etcd.crt",
        "key-file": pki_directory / "etcd.key",
        "quota-backend-bytes": 4 * 1024**3,
        "auto-compaction-retention": "5m",
        "log-level": "warn",
    }
    return _component(layout, "etcd", flags)


def apiserver(layout: Layout) -> Component:
    """Return the API server: TLS, RBAC, service-account tokens, aggregation, audit log."""
    keys = layout.pki
    flags = {
        "bind-address": layout.address,
        "advertise-address": layout.address,
        "secure-port": 6443,
        "etcd-servers": layout.etcd_url,
        "etcd-cafile": keys / "etcd-ca.crt",
        "etcd-certfile": keys / "etcd-client.crt",
        "etcd-keyfile": keys / "etcd-client.key",
        "tls-cert-file": keys / "apiserver.crt",
        "tls-private-key-file": keys / "apiserver.key",
        "client-ca-file": keys / "ca.crt",
        "service-account-key-file": keys / "sa.pub",
        "service-account-signing-key-file": keys / "sa.key",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "kubelet-client-certificate": keys / "kubelet-client.crt",
        "kubelet-client-key": keys / "kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",
        "shutdown-delay-duration": "0s",
        **_aggregation(layout),
        **_audit(layout),
    }
    return _component(layout, "kube-apiserver", flags)


def _aggregation(layout: Layout) -> dict[str, object]:
    return {
        "requestheader-client-ca-file": layout.pki / "front-ca.crt",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": layout.pki / "front-proxy.crt",
        "proxy-client-key-file": layout.pki / "front-proxy.key",
    }


def _audit(layout: Layout) -> dict[str, object]:
    return {
        "audit-policy-file": DATA / "audit-policy.yaml",
        "audit-log-path": layout.logs / "audit.log",
        "audit-log-maxsize": 100,
        "audit-log-maxbackup": 2,
    }


def controller_manager(layout: Layout, *, real: bool) -> Component:
    """Return the controller-manager, told to notice a lost node within seconds."""
    flags = {
        **_client(layout, "kube-controller-manager"),
        "bind-address": layout.loopback(),
        "service-account-private-key-file": layout.pki / "sa.key",
        "root-ca-file": layout.pki / "ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "controllers": "*,-node-ipam-controller,-cloud-node-lifecycle-controller",
        "node-monitor-period": "500ms",
        "node-monitor-grace-period": "10s" if real else "4s",  # a kubelet has more to do than kwok
        "kube-api-qps": 300,  # the default makes its own start take 5 s longer
        "kube-api-burst": 600,
        "flex-volume-plugin-dir": layout.run / "volume-plugins",  # the default would be made on the machine
    }
    return _component(layout, "kube-controller-manager", flags)


def scheduler(layout: Layout) -> Component:
    """Return the scheduler, with its defaults."""
    flags = {**_client(layout, "kube-scheduler"), "bind-address": layout.loopback(), "leader-elect": "false"}
    return _component(layout, "kube-scheduler", flags)


def kwok(layout: Layout) -> Component:
    """Return kwok, which answers for the kubelets of all nodes."""
    flags = {
        "config": DATA / "kwok.yaml",
        "kubeconfig": kubeconfig.path(layout, "kwok"),
        "server-address": f"{layout.loopback()}:10247",
    }
    return _component(layout, "kwok", flags)


def servers(layout: Layout) -> tuple[Component, ...]:
    """Return what answers requests."""
    return etcd(layout), apiserver(layout)


def clients(layout: Layout, *, real: bool = False) -> tuple[Component, ...]:
    """Return what works through the API server; some of it exits when started before it. Real nodes need no kwok."""
    kubelets = () if real else (kwok(layout),)
    return controller_manager(layout, real=real), scheduler(layout), *kubelets


def configure(layout: Layout) -> None:
    """Write keys, certificates and kubeconfigs."""
    pki.make(layout)
    kubelets = (f"kubelet-{node.name}" for node in layout.nodes(MAXIMUM_NODES))
    for name in (*CLIENTS, *kubelets):
        text = kubeconfig.render(layout, kubeconfig.by_certificate(layout, name))
        kubeconfig.write(kubeconfig.path(layout, name), text)
    kubeconfig.write(layout.kubeconfig, kubeconfig.render(layout, kubeconfig.by_certificate(layout, "admin")))


async def ready(layout: Layout, api: Api) -> None:
    """Wait until the API server answers and accounts can be used."""
    await supervise.ready(layout, "kube-apiserver", api.ready, API_DEADLINE)


async def accounts(layout: Layout, api: Api) -> None:
    """Wait until the controller-manager works: no pod can be made before it has made the default ServiceAccount."""

    async def made() -> bool:
        return await api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    await supervise.ready(layout, "kube-controller-manager", made, ACCOUNT_DEADLINE)


def _client(layout: Layout, name: str) -> dict[str, object]:
    # Without these two the metrics of the component would refuse every caller.
    path = kubeconfig.path(layout, name)
    return {"kubeconfig": path, "authentication-kubeconfig": path, "authorization-kubeconfig": path}


def _component(layout: Layout, name: str, flags: dict[str, object]) -> Component:
    words = (f"--{flag}={value}" for flag, value in flags.items())
    # No grace: the API server would wait a minute for watches to end, and nothing here minds a kill.
    return Component(name=name, command=(str(layout.bin / name), *words), grace=0.0)
