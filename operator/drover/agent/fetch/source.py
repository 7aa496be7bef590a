"""Where the body of a file is: on a web server, in S3 with a signature, a layer in a registry, or in a pool here."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from drover.agent.fetch import registry
from drover.agent.fetch.order import Order, Request, Source, Trouble


async def find(order: Order) -> Source:
    """Find out what to ask which server for."""
    return await SOURCES[urlsplit(order.url).scheme](order)


async def _web(order: Order) -> Source:
    return Source(Request(order.url, order.credentials), order.checksum)


async def _s3(order: Order) -> Source:
    # Imported late: it is large, and most images are not in buckets.
    from drover.agent.fetch import s3  # noqa: PLC0415

    return Source(Request(s3.signed(order), exact=True), order.checksum)


async def _registry(order: Order) -> Source:
    try:
        return await registry.find(order)
    except (KeyError, TypeError, AttributeError) as error:
        raise Trouble("UnknownFormat", f"the registry's manifest makes no sense: {error}") from error


SOURCES: Mapping[str, Callable[[Order], Awaitable[Source]]] = {
    "http": _web,
    "https": _web,
    "volume": _web,
    "s3": _s3,
    "oci": _registry,
}
