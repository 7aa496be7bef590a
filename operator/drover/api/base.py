"""What all models share: camelCase names, immutability, the standard Condition."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SHORT_LABEL = r"^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
REFERENCE = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$"
MAC_ADDRESS = r"^[0-9a-f][26ae](:[0-9a-f]{2}){5}$"
"""Lower case, locally administered, unicast."""
PROSE = 4096
"""Characters of a text for people."""


def rule(expression: str, message: str, *, dynamic: bool = False, path: str = "") -> dict[str, str]:
    """One CEL validation; a dynamic message is itself a CEL expression that names the value it refuses."""
    text = {"messageExpression": message} if dynamic else {"message": message}
    return {"rule": expression} | text | ({"fieldPath": path} if path else {})


def rules(*validations: dict[str, str]) -> dict[str, JsonValue]:
    """Schema extras that attach CEL validations."""
    return {"x-kubernetes-validations": [dict(validation) for validation in validations]}


def told(pattern: str, allowed: str) -> dict[str, JsonValue]:
    """Schema extras that say in words what a pattern allows, and name the value refused."""
    return rules(rule(f"self.matches('{pattern}')", f"'must be {allowed}; not ' + self", dynamic=True))


def keyed(key: str) -> dict[str, JsonValue]:
    """Schema extras of a list whose items are told apart by the field `key`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def whole() -> dict[str, JsonValue]:
    """Schema extras of a map that is written as one: emptied key by key, the API server would make null of it."""
    return {"x-kubernetes-map-type": "atomic"}


def between(name: str, least: str, most: str) -> dict[str, JsonValue]:
    """Schema extras of a quantity: its bounds; the message names the field, the value refused and what is allowed."""
    value = "(type(self) == int ? quantity(string(self)) : quantity(self))"
    sound = "type(self) == int || isQuantity(self)"
    bounds = f"{value}.compareTo(quantity('{least}')) >= 0 && {value}.compareTo(quantity('{most}')) <= 0"
    allowed = f"'{name} must be a quantity from {least} to {most}, not ' + string(self)"
    return rules(rule(f"({sound}) && {bounds}", allowed, dynamic=True))


def unchanged(*fields: str) -> tuple[dict[str, str], ...]:
    """CEL: each of the optional fields stays what it was when the object was made."""
    return tuple(rule(same(name), f"{name} is immutable", path=f".{name}") for name in fields)


def same(field: str) -> str:
    """CEL: an optional field is what it was, also when it was absent."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


def grows(prefix: str) -> dict[str, str]:
    """CEL: the quantity `size` never becomes less; `prefix` is a CEL text that says whose size."""
    old, new = "string(oldSelf.size)", "string(self.size)"
    known = f"has(self.size) && has(oldSelf.size) && isQuantity({new}) && isQuantity({old})"
    return rule(
        f"!({known}) || quantity({new}).compareTo(quantity({old})) >= 0",
        f"{prefix} + 'size only grows; ' + {new} + ' is less than ' + {old}",
        dynamic=True,
        path=".size",
    )


def distinct(items: str, field: str) -> dict[str, str]:
    """CEL: no two entries of the list `items` give the same value to `field`."""
    seen = f"self.{items}.filter(item, has(item.{field})).map(item, item.{field})"
    return rule(
        f"!has(self.{items}) || {seen}.all(value, {seen}.exists_one(other, other == value))",
        f"'{items}: two entries have {field} ' + {seen}.filter(value, !{seen}.exists_one(other, other == value))[0]",
        dynamic=True,
        path=f".{items}",
    )


def _cut(text: object) -> object:
    return text[:PROSE] if isinstance(text, str) else text


Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, as the API server writes it."""
ObjectName = Annotated[str, Field(max_length=253, pattern=OBJECT_NAME)]
Label = Annotated[str, Field(max_length=63, pattern=DNS_LABEL)]
ShortName = Annotated[
    str,
    Field(
        max_length=63,
        pattern=SHORT_LABEL,
        json_schema_extra=told(SHORT_LABEL, "a DNS label of at most 20 characters, such as root"),
    ),
]
"""Names of disks, interfaces, networks: they become parts of other names."""
Reference = Annotated[
    str,
    Field(
        max_length=317,
        pattern=REFERENCE,
        json_schema_extra=told(REFERENCE, "the name of an object, or namespace/name"),
    ),
]
"""``namespace/name``, or ``name`` in the own namespace."""
Word = Annotated[str, Field(max_length=256)]
"""A name, a version, a digest: short text that programs may compare."""
Prose = Annotated[str, BeforeValidator(_cut), Field(max_length=PROSE)]
"""Text for people, cut to what the API takes."""
Link = Annotated[str, Field(max_length=2048)]
"""A URL."""
Users = Annotated[list[Annotated[str, Field(max_length=317)]], Field(max_length=10)]
"""Up to ten objects that need another one, as namespace/name."""
HardwareAddress = Annotated[
    str,
    Field(
        max_length=17,
        pattern=MAC_ADDRESS,
        json_schema_extra=told(
            MAC_ADDRESS, "a lower-case, locally administered unicast address such as 02:00:00:00:00:01"
        ),
    ),
]
IPv4 = Annotated[
    str,
    Field(
        max_length=15,
        json_schema_extra=rules(
            rule(
                "isIP(self) && ip(self).family() == 4 && ip(self).isGlobalUnicast()",
                "'must be an IPv4 address such as 10.20.0.15, neither loopback, link-local nor multicast; not ' + self",
                dynamic=True,
            )
        ),
    ),
]
IP = Annotated[
    str,
    Field(
        max_length=39,
        json_schema_extra=rules(
            rule(
                "isIP(self) && ip(self).isGlobalUnicast()",
                "'must be an IP address such as 10.20.0.15 or fd00:20::15, neither loopback, link-local nor multicast; not ' + self",
                dynamic=True,
            )
        ),
    ),
]
"""An IPv4 or IPv6 address."""
_SOUND_LABEL = "!format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue()"
NodeLabels = Annotated[
    dict[str, Annotated[str, Field(max_length=63)]],
    Field(
        max_length=16,
        json_schema_extra=rules(
            rule(
                f"self.all(key, {_SOUND_LABEL})",
                f"'must be labels such as disktype: ssd; not ' + self.filter(key, !({_SOUND_LABEL}))[0]",
                dynamic=True,
            )
        ),
    ),
]
"""Labels that a node must have."""
Quantity = Annotated[
    Annotated[int, Field(strict=True)] | Annotated[str, Field(max_length=32, pattern=QUANTITY)],
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY,
            "maxLength": 32,
        }
    ),
]
"""A Kubernetes quantity such as ``2Gi`` or ``200m``; ``planning.quantity`` turns it into a number."""


class Model(BaseModel):
    """A part of an object: immutable, camelCase outside; unknown fields, which a newer version may write, are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Condition(Model):
    """One observation about an object, the standard Kubernetes condition."""

    type: Annotated[str, Field(max_length=316)]
    """What is observed, in CamelCase."""
    status: Literal["True", "False", "Unknown"]
    """Unknown when it could not be observed."""
    reason: Annotated[str, Field(max_length=1024)]
    """Why, as one CamelCase word that programs may rely on."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """Why, for people."""
    last_transition_time: Time
    """When `status` last changed."""
    observed_generation: int | None = None
    """The metadata.generation that this was observed for."""


Conditions = Annotated[list[Condition], Field(max_length=32, json_schema_extra=keyed("type"))]
