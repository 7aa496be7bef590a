"""Who may use what a namespace or the cluster shares."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import Model, rule, rules
from drover.api.scheduling import SelectorData


class AllowedNamespaces(Model):
    """Namespaces that may refer to the object."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.from == 'Selector') == has(self.selector)",
                "'selector goes with from: Selector, and only with it; from is ' + self.from",
                dynamic=True,
            )
        )
    )

    from_: Annotated[Literal["Same", "All", "Selector"], Field(alias="from")]
    """Same: the object's own namespace; All: every one; Selector: those whose labels match `selector`."""
    selector: SelectorData | None = None
    """Label selector of namespaces, with from: Selector; absent with the others."""
