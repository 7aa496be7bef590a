"""Kubernetes Events: one per transition, for people who ask ``kubectl describe``."""

import hashlib
import logging
from dataclasses import dataclass

from drover.api.kinds import EVENT, Kind
from drover.errors import OperatorError
from drover.kube.client import Cluster
from drover.kube.errors import AlreadyExists, ApiFault
from drover.state.resource import Body, Meta

MESSAGE_LIMIT = 1024
"""Characters that the API server accepts."""
NAME_LIMIT = 236
"""Characters of the object's name that fit into the Event's, before the hash."""
REPEAT_AFTER = 60
"""Seconds within which the same words about the same object are one Event."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an Event is about."""

    kind: Kind
    meta: Meta


async def emit(
    cluster: Cluster, regarding: Regarding, *, reason: str, message: str, warning: bool = False, component: str
) -> None:
    """Tell an Event; a failure to do so is logged and otherwise without consequence."""
    body = event_body(cluster, regarding, reason=reason, message=message, warning=warning, component=component)
    try:
        await cluster.create(EVENT, body)
    except AlreadyExists:
        return
    except (OperatorError, ApiFault) as error:
        log.warning("Event %s about %s was not stored: %s", reason, regarding.meta.key, error)


def event_body(
    cluster: Cluster, regarding: Regarding, *, reason: str, message: str, warning: bool, component: str
) -> Body:
    """Word an Event; its name repeats for the same words about the same object within a minute."""
    now, meta = cluster.now(), regarding.meta
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    words = f"{meta.uid} {reason} {message} {int(now.timestamp()) // REPEAT_AFTER}"
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    return {
        "metadata": {"name": f"{meta.key.name[:NAME_LIMIT]}.{digest}", "namespace": meta.key.namespace or "default"},
        "involvedObject": _reference(regarding),
        "reason": reason,
        "message": message[:MESSAGE_LIMIT],
        "type": "Warning" if warning else "Normal",
        "source": {"component": component},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _reference(regarding: Regarding) -> Body:
    meta = regarding.meta
    return {
        "apiVersion": regarding.kind.api_version,
        "kind": regarding.kind.name,
        "name": meta.key.name,
        "uid": meta.uid,
        **({"namespace": meta.key.namespace} if meta.key.namespace else {}),
    }
