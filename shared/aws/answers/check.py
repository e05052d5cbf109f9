"""The check of every successful answer that botocore reads, on whichever road it came."""

from __future__ import annotations

from typing import Any

from shared.aws.answers.expected import Expected, is_error
from shared.aws.answers.messages import set_apart

CODE = "OddAnswer"
"""The error code of a success that is not an answer to what was asked."""
STATUS = 502
"""What it is taken for: something between us and the service answered. Tried again, counted and raised as such."""
_AS_JSON = b'{"__type": "%s", "message": "a success that does not answer the call"}' % CODE.encode()
_AS_XML = b"<ErrorResponse><Error><Code>%s</Code></Error></ErrorResponse>" % CODE.encode()


def check_answers(client: Any) -> None:
    """Have botocore take every odd success of this client for a 502 with the code OddAnswer: its retries, the breakers and
    the callers know what that is. Of the body nothing is kept. (As botocore does with S3's errors that come as a 200.)
    """
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}", _check)
    client.meta.events.register_first(f"needs-retry.{service}", _tell_retries)  # before retries decide


def _check(*, operation_model: Any, response_dict: dict[str, Any], **_more: Any) -> None:
    if operation_model.name == "ReceiveMessage" and response_dict["status_code"] < 300:
        response_dict["body"] = set_apart(operation_model.output_shape, response_dict["body"])
    status, body = response_dict["status_code"], response_dict["body"]
    if status >= 300 and operation_model.service_model.resolved_protocol == "query" and not is_error(body):
        response_dict["body"] = _AS_XML  # a proxy's text, which botocore cannot parse: the status says enough
    if status >= 300 or Expected(operation_model).is_met(status, response_dict["headers"], body):
        return
    if not isinstance(body, bytes):
        body.close()
    is_json = "json" in operation_model.service_model.resolved_protocol
    response_dict.update(status_code=STATUS, body=_AS_JSON if is_json else _AS_XML)


def _tell_retries(*, response: Any, **_more: Any) -> None:
    """Retries and `after-call` look at the answer itself, which still has the status that it came with."""
    if response is not None:
        answer, parsed = response
        if parsed["ResponseMetadata"].get("HTTPStatusCode") == STATUS:
            answer.status_code = STATUS
