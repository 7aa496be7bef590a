"""One machine, arrivals, bursts and deletes on real nodes; what they cost in writes and memory."""

import asyncio
import time
from pathlib import Path
from statistics import median

from benchmarks.bed import OF_NODES, Bed, bed, pss
from benchmarks.figures import Figure, Report, percentile

SINGLES = 11
ARRIVALS = 60
RATE = 4.0
BURST = 30
PAUSED = {"powerState": "Paused", "readinessProbe": None}
QUESTIONED = "-e '/<qemu:capabilities>/,/<\\/qemu:capabilities>/d'"
"""For sed: libvirt asks QEMU about the processor, as it does of guests that an administrator writes."""
FORCE = {"terminationGracePeriodSeconds": 0}


async def measure(report: Report, state: Path) -> None:
    """Measure all of it on a sandbox of three nodes."""
    async with bed(state, "--nodes", "3") as there:
        await singles(there, report)
        await arrivals(there, report)
        await burst(there, report)
        await memory(there, report)
    async with bed(state, "--nodes", "1", "--set-env", "DROVER_RESYNC_SECONDS=20") as there:
        await idle(there, report)


async def singles(there: Bed, report: Report) -> None:
    """One machine after the other: apply to Running, force delete to gone, and the writes of each."""
    starts, ends, created, deleted = [], [], [], []
    async with there.watching() as seen:
        for number in range(SINGLES):
            name = f"one{number}"
            mark = there.audit_end()
            asked = await there.create(name, readinessProbe=None, **FORCE)
            (running,) = await seen.all_in([name], "Running")
            await asyncio.sleep(1.5)  # the audit log is written a little later, and so would be a needless write
            created.append(sum(there.writes(mark, OF_NODES).values()))
            mark = there.audit_end()
            left = await there.delete(name)
            (gone,) = await seen.all_in([name], "Gone")
            await asyncio.sleep(1.0)
            deleted.append(sum(there.writes(mark, OF_NODES).values()))
            starts.append(running - asked)
            ends.append(gone - left)
    report.add(
        Figure("one VM, image cached: create to Running, median", median(starts[1:]), "s", "<= 0.7", "4.2", SINGLES - 1)
    )
    report.add(Figure("one VM: create to Running, p95", percentile(starts[1:], 0.95), "s", "", "5.1", SINGLES - 1))
    report.add(Figure("force delete to gone, median", median(ends), "s", "<= 0.8", "3.1", SINGLES))
    busy = "a step that lasts over a second is told in between"
    for what, counts in (("create to Running", created[1:]), ("delete", deleted)):
        report.add(Figure(f"our mutating calls, {what}, median", median(counts), "", "<= 8", "", len(counts)))
        report.add(Figure(f"our mutating calls, {what}, most", max(counts), "", "<= 8", "", len(counts), busy))


async def arrivals(there: Bed, report: Report) -> None:
    """Sixty machines at four a second on one node, started paused."""
    names = [f"arrive{number}" for number in range(ARRIVALS)]
    spec = PAUSED | FORCE | {"nodeSelector": {"kubernetes.io/hostname": "n1"}}

    async def arrive(number: int) -> float:
        await asyncio.sleep(number / RATE)
        return await there.create(names[number], **spec)

    async with there.watching() as seen:
        asked = await asyncio.gather(*(arrive(number) for number in range(ARRIVALS)))
        took = [at - begun for at, begun in zip(await seen.all_in(names, "Paused"), asked, strict=True)]
    report.add(Figure("60 VMs at 4/s on one node, paused: p50", percentile(took, 0.5), "s", "<= 0.7", "", ARRIVALS))
    report.add(Figure("60 VMs at 4/s on one node, paused: p95", percentile(took, 0.95), "s", "<= 1.5", "", ARRIVALS))


async def memory(there: Bed, report: Report) -> None:
    """Memory of our processes with the machines of the arrivals still there; then all of them deleted at once."""
    names = [item["metadata"]["name"] for item in there.world.list("vm", "-n", there.namespace)]
    report.add(Figure(f"agent with {len(names)} VMs, PSS", pss(there.pid("agent-n1")), "MiB", "<= 100"))
    report.add(
        Figure(f"controller with {len(names)} VMs, PSS", pss(there.pid("controller")), "MiB", "<= 100 + 40 kB a VM")
    )
    async with there.watching() as seen:
        begun = time.monotonic()
        await asyncio.gather(*(there.delete(name) for name in names))
        ended = max(await seen.all_in(names, "Gone"))
    report.add(Figure(f"delete {len(names)} at once, last gone", ended - begun, "s", "", "14-22 (30)"))


async def burst(there: Bed, report: Report) -> None:
    """Thirty machines at once on three nodes against a plain libvirt loop on the same nodes."""
    names = [f"burst{number}" for number in range(BURST)]
    async with there.watching() as seen:
        begun = time.monotonic()
        await asyncio.gather(*(there.create(name, **PAUSED, **FORCE) for name in names))
        ended = await seen.all_in(names, "Paused")
    total = max(ended) - begun
    plain = await plain_loop(there, names)
    spared = await plain_loop(there, names, keep="")
    async with there.watching() as seen:
        await asyncio.gather(*(there.delete(name) for name in names))
        await seen.all_in(names, "Gone")
    report.add(Figure("30 VMs at once on 3 nodes, paused: last Paused", total, "s", "", "38", BURST))
    report.add(
        Figure(
            "30 VMs at once on 3 nodes, paused: p50",
            percentile([at - begun for at in ended], 0.5),
            "s",
            "",
            "34",
            BURST,
        )
    )
    report.add(
        Figure(
            "... against a plain libvirt loop, same nodes",
            total / plain,
            "ratio",
            "<= 1.3",
            "",
            1,
            f"loop {plain:.1f} s; {spared:.1f} s when its XML spares libvirt's questions as ours does: see ADR 0010",
        )
    )


async def plain_loop(there: Bed, names: list[str], keep: str = QUESTIONED) -> float:
    """Start twins of these machines with virsh, on each node one after the other; `keep` edits their XML."""
    where: dict[str, list[str]] = {}
    for item in there.world.list("vm", "-n", there.namespace):
        if item["metadata"]["name"] in names:
            where.setdefault(item["status"]["nodeName"], []).append(item["metadata"]["uid"])
    twins = {
        node: [await asyncio.to_thread(twin, there, node, uid, keep) for uid in uids] for node, uids in where.items()
    }
    begun = time.monotonic()
    await asyncio.gather(*(asyncio.to_thread(start_all, there, node, files) for node, files in twins.items()))
    took = time.monotonic() - begun
    for node, files in twins.items():
        await asyncio.to_thread(destroy_all, there, node, files)
    return took


def twin(there: Bed, node: str, uid: str, keep: str) -> str:
    """Write the XML of a guest under another name and uuid on its node; give the file's path."""
    script = (
        f"virsh -q dumpxml {uid} --inactive | sed -e '/<uuid>/d' -e 's|<name>.*</name>|<name>twin-{uid}</name>|'"
        " -e '/<mac address/d' -e '/<metadata>/,/<\\/metadata>/d' -e '/<log file/d'"
        f" -e 's|<source file=.*/>|<source file=\"/tmp/twin-{uid}.qcow2\"/>|'"
        f" {keep} > /tmp/twin-{uid}.xml"
    )
    there.world.node(node, "sh", "-c", script)
    return f"/tmp/twin-{uid}.xml"


def start_all(there: Bed, node: str, files: list[str]) -> None:
    """Define and start, paused, one after the other: what a shell script of an administrator does."""
    steps = " && ".join(
        f"qemu-img create -q -f qcow2 {file.replace('.xml', '.qcow2')} 64M && virsh -q create --paused {file}"
        for file in files
    )
    there.world.node(node, "sh", "-c", steps)


def destroy_all(there: Bed, node: str, files: list[str]) -> None:
    """Take the twins away."""
    for file in files:
        there.world.node(node, "virsh", "-q", "destroy", Path(file).stem, check=False)


async def idle(there: Bed, report: Report) -> None:
    """Writes in two minutes in which nothing happens, with the resync at 20 s; memory of an anchor."""
    names = [f"idle{number}" for number in range(3)]
    async with there.watching() as seen:
        for name in names:
            await there.create(name)
        await seen.all_in(names, "Running")
    for name in names:  # until its probe is answered, a machine is not idle
        await asyncio.to_thread(there.tenant.machine(name).ready)
    await asyncio.sleep(20)
    mark = there.audit_end()
    await asyncio.sleep(120)
    writes = there.writes(mark)
    report.add(
        Figure(
            "our mutating calls in two idle minutes", sum(writes.values()), "", "0", "~216", 1, str(dict(writes) or "")
        )
    )
