"""What both kinds are built of: bounded strings, conditions, metadata, CEL rules.

Every string, list and map carries a bound: the API server refuses what is larger, and CEL rules over
bounded values have a bounded cost. The docstring under a field is what `kubectl explain` shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from trading_operator.errors import InvalidResource
from trading_operator.kinds import GROUP, VERSION

API_VERSION: Final = f"{GROUP}/{VERSION}"

MAX_CONDITIONS: Final = 16

#: A name of an object in the same namespace.
ObjectName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
]
#: A name of a namespace.
NamespaceName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
#: http or https, host, optional port and path; no user, no query, no fragment: a URL is not a place for secrets.
Url = Annotated[
    str,
    StringConstraints(
        min_length=8,
        max_length=512,
        pattern=r"^https?://[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[-._~/A-Za-z0-9]*)?$",
    ),
]
#: A container image, with tag or digest.
Image = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, pattern=r"^[a-z0-9][-._/:a-zA-Z0-9]*(@sha256:[0-9a-f]{64})?$"),
]
#: A decimal number above 0, as a string: money is never a float.
PositiveAmount = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=32, pattern=r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)$"
    ),
]
#: A decimal number from 0 to 1, as a string.
Ratio = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=r"^(0(\.[0-9]+)?|1(\.0+)?)$")]
#: A decimal number from 0 to below 1, as a string.
Fraction = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=r"^0(\.[0-9]+)?$")]
#: A decimal number above 0, at most 1, as a string.
PositiveRatio = Annotated[
    str, StringConstraints(min_length=1, max_length=20, pattern=r"^(0\.[0-9]*[1-9][0-9]*|1(\.0+)?)$")
]
#: Processor time: `500m` or whole cores.
Cpu = Annotated[str, StringConstraints(min_length=1, max_length=8, pattern=r"^[1-9][0-9]{0,5}m?$")]
#: Bytes with a binary suffix: `256Mi`.
Bytes = Annotated[str, StringConstraints(min_length=3, max_length=10, pattern=r"^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$")]
#: A message for people.
Text = Annotated[str, StringConstraints(max_length=4096)]
#: A CamelCase word for programs.
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
]


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule; the API server answers a violation with `message`."""
    return {"rule": expression, "message": message}


def rules(*validations: dict[str, str]) -> dict[str, Any]:
    """Schema extension that carries CEL rules."""
    return {"x-kubernetes-validations": list(validations)}


class ApiModel(BaseModel):
    """Base of all parts of our kinds: immutable, camelCase on the wire, unknown fields ignored.

    The API server prunes unknown fields (and kubectl refuses them); ignoring the rest lets an older
    operator read an object that a newer version of the kind wrote.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )

    def to_dict(self) -> dict[str, Any]:
        """As the API server stores it: camelCase, without what is not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Metadata(ApiModel):
    """The part of an object's metadata that the operator reads."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = Field(default_factory=dict)


class SecretRef(ApiModel):
    """A Secret in the namespace of this resource."""

    name: ObjectName
    """Name of the Secret, in the namespace of this resource."""


class ConditionStatus(StrEnum):
    """Three-valued, as metav1.ConditionStatus."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One aspect of the resource, in the shape of metav1.Condition."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """Aspect, for example Ready."""
    status: ConditionStatus
    """True, False, or Unknown where nothing recent is known."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this was computed for."""
    last_transition_time: datetime
    """When `status` last changed."""
    reason: Reason
    """Why, as one word."""
    message: Text = ""
    """Why, for people."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=MAX_CONDITIONS,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class Resource(ApiModel):
    """Base of both kinds."""

    metadata: Metadata

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """metadata.namespace."""
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self.metadata.uid

    @classmethod
    def parse(cls, manifest: Mapping[str, Any]) -> Self:
        """A resource from what the API server or a file holds.

        Raises:
            InvalidResource: naming each wrong field, its value and what is allowed.
        """
        try:
            return cls.model_validate(manifest)
        except ValidationError as error:
            raise InvalidResource(_described(error)) from error


Declared = TypeVar("Declared", bound=Resource)


def living(manifests: Iterable[Mapping[str, Any]], model: type[Declared]) -> tuple[list[Declared], bool]:
    """Every resource that is not being deleted, by namespace and name, and whether one of them cannot be read."""
    found, broken = [], False
    for manifest in manifests:
        if "deletionTimestamp" in manifest["metadata"]:
            continue
        try:
            found.append(model.parse(manifest))
        except InvalidResource:
            broken = True
    return sorted(found, key=lambda each: (each.namespace, each.name)), broken


def _described(error: ValidationError) -> str:
    return "; ".join(_line(each) for each in error.errors(include_url=False))


def _line(problem: ErrorDetails) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    got = "" if problem["type"] == "missing" else f" (got {problem['input']!r:.80})"
    return f"{where}: {problem['msg']}{got}"
