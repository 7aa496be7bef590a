"""What is said of an image: which nodes hold it, what its files turned out to be, and who fails to get them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drover.api.hypervisor import HeldImage
from drover.api.image import ImageFetch, ImageFile, ImageSource, VirtualMachineImageSpec, VirtualMachineImageStatus
from drover.planning import quantity
from drover.planning.capture import Capture
from drover.planning.conditions import Finding, stamp
from drover.planning.imagesource import address, checksum, kept, secret
from drover.planning.use import NOBODY, Use
from drover.planning.view import HypervisorView, ImageView

Held = Mapping[str, HeldImage]
"""Files of an image in a node's cache, by URL."""
CONTENT = frozenset({"ChecksumMismatch", "HasBackingFile", "HasDataFile", "UnknownFormat", "TooLarge"})
"""Reasons of a failed fetch that lie in the file itself."""
FETCHING = 10
"""Nodes that are told of while they fetch an image."""
FETCHED = Capture()
"""Of an image that is fetched."""
NOT_NEEDED = "no node holds it; the first machine that needs it has it fetched"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the nodes say of an image's files."""

    holding: tuple[str, ...]
    """Nodes that hold all of them, as they should be."""
    differing: tuple[str, ...]
    """Nodes that found other content."""
    failing: tuple[tuple[str, HeldImage], ...]
    """Nodes that cannot get one of them, and which."""
    fetching: tuple[ImageFetch, ...] = ()
    """Nodes that are at it."""


def files(spec: VirtualMachineImageSpec, kept: str = "") -> dict[str, str]:
    """URLs of the image's files, with the checksum each must have; empty where any will do."""
    return {address(source, kept): checksum(source, asked) or "" for source, asked in _parts(spec)}


def _parts(spec: VirtualMachineImageSpec) -> Iterator[tuple[ImageSource, str | None]]:
    """Where the image's files are, with the checksum that is asked for."""
    if spec.source:
        yield spec.source, spec.checksum
    if spec.kernel:
        yield spec.kernel.source, spec.kernel.checksum
        if spec.kernel.initrd:
            yield spec.kernel.initrd.source, spec.kernel.initrd.checksum


def status(
    image: ImageView, hypervisors: Iterable[HypervisorView], *, now: str, use: Use = NOBODY, made: Capture = FETCHED
) -> VirtualMachineImageStatus:
    """Sum up what the nodes report; `made` is how far a captured image is."""
    wanted, before = files(image.spec, kept(image)), image.status
    told = {each.meta.key.name: _about(wanted, each) for each in sorted(hypervisors, key=_name)}
    nodes = {node: _held(image, wanted, every) for node, every in told.items()}
    reports = {node: [each for each in every if _is_own(each, image)] for node, every in told.items()}
    recorded = _recorded(image, wanted, nodes)
    nodes = {node: _fitting(image, held, recorded) for node, held in nodes.items()}
    seen = _seen(wanted, recorded, nodes, reports)
    whole = nodes[seen.holding[0]] if seen.holding else {}
    disk = whole.get(next(iter(wanted), "")) if image.spec.source else None
    return VirtualMachineImageStatus(
        observed_generation=image.meta.generation,
        conditions=stamp(
            [_verified(seen), _ready(seen, made)], before.conditions or [], now=now, generation=image.meta.generation
        ),
        digest=recorded.get(next(iter(wanted), "")),
        files=[ImageFile(url=url, digest=recorded[url]) for url in wanted if url in recorded] or None,
        format=(disk.format if disk else None) or before.format,
        virtual_size=quantity.binary(disk.virtual_size) if disk and disk.virtual_size else before.virtual_size,
        download_size=_size(wanted, whole) or before.download_size,
        nodes=len(seen.holding),
        node_name=made.node,
        capture=made.place,
        fetching=list(seen.fetching[:FETCHING]) or None,
        in_use_count=use.count,
        in_use_by=use.told,
    )


def _name(hypervisor: HypervisorView) -> str:
    return hypervisor.meta.key.name


def _about(wanted: Mapping[str, str], hypervisor: HypervisorView) -> list[HeldImage]:
    return [each for each in hypervisor.status.images or [] if each.url in wanted]


def _held(image: ImageView, wanted: Mapping[str, str], told: Iterable[HeldImage]) -> Held:
    """Files that a node has for this image: what was fetched for it, else what the node gives to others as well."""
    known = _known(image, wanted)
    private = {address(source) for source, _ in _parts(image.spec) if secret(source)}
    others = {each.url: each for each in told if each.digest and _is_for_all(each, known.get(each.url, ""), private)}
    return others | {each.url: each for each in told if each.digest and _is_own(each, image)}


def _is_for_all(held: HeldImage, checksum: str, private: Collection[str]) -> bool:
    """Whether a node gives a file to images for which it was not fetched; to a Secret its server may say otherwise."""
    fits = checksum in (held.digest, held.checksum) if checksum else held.url not in private
    return fits and held.access == "Shared"


def _fitting(image: ImageView, held: Held, recorded: Mapping[str, str]) -> Held:
    """Leave out what was fetched for others and is not what this image is."""
    return {url: each for url, each in held.items() if _is_own(each, image) or each.digest == recorded[url]}


def _is_own(held: HeldImage, image: ImageView) -> bool:
    return held.image == str(image.meta.key)


def _known(image: ImageView, wanted: Mapping[str, str]) -> dict[str, str]:
    """Checksums by URL: those that the spec asks for, else the digests that were recorded."""
    recorded = {file.url: file.digest for file in image.status.files or [] if file.url in wanted}
    return recorded | {url: asked for url, asked in wanted.items() if asked}


def _seen(
    wanted: Mapping[str, str],
    recorded: Mapping[str, str],
    nodes: Mapping[str, Held],
    reports: Mapping[str, Sequence[HeldImage]],
) -> Seen:
    differing = tuple(node for node, held in nodes.items() if _differs(held, recorded))
    return Seen(
        tuple(node for node, held in nodes.items() if node not in differing and all(url in held for url in wanted)),
        differing,
        tuple((node, each) for node, held in reports.items() for each in held if _fails(each, wanted, recorded)),
        tuple(found for node, held in reports.items() if (found := _fetching(node, held))),
    )


def _fetching(node: str, held: Sequence[HeldImage]) -> ImageFetch | None:
    """What a node is at; of several files the first."""
    under_way = ((each.stage, each.percent) for each in held)
    return next((ImageFetch(node_name=node, stage=stage, percent=done) for stage, done in under_way if stage), None)


def _fails(report: HeldImage, wanted: Mapping[str, str], recorded: Mapping[str, str]) -> bool:
    """Whether a node reports that it cannot get a file with the content that this image wants now."""
    if not report.reason:
        return False
    asked = wanted[report.url]
    return report.wanted in ({asked} if asked else {"", recorded.get(report.url)})


def _recorded(image: ImageView, wanted: Mapping[str, str], nodes: Mapping[str, Held]) -> dict[str, str]:
    """Digests by URL: the one that the spec asks for, else the first that was seen, of its own before others'."""
    every = [each for _, held in sorted(nodes.items(), reverse=True) for each in held.values()]
    seen = {each.url: each.digest for each in sorted(every, key=lambda each: _is_own(each, image))}
    asked = {url: checksum for url, checksum in wanted.items() if checksum.startswith("sha256:")}
    return seen | {file.url: file.digest for file in image.status.files or [] if file.url in wanted} | asked


def _differs(held: Held, recorded: Mapping[str, str]) -> bool:
    return any(url in held and held[url].digest != digest for url, digest in recorded.items())


def _size(wanted: Iterable[str], whole: Held) -> str | None:
    sizes = [whole[url].download_size for url in wanted if url in whole]
    known = [size for size in sizes if size is not None]
    return quantity.binary(sum(known)) if known and len(known) == len(sizes) else None


def _mismatch(seen: Seen, kind: str) -> Finding:
    return Finding(kind, "False", "DigestMismatch", f"{', '.join(seen.differing)} found other content at its URL")


def _failures(failing: Iterable[tuple[str, HeldImage]]) -> Iterator[str]:
    """Say what each node fails at, and of nodes that fail alike only once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for node, each in failing:
        alike.setdefault((each.reason, each.message), []).append(node)
    for (reason, message), nodes in alike.items():
        yield f"{', '.join(nodes)}: {message or reason}"


def _failed(kind: str, failing: Sequence[tuple[str, HeldImage]]) -> Finding:
    return Finding(kind, "False", failing[0][1].reason, "; ".join(_failures(failing)))


def _verified(seen: Seen) -> Finding:
    if seen.differing:
        return _mismatch(seen, "Verified")
    wrong = [each for each in seen.failing if each[1].reason in CONTENT]
    if wrong:
        return _failed("Verified", wrong)
    if seen.holding:
        return Finding("Verified", "True", "Verified")
    return Finding("Verified", "Unknown", "NotFetched", "no node has all of it yet")


def _ready(seen: Seen, made: Capture) -> Finding:
    if seen.differing:
        return _mismatch(seen, "Ready")
    if made.outlook and made.outlook.status == "False" and not seen.holding:
        return made.outlook
    if seen.failing:
        return _failed("Ready", seen.failing)
    if seen.holding:
        count = len(seen.holding)
        return Finding("Ready", "True", "Held", f"{count} nodes hold it" if count > 1 else "a node holds it")
    if seen.fetching:
        return Finding("Ready", "Unknown", "Fetching", f"{seen.fetching[0].node_name} fetches it")
    if made.outlook:
        return made.outlook
    return Finding("Ready", "Unknown", "NotNeeded", NOT_NEEDED)
