"""A Namespace as the cache holds it: its labels, for selectors, and whether it is going."""

from dataclasses import dataclass

from drover.state.resource import Body, Meta, read_meta


@dataclass(frozen=True, slots=True)
class Namespace:
    """What sharing and creating depend on."""

    meta: Meta

    @property
    def terminating(self) -> bool:
        """Whether nothing can be created in it any more."""
        return bool(self.meta.deleting)


def read_namespace(body: Body) -> Namespace:
    """Read a Namespace."""
    return Namespace(read_meta(body))
