"""Randomness."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def rng(guest: Blueprint) -> Iterator[Element]:
    """Render a source of randomness: a fresh guest has none of its own."""
    del guest
    yield element("rng", element("backend", "/dev/urandom", model="random"), model="virtio")
