"""Where the files of images are, as one URL each: s3:// and oci:// beside http:// and https://."""

from urllib.parse import quote, urlencode

from drover.api.image import ImageSource

REGION = "us-east-1"


def address(source: ImageSource) -> str:
    """Write down where a file is; what takes a Secret is not among it."""
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
