"""What the answer of an operation looks like where it is one: a 200 alone does not say that anything was done.

A proxy's page, a cut body or the `{"status": "ok"}` of another service are 200s too, and botocore makes `{}` of them: nothing
found, nothing refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.model import OperationModel

REQUIRED: dict[str, dict[str, type]] = {
    "Query": {"Items": list, "Count": int},
    "Scan": {"Items": list, "Count": int},
    "BatchGetItem": {"Responses": dict},
    "TransactGetItems": {"Responses": list},
    "PutEvents": {"Entries": list, "FailedEntryCount": int},
    "GetRecords": {"Records": list},
    "GetShardIterator": {"ShardIterator": str},
    "SendEmail": {"MessageId": str},
}
"""Members that stand in every answer of these, whatever was found. (A Query with Select=COUNT has no Items: none is made.)"""
OWN_STATUSES = {"PostToConnection": frozenset({410})}
"""Refusals that the service gives as a bare status, too: without a code, and without a body that could be read
(https://github.com/aws/aws-sdk-js/issues/2591, https://github.com/georgeboot/laravel-echo-api-gateway/issues/9).
"""
NEVER_NULL = {"GetItem": "Item"}
"""A member that these leave out where there is nothing: a null for it is no answer of theirs."""
ROOTS = {
    ("s3", "ListObjectsV2"): "ListBucketResult",
    ("s3", "DeleteObjects"): "DeleteResult",
    ("ses", "SendEmail"): "SendEmailResponse",
}
"""The outermost element of answers in XML."""
_ROOT = re.compile(rb"(?:\s|\xef\xbb\xbf|<\?.*?\?>|<!--.*?-->)*<([A-Za-z0-9]+)[\s/>]", re.DOTALL)
_CODE = re.compile(rb"<Code>\s*[^\s<]")


class Expected:
    """Of one operation, by botocore's model."""

    def __init__(self, model: OperationModel) -> None:
        untyped: Any = model  # the stubs know less than it has
        self._shape = untyped.output_shape
        members = self._shape.members if self._shape else {}
        name: str = untyped.name
        service = untyped.service_model
        is_json = "json" in service.resolved_protocol
        is_other = untyped.has_event_stream_output or (
            self._shape is not None and "payload" in self._shape.serialization
        )
        self._is_object = is_json and not is_other  # other bodies are one member, or a stream
        self._known = frozenset(
            each.serialization.get("name", own) for own, each in members.items() if "location" not in each.serialization
        )
        self._required = REQUIRED.get(name, {}) if is_json else {}
        self._never_null = NEVER_NULL.get(name, "") if is_json else ""
        root = ROOTS.get((service.service_name, name))
        self._roots = {root, self._shape.name} if root else set()  # LocalStack writes the name of the model's shape
        self._by_head = _OF_S3.get(name) if service.service_name == "s3" else None
        self._protocol: str = service.resolved_protocol
        self._is_bodiless = name.startswith("Head")
        self._own_statuses = OWN_STATUSES.get(name, frozenset())

    def is_met(self, status: int, headers: Mapping[str, Any], body: Any) -> bool:
        """Whether this is an answer to the call; `body` is looked at where it is bytes, and not a stream."""
        if self._by_head is not None:
            return self._by_head(status, headers)
        if is_page(headers.get("content-type")):
            return False
        if self._is_object:
            return self.is_met_by_body(body)
        return not self._roots or _root(body) in self._roots

    def is_refusal(self, status: int, headers: Mapping[str, Any], body: bytes) -> bool:  # noqa: PLR0911
        """Whether an answer of `status` 400 or more is the service's own, which gives the error's code, and not a proxy's."""
        if status in self._own_statuses:
            return not (is_page(headers.get("content-type")) or body.lstrip().startswith(b"<"))
        if self._is_bodiless:
            return not is_page(headers.get("content-type"))
        if "json" not in self._protocol:
            return is_error(body) and _CODE.search(body) is not None
        names_it = "x-amzn-errortype" in headers
        if not body:
            return names_it and self._protocol == "rest-json"
        try:
            found = json.loads(body.decode())
        except (ValueError, RecursionError):
            return False
        if not isinstance(found, dict):
            return False
        if self._protocol == "rest-json":  # API Gateway itself refuses without a code
            return all(isinstance(found.get(name), str | None) for name in ("__type", "code", "Code"))
        return isinstance(code := found.get("__type"), str) and bool(code)

    def is_met_by_body(self, body: bytes) -> bool:
        """Whether these bytes are the JSON of an answer; an operation that says nothing may send none."""
        if not body:
            return not self._known
        try:
            found = json.loads(body.decode())
            return self.is_met_by_json(found) and (self._shape is None or fits(self._shape, found))
        except (ValueError, RecursionError):
            return False

    def is_met_by_json(self, found: Any) -> bool:
        """The same of what is read already, but for the kinds of its values."""
        if not isinstance(found, dict):
            return False
        if found and self._known and self._known.isdisjoint(found):
            return False
        if self._never_null in found and found[self._never_null] is None:
            return False
        return all(isinstance(found.get(name), kind) for name, kind in self._required.items())


def fits(shape: Any, value: Any) -> bool:
    """Whether botocore's parser can read this value as one of that shape; null is nothing to it."""
    if value is None or getattr(shape, "is_document_type", False):
        return True
    match shape.type_name:
        case "structure":
            return isinstance(value, dict) and all(fits(each, value.get(name)) for name, each in shape.members.items())
        case "list":
            return isinstance(value, list) and all(fits(shape.member, each) for each in value)
        case "map":
            return isinstance(value, dict) and all(fits(shape.value, each) for each in value.values())
        case "blob":
            return isinstance(value, str)
    return True


def is_page(content_type: Any) -> bool:
    """Whether an answer says that it is HTML, which none of a service's is."""
    return isinstance(content_type, str) and content_type.lstrip().lower().startswith("text/html")


def _is_put(_status: int, headers: Mapping[str, Any]) -> bool:
    return "etag" in headers and not is_page(headers.get("content-type"))


def _is_object(_status: int, headers: Mapping[str, Any]) -> bool:
    """An object may be a page itself, and a web server gives its own an ETag: S3 says which request it answers."""
    return "etag" in headers and ("x-amz-request-id" in headers or not is_page(headers.get("content-type")))


def _is_head(status: int, headers: Mapping[str, Any]) -> bool:
    return _is_object(status, headers) and "content-length" in headers


def _is_deleted(status: int, _headers: Mapping[str, Any]) -> bool:
    return status == 204


_OF_S3 = {"PutObject": _is_put, "HeadObject": _is_head, "GetObject": _is_object, "DeleteObject": _is_deleted}
"""S3's answers that are told by their head."""


def is_error(body: bytes) -> bool:
    """Whether these bytes begin as an error answer in XML."""
    return _root(body) in {"ErrorResponse", "Error", "Response"}


def _root(body: bytes) -> str | None:
    found = _ROOT.match(body)
    return found.group(1).decode() if found else None
