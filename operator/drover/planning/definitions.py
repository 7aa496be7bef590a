"""What may be done with the CRDs in a cluster, and whether they suit the program that runs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drover.api.crds import ANNOTATION_VERSION
from drover.planning.versions import is_older
from drover.state.resource import Body

MANAGER = "drover-crds"
COMMAND = "drover crds apply"


@dataclass(frozen=True, slots=True)
class Installed:
    """A CRD as the cluster has it."""

    name: str
    """``<plural>.<group>``."""
    version: str
    """Release of Drover that it is of; empty when it does not tell."""
    stored: tuple[str, ...] = ()
    """Versions of the kind in which objects may be stored."""
    generation: int = 0


def read(body: Body) -> Installed:
    """Read a CRD, whole or its metadata alone."""
    meta, status = body["metadata"], body.get("status") or {}
    annotations = meta.get("annotations") or {}
    return Installed(
        name=meta["name"],
        version=annotations.get(ANNOTATION_VERSION, ""),
        stored=tuple(status.get("storedVersions") or ()),
        generation=meta.get("generation", 0),
    )


def refusals(wanted: Iterable[Body], installed: Mapping[str, Installed]) -> tuple[str, ...]:
    """Say why the CRDs must not be replaced by those wanted; empty when they may be."""
    pairs = ((body, installed.get(body["metadata"]["name"])) for body in wanted)
    return tuple(said for body, present in pairs if present for said in _refused(body, present))


def _refused(body: Body, present: Installed) -> Iterator[str]:
    wanted = read(body).version
    kept = {version["name"] for version in body["spec"]["versions"]}
    if dropped := sorted(set(present.stored) - kept):
        yield (
            f"{present.name}: objects are stored as {', '.join(dropped)}, which release {wanted} does not know any"
            " more: upgrade by a release that knows both, which stores them anew"
        )
    if is_older(wanted, present.version):
        yield (
            f"{present.name}: the cluster has the definition of release {present.version}, and {wanted} is older:"
            f" run `{COMMAND}` of {present.version} or a later one"
        )


def unfit(installed: Mapping[str, Installed | None], version: str) -> str:
    """Say what keeps a program of a release from working with the CRDs of the cluster; empty when nothing does.

    ``None`` stands for one that the cluster does not have.
    """
    missing = sorted(name for name, found in installed.items() if found is None)
    if missing:
        return f"the API server does not know {', '.join(missing)}: run `{COMMAND}`"
    old = [found for _, found in sorted(installed.items()) if found and is_older(found.version, version)]
    if not old:
        return ""
    has = ", ".join(sorted({each.version or "unknown" for each in old}))
    return f"{', '.join(each.name for each in old)}: of release {has}, but this is {version}: run `{COMMAND}`"


def established(body: Body) -> bool:
    """Tell whether the API server serves the kind."""
    return _condition(body, "Established") == "True"


def name_trouble(body: Body) -> str:
    """Say why the API server does not take the names of the kind; empty when it does or has yet to look."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    refused = (each for each in conditions if each["type"] == "NamesAccepted" and each["status"] == "False")
    # Before it has looked, it says so in the same way.
    return next((each["message"] for each in refused if each["reason"] != "NoConflicts"), "")


def _condition(body: Body, kind: str) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((each["status"] for each in conditions if each["type"] == kind), "")
