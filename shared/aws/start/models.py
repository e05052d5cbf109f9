"""What is kept of botocore's models: the shapes of the fast calls, in models.json, which tests compare with the pinned botocore's."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson

FILE = Path(__file__).with_name("models.json")


@cache
def service(name: str) -> Service:
    """Raises KeyError for a service without fast calls."""
    return Service(name, _all()[name])


@cache
def _all() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(FILE.read_bytes())
    return found


class Service:
    """One service: its name at botocore, where it is, how it is signed, and its operations."""

    def __init__(self, name: str, kept: dict[str, Any]) -> None:
        self.service_name = name
        self.resolved_protocol: str = kept["protocol"]
        self.signing_name: str = kept["signing"]
        self.host: str = kept["host"]
        self.variable: str = kept["variable"]
        self._kept = kept
        self._shapes: dict[str, Shape] = {}

    def operation_model(self, name: str) -> Call:
        return Call(self, name, self._kept["operations"][name])

    def shape(self, name: str) -> Shape:
        if name not in self._shapes:
            self._shapes[name] = Shape(self, self._kept["shapes"][name])
        return self._shapes[name]


class Call:
    """An operation, with what is used of botocore's OperationModel. `path` is its own, `headers` those of all its requests."""

    has_event_stream_output = False

    def __init__(self, service_model: Service, name: str, kept: dict[str, Any]) -> None:
        self.service_model = service_model
        self.name = name
        self.path: str = kept["path"]
        self.headers: dict[str, str] = kept["headers"]
        self.idempotent_members: list[str] = kept["tokens"]
        self.context_parameters = [Decides(*each) for each in kept["decides"]]
        self.operation_context_parameters: bool = kept["names_inside"]
        self.input_shape = service_model.shape(kept["input"])
        self.output_shape = service_model.shape(kept["output"]) if kept["output"] else None


class Decides:
    """A member that has a say in where the request goes."""

    def __init__(self, name: str, member_name: str) -> None:
        self.name = name
        self.member_name = member_name


class Shape:
    """A shape, with what is used of botocore's. Shapes that it holds are made when they are asked for: some hold themselves."""

    is_document_type = False
    is_tagged_union = False

    def __init__(self, service_model: Service, kept: dict[str, Any]) -> None:
        self._service = service_model
        self._kept = kept
        self.name: str = kept["name"]
        self.type_name: str = kept["type"]
        self.metadata: dict[str, Any] = {"min": kept["min"]} if "min" in kept else {}
        self.serialization: dict[str, Any] = kept.get("serialization", {})
        self.required_members: list[str] = kept.get("required", [])

    @cached_property
    def members(self) -> dict[str, Shape]:
        return {name: self._service.shape(key) for name, key in self._kept.get("members", {}).items()}

    @property
    def member(self) -> Shape:
        return self._service.shape(self._kept["member"])

    @property
    def key(self) -> Shape:
        return self._service.shape(self._kept["key"])

    @property
    def value(self) -> Shape:
        return self._service.shape(self._kept["value"])
