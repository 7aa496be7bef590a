"""Objects in buckets: a URL is signed, and then fetched like any other, with all that is watched there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from drover.agent.fetch.order import Order, Trouble

if TYPE_CHECKING:
    from obstore.store import S3Config

VALID = timedelta(hours=1)
"""How long a transfer may be begun with it; one that runs goes on."""


def signed(order: Order) -> str:
    """A URL by which the object can be had for a while; of a public bucket its plain one."""
    place = urlsplit(order.url)
    where = {name: values[0] for name, values in parse_qs(place.query).items()}
    bucket, key = place.netloc, place.path.removeprefix("/")
    if not order.credentials:
        return f"{where['endpoint'].rstrip('/')}/{bucket}/{key}"
    try:
        store = S3Store(
            bucket,
            endpoint=where["endpoint"],
            region=where["region"],
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
            config=_keys(order.credentials),
        )
        return str(obstore.sign(store, "GET", unquote(key), VALID))
    except (BaseError, ValueError) as error:
        raise Trouble("CredentialsInvalid", f"the object cannot be asked for: {type(error).__name__}") from error


def _keys(credentials: Mapping[str, str]) -> "S3Config":
    names = {"accessKeyID": "access_key_id", "secretAccessKey": "secret_access_key", "sessionToken": "session_token"}
    missing = sorted({"accessKeyID", "secretAccessKey"} - credentials.keys())
    if missing:
        raise Trouble("CredentialsInvalid", f"the Secret has no key {missing[0]}")
    found = {theirs: credentials[ours] for ours, theirs in names.items() if ours in credentials}
    return cast("S3Config", found)
