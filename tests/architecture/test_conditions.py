"""Every reason that a condition can have is explained, and only those."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.sources import PACKAGE, ROOT, trees

PAGE = (ROOT / "docs" / "reference" / "conditions.md").read_text(encoding="utf-8")
SPEAKERS = ("agent", "controllers", "hypervisor", "kube", "planning", "translation")
WORD = re.compile(r"(?=.*[a-z])[A-Z][a-z]*(?:[A-Z]+[a-z]*)+")
"""Of one part are also ordinary words; those are looked for the other way round alone."""
TYPES = {"DevicesUsable", "GuestReady", "HostKnown", "LibvirtConnected", "NetworkReady", "VolumesReady"}
STOPS = {"GuestCrashed", "GuestPanic", "GuestShutdown", "HostFailure", "HypervisorKilled"}
"""Reasons of `status.lastStop`."""
EVENTS = {"AbandonedOnNode", "AgentConnected", "AgentDisconnected", "BlockJob", "DeviceRemoved", "ShuttingDown"}
SPECS = {
    *("CrashLoopBackOff", "DoesNotExist", "HostModel", "HostPassthrough", "NoExecute", "NotIn", "OnFailure"),
    *("PowerOff", "SecureBoot", "VirtIO", "VirtualMachine", "WriteBack", "WriteThrough"),
}
KUBERNETES = {"AlreadyExists", "IfNotPresent", "NamesAccepted", "NoConflicts", "NotFound", "RuntimeDefault"}
FOREIGN = {"BinaryIO", "ETag", "IOError", "InUse", "KiB", "MiB", "SecretRef"}
OTHERS = TYPES | STOPS | EVENTS | SPECS | KUBERNETES | {"AsSpecified", "NotBlocked", "ProbeSucceeded"} | FOREIGN
"""Words that are no reasons, and reasons of a condition that tells of nothing amiss."""


def test_every_reason_is_explained() -> None:
    said = {text for text in _texts(*SPEAKERS) if WORD.fullmatch(text)}

    assert sorted(said - OTHERS - _explained()) == []


def test_nothing_is_explained_that_is_never_said() -> None:
    said = set(_texts(*SPEAKERS, "errors.py", "state", "api")) | {"Unschedulable"}

    assert sorted(_explained() - said - {each.name for each in _errors()}) == []


def _explained() -> set[str]:
    """Words of the columns that name reasons."""
    rows = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
    columns = [row[2] if len(row) > 5 else row[1] for row in rows]
    return {word for column in columns for word in column.split(", ")} - {"reason", "---"}


def _texts(*parts: str) -> Iterator[str]:
    for path, tree in trees().items():
        if path.relative_to(PACKAGE).parts[0] in parts:
            nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
            yield from (node.value for node in nodes if isinstance(node.value, str))


def _errors() -> Iterator[ast.ClassDef]:
    """Errors whose own name is the reason unless they are given another."""
    return (node for node in ast.walk(trees()[PACKAGE / "errors.py"]) if isinstance(node, ast.ClassDef))
