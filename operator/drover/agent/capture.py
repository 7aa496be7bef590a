"""Captured images on this node: made once of a volume that no guest has open, kept in its pool, deleted with the image.

Nodes take them into their caches from there as they fetch other images, pinned to the digest that is found here.
"""

from contextlib import suppress
from pathlib import Path

from drover.agent import pool as pools
from drover.agent.node import Node
from drover.agent.seal import Sealing, check
from drover.api.hypervisor import HeldImage
from drover.api.image import ImageCapture
from drover.api.kinds import IMAGE
from drover.errors import NotReady, OperatorError
from drover.kube.definitions import kinds_removed
from drover.metrics.registry import wrote
from drover.planning import imagesource, names
from drover.planning.capture import is_sealed
from drover.planning.view import ImageView
from drover.state.host import VolumeFile
from drover.state.resource import Key


async def reconcile(node: Node, key: Key) -> float | None:
    """Have the data of one captured image, or let it go."""
    if not node.orders.primed:
        return None
    image = node.orders.image(key)
    if image is None or image.status.capture is None:
        node.images.keep_no_more(key)
        return None
    if image.meta.deleting:
        await _delete(node, image, image.status.capture)
        return None
    try:
        node.images.keeps(key, await _kept(node, image, image.status.capture))
    except OperatorError as error:
        node.images.keeps(key, _told(image).model_copy(update={"reason": error.reason, "message": str(error)[:1024]}))
        raise
    return None


async def _kept(node: Node, image: ImageView, place: ImageCapture) -> HeldImage:
    """Have the file, and tell what it is; once its digest is known, one that is gone is lost."""
    await pools.ensure(node, place.pool)
    known = image.status.digest
    file = await node.host.volume(place.pool, image.meta.uid)
    if file is None and known is not None:
        words = f"the data of the image are not in pool {place.pool} any more: delete it and capture it anew"
        raise NotReady(words, reason="CaptureLost")
    file = file or await _made(node, image, place)
    return _held(image, file, known or await node.host.digest(file))


async def _made(node: Node, image: ImageView, place: ImageCapture) -> VolumeFile:
    origin = place.pool, place.volume_uid
    if not is_sealed(image):
        return await node.host.copy_volume(place.pool, image.meta.uid, 0, origin)
    check()
    facts = await node.host.facts()
    copy = await node.host.captures.begin(place.pool, image.meta.uid, origin)
    folder = node.identity.state_dir / "seal"
    try:
        await node.sealer.seal(Sealing(Path(copy.path), copy.capacity_bytes, folder, kvm=facts.accelerator == "KVM"))
    except OperatorError:
        with suppress(OperatorError):
            await node.host.captures.drop(place.pool, image.meta.uid)
        raise
    return await node.host.captures.finish(place.pool, image.meta.uid)


def _held(image: ImageView, file: VolumeFile, digest: str) -> HeldImage:
    size = file.allocated_bytes
    facts = {"digest": digest, "size": size, "download_size": size, "virtual_size": file.capacity_bytes}
    return _told(image).model_copy(update={**facts, "format": "qcow2"})


def _told(image: ImageView) -> HeldImage:
    return HeldImage(image=str(image.meta.key), url=imagesource.kept(image))


async def _delete(node: Node, image: ImageView, place: ImageCapture) -> None:
    """Delete the file, and let the image go; what was taken from it into caches is not touched."""
    node.images.keep_no_more(image.meta.key)
    if names.FINALIZER_IMAGE not in image.meta.finalizers:
        return
    if not await kinds_removed(node.cluster, IMAGE):
        await pools.ensure(node, place.pool)
        await node.host.delete_volume(place.pool, image.meta.uid)
    wrote(IMAGE.name, "finalize")
    await node.cluster.remove_finalizer(IMAGE, image.meta, names.FINALIZER_IMAGE)
