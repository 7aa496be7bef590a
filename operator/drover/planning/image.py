"""What is said of an image: which nodes hold it, and what its files turned out to be."""

from collections.abc import Iterable, Mapping, Sequence

from drover.api.hypervisor import HeldImage
from drover.api.image import ImageFile, VirtualMachineImageSpec, VirtualMachineImageStatus
from drover.planning import quantity
from drover.planning.conditions import Finding, stamp
from drover.planning.view import HypervisorView, ImageView

Held = Mapping[str, HeldImage]
"""Files in a node's cache, by URL."""


def files(spec: VirtualMachineImageSpec) -> dict[str, str]:
    """URLs of the image's files, with the checksum each must have; empty where any will do."""
    parts = [(spec.source, spec.checksum)]
    if spec.kernel:
        initrd = spec.kernel.initrd
        parts += [(spec.kernel.source, spec.kernel.checksum)]
        parts += [(initrd.source, initrd.checksum)] if initrd else []
    return {source.http.url: checksum or "" for source, checksum in parts if source and source.http}


def status(image: ImageView, hypervisors: Iterable[HypervisorView], *, now: str) -> VirtualMachineImageStatus:
    """Sum up what the nodes report."""
    nodes = {each.meta.key.name: held_by(each) for each in hypervisors}
    wanted = files(image.spec)
    recorded = _recorded(image, wanted, nodes)
    differing = sorted(node for node, held in nodes.items() if _differs(held, recorded))
    holding = [node for node, held in nodes.items() if node not in differing and all(url in held for url in wanted)]
    disk = _disk(image, nodes, holding)
    before = image.status
    found = _ready(holding, differing)
    return VirtualMachineImageStatus(
        observed_generation=image.meta.generation,
        conditions=stamp([found], before.conditions or [], now=now, generation=image.meta.generation),
        files=[ImageFile(url=url, digest=recorded[url]) for url in wanted if url in recorded] or None,
        format=(disk.format if disk else None) or before.format,
        virtual_size=quantity.binary(disk.virtual_size) if disk and disk.virtual_size else before.virtual_size,
        nodes=len(holding),
    )


def held_by(hypervisor: HypervisorView) -> Held:
    """Files in a node's cache, by URL."""
    return {held.url: held for held in hypervisor.status.images or []}


def _recorded(image: ImageView, wanted: Mapping[str, str], nodes: Mapping[str, Held]) -> dict[str, str]:
    """Digests by URL: the one that the spec asks for, else the first that was seen."""
    seen = {url: held[url].digest for url in wanted for _, held in sorted(nodes.items(), reverse=True) if url in held}
    asked = {url: checksum for url, checksum in wanted.items() if checksum.startswith("sha256:")}
    return seen | {file.url: file.digest for file in image.status.files or [] if file.url in wanted} | asked


def _differs(held: Held, recorded: Mapping[str, str]) -> bool:
    return any(url in held and held[url].digest != digest for url, digest in recorded.items())


def _disk(image: ImageView, nodes: Mapping[str, Held], holding: Sequence[str]) -> HeldImage | None:
    source = image.spec.source
    if source is None or source.http is None or not holding:
        return None
    return nodes[min(holding)].get(source.http.url)


def _ready(holding: Sequence[str], differing: Sequence[str]) -> Finding:
    if differing:
        return Finding("Ready", "False", "DigestMismatch", f"{', '.join(differing)} found other content at its URL")
    if holding:
        return Finding(
            "Ready", "True", "Held", f"{len(holding)} nodes hold it" if len(holding) > 1 else "a node holds it"
        )
    return Finding("Ready", "Unknown", "NotNeeded", "no node holds it; the first machine that needs it has it fetched")
