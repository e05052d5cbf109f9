"""The check of every answer that botocore reads, on whichever road it came: is it the service's own?"""

from __future__ import annotations

from typing import Any

from shared.aws.answers.expected import Expected, is_error
from shared.aws.answers.messages import set_apart

CODE = "OddAnswer"
"""The error code of a success that is not an answer to what was asked; of a refusal that is none of the service's, with its status
behind it (`OddAnswer413`).
"""
THROTTLED = 429
"""A status that says enough."""
REGION = "x-amz-bucket-region"
"""The header in which S3 says where a bucket is, when it sends us there."""
STATUS = 502
"""What it is taken for: something between us and the service answered. Tried again, counted and raised as such."""
_AS_JSON = b'{"__type": "%s", "message": "not an answer of the service"}'
_AS_XML = b"<ErrorResponse><Error><Code>%s</Code></Error></ErrorResponse>"


def check_answers(client: Any) -> None:
    """Have botocore take every odd answer of this client for a 502 with the code OddAnswer: its retries, the breakers and
    the callers know what that is, where a proxy's 404 would say that what was asked for is not there. Of the body nothing is kept.
    (As botocore does with S3's errors that come as a 200.)
    """
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}", _check)
    client.meta.events.register_first(f"needs-retry.{service}", _tell_retries)  # before retries decide


def _check(*, operation_model: Any, response_dict: dict[str, Any], **_more: Any) -> None:
    expected, status, headers = Expected(operation_model), response_dict["status_code"], response_dict["headers"]
    if status < 300:
        if operation_model.name == "ReceiveMessage":
            response_dict["body"] = set_apart(operation_model.output_shape, response_dict["body"])
        if not expected.is_met(status, headers, response_dict["body"]):
            _replace(operation_model, response_dict, CODE)
    elif status >= 500 or status == THROTTLED:
        if not expected.is_refusal(status, headers, response_dict["body"]):
            response_dict["body"] = b""  # botocore's parsers may break on it: the status says enough
    elif status >= 400:
        if not expected.is_refusal(status, headers, response_dict["body"]):
            _replace(operation_model, response_dict, f"{CODE}{status}")
    elif operation_model.name == "HeadBucket" and REGION not in headers:
        _replace(
            operation_model, response_dict, f"{CODE}{status}"
        )  # botocore would ask again, without end, where the bucket is
    elif operation_model.service_model.resolved_protocol == "query" and not is_error(response_dict["body"]):
        response_dict["body"] = _AS_XML % CODE.encode()  # a redirect's text, which botocore cannot parse


def _replace(operation_model: Any, response_dict: dict[str, Any], code: str) -> None:
    if not isinstance(response_dict["body"], bytes):
        response_dict["body"].close()
    is_json = "json" in operation_model.service_model.resolved_protocol
    text = (_AS_JSON if is_json else _AS_XML) % code.encode()
    response_dict.update(status_code=STATUS, body=text)


def _tell_retries(*, response: Any, **_more: Any) -> None:
    """Retries and `after-call` look at the answer itself, which still has the status that it came with."""
    if response is not None:
        answer, parsed = response
        if parsed["ResponseMetadata"].get("HTTPStatusCode") == STATUS:
            answer.status_code = STATUS
