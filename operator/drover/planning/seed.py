"""The seed: what a machine's guest is told at its first boot, from its cloudInit and its plugin's workload."""

import hashlib
from collections.abc import Iterator

from drover.api.cloudinit import CloudInit, SecretKey
from drover.api.domain import DomainSeed, DomainText
from drover.api.plugin import Workload
from drover.api.resolved import ResolvedSeed
from drover.planning import seedtext
from drover.planning.seedtext import Part
from drover.state.resource import pack_model

GENERATED = "Generated"
"""Where a network configuration comes from that is made of the interfaces."""
PARTS: tuple[Part, ...] = ("userData", "networkData", "metaData")


def seed(machine: str, cloud_init: CloudInit | None, workload: Workload | None) -> DomainSeed | None:
    """Put together what the guest of `machine` is told, ``None`` when there is nothing to tell."""
    given = cloud_init or CloudInit()
    entrypoint, env = (workload.entrypoint or [], workload.env or []) if workload else ([], [])
    if cloud_init is None and not entrypoint and not env:
        return None
    return DomainSeed(
        hostname=given.hostname or machine,
        ssh_authorized_keys=given.ssh_authorized_keys or [],
        user_data=_text(given.user_data, given.user_data_secret_ref),
        network_data=_text(given.network_data, given.network_data_secret_ref),
        meta_data=_text(given.meta_data, given.meta_data_secret_ref),
        entrypoint=entrypoint,
        env=env,
    )


def texts(found: DomainSeed) -> Iterator[tuple[Part, DomainText]]:
    """List the texts that somebody wrote."""
    for part, text in zip(PARTS, (found.user_data, found.network_data, found.meta_data), strict=True):
        if text is not None:
            yield part, text


def secrets(found: DomainSeed | None) -> tuple[SecretKey, ...]:
    """List the Secrets that are needed to write a seed."""
    named = (text.secret for _, text in texts(found)) if found else ()
    return tuple(dict.fromkeys(secret for secret in named if secret))


def named(cloud_init: CloudInit | None) -> tuple[SecretKey, ...]:
    """List the Secrets that a machine names by itself."""
    given = cloud_init or CloudInit()
    every = (given.user_data_secret_ref, given.network_data_secret_ref, given.meta_data_secret_ref)
    return tuple(each for each in every if each)


def faults(found: DomainSeed | None) -> Iterator[str]:
    """Tell what is wrong with the texts that stand in the spec."""
    for part, text in texts(found) if found else ():
        wrong = seedtext.fault(part, text.inline) if text.inline is not None else None
        if wrong is not None:
            yield f"cloudInit.{part}: line {wrong.line}: {wrong.words}"


def digest(found: DomainSeed | None) -> str:
    """Tell one seed from another in few characters, empty for none; a Secret counts by its name."""
    return hashlib.sha256(pack_model(found)).hexdigest()[:12] if found else ""


def shown(found: DomainSeed | None, *, generated: bool = False) -> ResolvedSeed | None:
    """Word a seed for the status: texts only by where they come from; `generated`: it tells of interfaces."""
    if found is None:
        return None
    origins = {part: _origin(text) for part, text in texts(found)}
    return ResolvedSeed(
        hostname=found.hostname,
        ssh_authorized_keys=len(found.ssh_authorized_keys),
        user_data=origins.get("userData"),
        network_data=origins.get("networkData", GENERATED if generated else None),
        meta_data=origins.get("metaData"),
        entrypoint=" ".join(found.entrypoint) or None,
        env=[each.name for each in found.env] or None,
    )


def _text(inline: str | None, secret: SecretKey | None) -> DomainText | None:
    return DomainText(inline=inline, secret=secret) if inline is not None or secret is not None else None


def _origin(text: DomainText) -> str:
    return f"Secret {text.secret.name}/{text.secret.key}"[:256] if text.secret else "Inline"
