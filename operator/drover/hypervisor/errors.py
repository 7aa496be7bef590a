"""libvirt's errors as the taxonomy's: the one table.

=========================================  ==============================================================
a thing is not there                       None (`found`); seen in the middle of a verb: `Busy`
a job or a lock is in the way, a time-out  `Busy`
no connection, a silent guest agent        `Unavailable`
the host cannot                            `Unsupported`
the state is not what the verb needs       `Busy`: observe again
everything else                            `HypervisorFault`: a bug of ours or of the host, it becomes a traceback
=========================================  ==============================================================
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import libvirt
from drover.errors import Busy, OperatorError, Retryable, Unavailable, Unsupported

P = ParamSpec("P")
T = TypeVar("T")


class HypervisorFault(Exception):
    """libvirt refused what it should not: a bug of ours or of the host; outside the taxonomy on purpose."""


ABSENT = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_DOMAIN_METADATA,
        libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_SECRET,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
    }
)
"""Codes that mean None."""

TABLE: dict[int, type[OperatorError]] = {
    **dict.fromkeys(ABSENT, Busy),
    libvirt.VIR_ERR_RESOURCE_BUSY: Busy,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: Busy,
    libvirt.VIR_ERR_OPERATION_INVALID: Busy,
    libvirt.VIR_ERR_OPERATION_ABORTED: Busy,
    libvirt.VIR_ERR_NO_CONNECT: Unavailable,
    libvirt.VIR_ERR_INVALID_CONN: Unavailable,
    libvirt.VIR_ERR_RPC: Unavailable,
    libvirt.VIR_ERR_AUTH_FAILED: Unavailable,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: Unavailable,
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: Unavailable,
    libvirt.VIR_ERR_AGENT_UNSYNCED: Unavailable,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: Unsupported,
    libvirt.VIR_ERR_NO_SUPPORT: Unsupported,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: Unsupported,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED: Unsupported,
}
"""What each code is in the taxonomy; a code that is not here is a `HypervisorFault`."""

TRANSPORT = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
"""Parts of libvirt whose errors, whatever the code, mean that libvirtd does not answer."""

START_FAILURES = frozenset(
    {libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_SYSTEM_ERROR}
)
"""How libvirt passes on that QEMU, a file or the kernel failed: the host's trouble, which may pass."""


def convert(error: libvirt.libvirtError) -> Exception:
    """The error as one of ours."""
    message = str(error)
    if error.get_error_domain() in TRANSPORT:
        return Unavailable(message)
    kind = TABLE.get(error.get_error_code())
    return HypervisorFault(message) if kind is None else kind(message)


@contextmanager
def converted() -> Iterator[None]:
    """Let no exception of libvirt out."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise convert(error) from error


@contextmanager
def host_trouble(reason: str) -> Iterator[None]:
    """Tell failures of the host, such as too little memory or disk, as `reason`: tried again, and shown to the user."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() in START_FAILURES and error.get_error_domain() not in TRANSPORT:
            raise Retryable(str(error), reason=reason) from error
        raise


def found(lookup: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The result of a look-up, None when libvirt has no such thing."""
    try:
        return lookup(*args, **kwargs)
    except libvirt.libvirtError as error:
        if error.get_error_code() in ABSENT:
            return None
        raise
