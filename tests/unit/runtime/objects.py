"""The smallest thing a store holds."""

from dataclasses import dataclass

from drover.state.resource import Body, Key, Meta, read_meta


@dataclass(frozen=True, slots=True)
class Thing:
    meta: Meta
    node: str = ""


def read_thing(body: Body) -> Thing:
    return Thing(read_meta(body), body.get("spec", {}).get("nodeName", ""))


def thing(version: int, *, name: str = "web", uid: str = "u", owner: str = "", node: str = "") -> Thing:
    owners = [{"uid": owner, "controller": True}] if owner else []
    metadata = {
        "name": name,
        "namespace": "team",
        "uid": uid,
        "resourceVersion": str(version),
        "ownerReferences": owners,
    }
    return read_thing({"metadata": metadata, "spec": {"nodeName": node}})


KEY = Key("team", "web")
