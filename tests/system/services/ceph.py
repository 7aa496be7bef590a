"""A Ceph cluster, a real one: a monitor, a manager and a store in memory, where the nodes can reach them.

Its packages are unpacked into the cache, not installed: nothing of them is a service of the machine's.
"""

import asyncio
import base64
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.world import eventually

from drover.sandbox import cache
from drover.sandbox.command import run

PORT, POOL, USER = 3300, "vms", "drover"
STORE_BYTES = 1 << 30
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# fmt: off
PACKAGES = (
    "ceph-base", "ceph-common", "ceph-mgr", "ceph-mgr-modules-core", "ceph-mon", "ceph-osd", "libboost-context1.74.0",
    "libboost-python1.74.0", "libcephfs2", "libgoogle-perftools4", "libleveldb1d", "liblua5.3-0", "liboath0",
    "librabbitmq4", "libradosstriper1", "libsnappy1v5", "libtcmalloc-minimal4", "python3-bcrypt",
    "python3-ceph-argparse", "python3-ceph-common", "python3-cephfs", "python3-cherrypy3", "python3-dateutil",
    "python3-more-itertools", "python3-pecan", "python3-prettytable", "python3-rados", "python3-rbd",
    "python3-requests", "python3-tz", "python3-urllib3", "python3-wcwidth", "python3-werkzeug",
)
# fmt: on
SETTINGS = """\
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = v2:{address}:{port}
ms_bind_msgr1 = false
keyring = {folder}/keyring
log_file = {folder}/$name.log
admin_socket = {folder}/$name.$pid.asok
run_dir = {folder}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
plugin_dir = {libraries}/ceph
erasure_code_dir = {libraries}/ceph/erasure-code
osd_class_dir = {libraries}/rados-classes
mgr_module_path = {root}/usr/share/ceph/mgr
mon_data = {folder}/mon
mgr_data = {folder}/mgr
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = {size}
public_addr = {address}
cluster_addr = {address}
[mon.a]
public_addr = v2:{address}:{port}
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs, and its programs."""

    root: Path
    folder: Path

    def ask(self, program: str, *words: str) -> str:
        """Run one of Ceph's programs to its end; gives what it says."""
        done = subprocess.run(
            self.command(program, *words), env=self.surroundings, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def command(self, program: str, *words: str) -> list[str]:
        """What runs one of Ceph's programs."""
        return [str(self.root / "usr/bin" / program), "--conf", str(self.folder / "ceph.conf"), *words]

    @property
    def surroundings(self) -> dict[str, str]:
        """Where its programs find what belongs to them."""
        libraries = self.root / LIBRARIES
        known = {"LD_LIBRARY_PATH": f"{libraries}:{libraries / 'ceph'}", "CEPH_CONF": str(self.folder / "ceph.conf")}
        return os.environ | known | {"PYTHONPATH": str(self.root / "usr/lib/python3/dist-packages")}

    @property
    def images(self) -> list[str]:
        """Names of the images in the pool."""
        return self.ask("rbd", "ls", POOL).split()

    @property
    def key(self) -> str:
        """What lets the user in, as a Secret has it."""
        return base64.b64encode(self.ask("ceph", "auth", "get-key", f"client.{USER}").encode()).decode()


def programs() -> Path:
    """Unpack Ceph, unless it was unpacked before."""

    async def build(target: Path) -> None:
        await run("apt-get", "download", "-q", *PACKAGES, directory=target)
        await run("find", target, "-name", "*.deb", "-exec", "dpkg-deb", "--extract", "{}", target / "root", ";")

    place = cache.root() / "test-ceph" / cache.digest(" ".join(PACKAGES).encode())
    return asyncio.run(cache.built(place, build)) / "root"


@contextmanager
def cluster(address: str, folder: Path) -> Iterator[Cluster]:
    """Have a cluster with an empty pool and a user for it."""
    made = Cluster(programs(), folder)
    names = {"address": address, "port": PORT, "folder": folder, "root": made.root, "size": STORE_BYTES}
    settings = SETTINGS.format(**names, libraries=made.root / LIBRARIES, fsid=uuid.uuid4())
    for name in ("mon", "mgr", "osd"):
        (folder / name).mkdir()
    (folder / "ceph.conf").write_text(settings)
    _keys(made)
    number, keyring, map_ = str(uuid.uuid4()), str(folder / "keyring"), str(folder / "monmap")
    made.ask("monmaptool", "--create", "--addv", "a", f"[v2:{address}:{PORT}]", map_)
    made.ask("ceph-mon", "--id", "a", "--mkfs", "--monmap", map_, "--keyring", keyring)
    with ExitStack() as stack:
        stack.enter_context(_running(made, "ceph-mon", "a"))
        eventually("the monitor to answer", lambda: _answers(made), 60)
        made.ask("ceph", "auth", "import", "-i", keyring)
        made.ask("ceph", "osd", "new", number, "0")
        made.ask("ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", number)
        stack.enter_context(_running(made, "ceph-osd", "0"))
        stack.enter_context(_running(made, "ceph-mgr", "a"))
        made.ask("ceph", "osd", "pool", "create", POOL, "8")
        made.ask("ceph", "osd", "pool", "application", "enable", POOL, "rbd")
        rights = ("mon", "profile rbd", "osd", f"profile rbd pool={POOL}")
        made.ask("ceph", "auth", "get-or-create", f"client.{USER}", *rights)
        eventually("the store to be counted", lambda: '"total_bytes":0' not in made.ask("ceph", "df", "-f", "json"), 90)
        yield made


def _keys(made: Cluster) -> None:
    """Make the keys of the cluster's own parts."""
    rights = {
        "mon.": ("mon", "allow *"),
        "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
        "osd.0": ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"),
        "mgr.a": ("mon", "allow profile mgr", "osd", "allow *"),
    }
    keyring = str(made.folder / "keyring")
    made.ask("ceph-authtool", "--create-keyring", keyring)
    for name, each in rights.items():
        pairs = zip(each[::2], each[1::2], strict=True)
        caps = [word for part, right in pairs for word in ("--cap", part, right)]
        made.ask("ceph-authtool", keyring, "--gen-key", "--name", name, *caps)


def _answers(made: Cluster) -> bool:
    words = made.command("ceph", "--connect-timeout", "2", "status")
    return subprocess.run(words, env=made.surroundings, capture_output=True, timeout=30, check=False).returncode == 0


@contextmanager
def _running(made: Cluster, program: str, name: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    words = made.command(program, "--id", name, "--foreground")
    with subprocess.Popen(words, env=made.surroundings, stdout=quiet, stderr=quiet) as child:
        try:
            yield
        finally:
            child.kill()
