"""Kubernetes quantities as whole numbers and back."""

import re
from decimal import ROUND_CEILING, Decimal

from drover.errors import InvalidSpec

SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
LEGIBLE = 6
"""Characters of a quantity that people take in at a glance."""
PATTERN = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)$")


def number(quantity: int | str) -> Decimal:
    """Read a quantity such as ``2Gi``, ``200m`` or ``5``; raise `InvalidSpec` on anything else."""
    found = PATTERN.match(str(quantity))
    if found is None or found[2] not in SUFFIXES:
        raise InvalidSpec(f"{quantity!r} is not a quantity such as 2Gi or 200m")
    return Decimal(found[1]) * SUFFIXES[found[2]]


def whole(quantity: int | str) -> int:
    """Bytes (or other whole units) of a quantity, rounded up."""
    return int(number(quantity).to_integral_value(ROUND_CEILING))


def milli(quantity: int | str) -> int:
    """Thousandths of a quantity, rounded up: ``200m`` is 200."""
    return int((number(quantity) * 1000).to_integral_value(ROUND_CEILING))


def binary(count: int) -> str:
    """Bytes as the largest exact power-of-two quantity: 2147483648 is ``2Gi``."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if count and count % int(SUFFIXES[suffix]) == 0:
            return f"{count // int(SUFFIXES[suffix])}{suffix}"
    return str(count)


def readable(count: int) -> str:
    """Bytes as people read them: exact where that is short, else rounded down to at least two digits."""
    exact = binary(count)
    if len(exact) <= LEGIBLE:
        return exact
    unit = next(unit for unit in ("Ti", "Gi", "Mi", "Ki") if count >= 10 * SUFFIXES[unit])
    return f"{count // int(SUFFIXES[unit])}{unit}"
