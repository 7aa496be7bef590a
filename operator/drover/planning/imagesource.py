"""Where the files of images are, as one URL each: s3://, oci:// and volume:// beside http:// and https://."""

from urllib.parse import quote, urlencode

from drover.api.image import ImageSource
from drover.planning.view import ImageView

REGION = "us-east-1"
KEPT = "volume://"
"""What the URL of a captured image begins with: its pool and its uid, by which its file there is called, follow."""


def kept(image: ImageView) -> str:
    """Where a captured image is; empty as long as nobody captures it."""
    return f"{KEPT}{image.status.capture.pool}/{image.meta.uid}" if image.status.capture else ""


def place(url: str) -> tuple[str, str] | None:
    """Pool and uid of a captured image, None of one that is fetched."""
    if not url.startswith(KEPT):
        return None
    pool, _, uid = url.removeprefix(KEPT).partition("/")
    return pool, uid


def address(source: ImageSource, kept: str = "") -> str:
    """Write down where a file is, of what is captured `kept`; what takes a Secret is not among it."""
    if source.volume or source.virtual_machine:
        return kept
    if source.s3:
        where = urlencode({"endpoint": source.s3.endpoint, "region": source.s3.region or REGION})
        return f"s3://{source.s3.bucket}/{quote(source.s3.key)}?{where}"
    if source.oci:
        return f"oci://{source.oci.reference}"
    return source.http.url if source.http else ""


def checksum(source: ImageSource, asked: str | None) -> str | None:
    """The checksum that the file must have; of an OCI image the digest that its reference names."""
    if source.oci:
        return source.oci.reference.partition("@")[2] or None
    return asked


def secret(source: ImageSource) -> str | None:
    """Name of the Secret that it takes to fetch it."""
    refs = (
        source.http.headers_secret_ref if source.http else None,
        source.s3.credentials_secret_ref if source.s3 else None,
        source.oci.credentials_secret_ref if source.oci else None,
    )
    return next((ref.name for ref in refs if ref), None)
