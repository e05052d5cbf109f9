"""What of botocore's models goes into shared/aws/start/models.json: `python -m fleet.dev.aws_models` writes it again, after botocore's pin moved."""

import json
from typing import Any

import botocore.session

from shared.aws.operation import FAST
from shared.aws.start.models import FILE


def reduced() -> dict[str, Any]:
    """Of each service that has fast calls: its host, its signing name, and the shapes of those calls."""
    session = botocore.session.get_session()
    return {service: _service(session.get_service_model(service), calls.values()) for service, calls in FAST.items()}


def _service(model: Any, calls: Any) -> dict[str, Any]:
    shapes: dict[str, Any] = {}
    operations = {name: _operation(model, model.operation_model(name), shapes) for name in calls}
    has_own_host = model.signing_name != "execute-api"  # that one is each API's own
    return {
        "protocol": model.resolved_protocol,
        "signing": model.signing_name,
        "host": f"{model.endpoint_prefix}.{{region}}.amazonaws.com" if has_own_host else "",
        "variable": model.service_id.upper().replace(" ", "_"),
        "operations": operations,
        "shapes": shapes,
    }


def _operation(model: Any, operation: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    headers: dict[str, str] = {}
    path = operation.http["requestUri"].removeprefix("/").partition("{")[0]
    if model.resolved_protocol == "json":
        headers["X-Amz-Target"] = f"{model.metadata['targetPrefix']}.{operation.name}"
        headers["Content-Type"] = f"application/x-amz-json-{model.metadata['jsonVersion']}"
    elif "payload" not in operation.input_shape.serialization:
        headers["Content-Type"] = "application/json"
    if "awsQueryCompatible" in model.metadata:
        headers["x-amzn-query-mode"] = "true"
    return {
        "path": path,
        "headers": headers,
        "tokens": operation.idempotent_members,
        "decides": [[each.name, each.member_name] for each in operation.context_parameters],
        "names_inside": bool(operation.operation_context_parameters),
        "input": _shape(operation.input_shape, shapes),
        "output": _shape(operation.output_shape, shapes) if operation.output_shape else None,
    }


def _shape(shape: Any, shapes: dict[str, Any]) -> str:
    """The key under which this shape is kept: its name, and what its place gives it besides."""
    if getattr(shape, "is_document_type", False) or getattr(shape, "is_tagged_union", False):
        raise ValueError(f"{shape.name}: shapes of this kind are not kept")
    kept: dict[str, Any] = {"name": shape.name, "type": shape.type_name}
    if "min" in shape.metadata:
        kept["min"] = shape.metadata["min"]
    if shape.serialization:
        kept["serialization"] = dict(shape.serialization)
    key: str = shape.name + (json.dumps(shape.serialization, sort_keys=True) if shape.serialization else "")
    if key in shapes:
        return key
    shapes[key] = kept  # before what it holds, which may be itself
    if shape.type_name == "structure":
        kept["required"] = shape.required_members
        kept["members"] = {name: _shape(member, shapes) for name, member in shape.members.items()}
    elif shape.type_name == "list":
        kept["member"] = _shape(shape.member, shapes)
    elif shape.type_name == "map":
        kept["key"], kept["value"] = _shape(shape.key, shapes), _shape(shape.value, shapes)
    return key


if __name__ == "__main__":
    FILE.write_text(json.dumps(reduced(), separators=(",", ":"), sort_keys=True) + "\n")
