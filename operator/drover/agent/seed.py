"""Seed disks on this node: written anew before each start, deleted with the guest.

A seed may hold secrets: its file is readable by its owner alone, and what it is made from goes into no log.
"""

import asyncio
import io
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pycdlib
import structlog

from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainSeed, DomainText
from drover.errors import NotReady, Unavailable
from drover.planning import seed as planning
from drover.planning import seedtext
from drover.planning.seedtext import Part
from drover.planning.view import DomainView
from drover.translation import seed as translation
from drover.translation.seed import Texts

SUFFIX = ".iso"
LOOK_SECONDS = 10.0
"""How soon a Secret is read again whose text cloud-init would not take."""
log = structlog.stdlib.get_logger(__name__)
Secrets = Mapping[SecretKey, bytes]


@dataclass(frozen=True, slots=True)
class Handed:
    """What the controller gives for a seed."""

    secrets: Secrets = field(default_factory=dict, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)
    """By name of the Secret."""


Reader = Callable[[DomainView], Awaitable[Handed]]
"""Reads the Secrets that a Domain's seed names; `Unavailable` when nobody answers."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The files below `folder`, one a guest."""

    folder: Path
    read: Reader

    def path(self, uuid: str, seed: DomainSeed) -> Path:
        """Where the seed of a guest is; another seed of the same guest is another file."""
        return self.folder / f"{uuid}-{planning.digest(seed)}{SUFFIX}"

    async def write(self, order: DomainView) -> Mapping[str, str]:
        """Have the seed that a Domain asks for, and no other one of its guest; gives the versions of its Secrets.

        While nobody can be asked for its Secrets, the seed of the last start will do.
        """
        uuid, seed = order.spec.uuid, order.spec.seed
        assert seed is not None, "only a Domain with a seed orders one"
        path = self.path(uuid, seed)
        try:
            handed = await self.read(order) if planning.secrets(seed) else Handed()
        except Unavailable as error:
            if not path.exists():
                raise
            log.warning("the seed of the last start is used again", uuid=uuid, message=str(error))
            return {}
        content = translation.files(seed, uuid, _texts(seed, handed.secrets))
        await asyncio.to_thread(self._replace, path, content)
        await self.remove(uuid, but=path)
        return handed.versions

    async def remove(self, uuid: str, *, but: Path | None = None) -> None:
        """Delete the seeds of a guest."""
        await asyncio.to_thread(self._remove, uuid, but)

    def _remove(self, uuid: str, but: Path | None) -> None:
        for path in self.folder.glob(f"{uuid}-*"):
            if path != but:
                path.unlink(missing_ok=True)

    def _replace(self, path: Path, content: Mapping[str, bytes]) -> None:
        # Hypervisors that run as somebody else pass through the folder; they are given the file alone.
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with suppress(FileNotFoundError):
            part.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(disk(content))
        part.replace(path)


def disk(content: Mapping[str, bytes]) -> bytes:
    """Make the image of a disk with these files in its root."""
    image, made = pycdlib.PyCdlib(), io.BytesIO()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=translation.LABEL)
    for number, (name, data) in enumerate(content.items()):
        plain = f"/FILE{number}.;1"
        image.add_fp(io.BytesIO(data), len(data), plain, rr_name=name, joliet_path=f"/{name}")
    image.write_fp(made)
    image.close()
    return made.getvalue()


def _texts(seed: DomainSeed, secrets: Secrets) -> Texts:
    meta_data = _text("metaData", seed.meta_data, secrets)
    return Texts(
        user_data=_text("userData", seed.user_data, secrets),
        network_data=_text("networkData", seed.network_data, secrets),
        meta_data=None if meta_data is None else seedtext.mapping(meta_data.decode()),
    )


def _text(part: Part, text: DomainText | None, secrets: Secrets) -> bytes | None:
    """Take a text from where it is kept; one from a Secret is looked at now, and never quoted."""
    if text is None or text.secret is None:
        return None if text is None else (text.inline or "").encode()
    content = secrets[text.secret]
    wrong = seedtext.fault_in_bytes(part, content)
    if wrong is not None:
        where = f"cloudInit.{part}: Secret {text.secret.name}, key {text.secret.key}, line {wrong.line}"
        # Nobody tells of a Secret that is mended: it is read again.
        raise NotReady(f"{where}: {wrong.kind}", reason="InvalidCloudInit", delay=LOOK_SECONDS)
    return content
