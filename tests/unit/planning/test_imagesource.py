"""Where files of images are, as one URL each."""

from typing import Any

import pytest

from drover.api.image import ImageSource
from drover.planning import imagesource

SHA = "sha256:" + "a" * 64
BUCKET = {"endpoint": "https://s3.example", "bucket": "vms", "key": "images/debian 12.raw"}
KEYS = {"credentialsSecretRef": {"name": "keys"}}


def source(kind: str, **member: Any) -> ImageSource:
    return ImageSource.model_validate({"type": kind, kind.lower(): member})


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (source("HTTP", url="https://web/x"), "https://web/x"),
        (
            source("S3", **BUCKET, **KEYS),
            "s3://vms/images/debian%2012.raw?endpoint=https%3A%2F%2Fs3.example&region=us-east-1",
        ),
        (
            source("S3", **BUCKET, region="eu-1"),
            "s3://vms/images/debian%2012.raw?endpoint=https%3A%2F%2Fs3.example&region=eu-1",
        ),
        (source("OCI", reference="reg:5000/vms/debian:12"), "oci://reg:5000/vms/debian:12"),
        (ImageSource(type="HTTP"), ""),
    ],
)
def test_a_source_is_one_url(given: ImageSource, address: str) -> None:
    assert imagesource.address(given) == address


@pytest.mark.parametrize(
    ("given", "asked", "checksum"),
    [
        (source("HTTP", url="https://web/x"), SHA, SHA),
        (source("HTTP", url="https://web/x"), None, None),
        (source("OCI", reference=f"reg/vms@{SHA}"), None, SHA),
        (source("OCI", reference="reg/vms:12"), None, None),
    ],
)
def test_an_oci_image_is_checked_by_what_its_reference_names(
    given: ImageSource, asked: str | None, checksum: str | None
) -> None:
    assert imagesource.checksum(given, asked) == checksum


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        (source("HTTP", url="https://web/x", headersSecretRef={"name": "keys"}), "keys"),
        (source("HTTP", url="https://web/x"), None),
        (source("S3", **BUCKET, **KEYS), "keys"),
        (source("OCI", reference="reg/vms:12", **KEYS), "keys"),
    ],
)
def test_the_secret_of_a_source_is_known(given: ImageSource, secret: str | None) -> None:
    assert imagesource.secret(given) == secret


def test_the_longest_place_in_a_bucket_is_no_longer_than_a_url_may_be() -> None:
    most = {"endpoint": "http://" + "%" * 193, "bucket": "b" * 63, "key": "%" * 400, "region": "r" * 64}
    assert len(imagesource.address(source("S3", **most))) <= 2048
