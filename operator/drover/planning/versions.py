"""Versions such as 1.2.3, compared by their numbers."""

import re

_NUMBERS = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(-?)")


def numbers(version: str) -> tuple[int, ...]:
    """Give major, minor and patch number of a version, and -1 for a pre-release; nothing when there are no numbers."""
    found = _NUMBERS.match(version)
    if found is None:
        return ()
    major, minor, patch, pre = found.groups()
    return (int(major), int(minor or 0), int(patch or 0), -1 if pre else 0)


def is_older(version: str, other: str) -> bool:
    """Tell whether a version comes before another; one that is unknown comes before all."""
    return numbers(version) < numbers(other)
