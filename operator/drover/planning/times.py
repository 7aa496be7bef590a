"""RFC 3339 times as the API writes them."""

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """Whole seconds in UTC: the form of ``metav1.Time``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """Microseconds in UTC: the form of ``metav1.MicroTime``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """Read either form."""
    return datetime.fromisoformat(text)
