"""Which errors of AWS calls speak of the dependency and not of what was asked, and what is said of them."""

import asyncio
import errno
import os
import socket

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ParamValidationError
from structlog.testing import capture_logs

from shared.outcome import Dead, Later, Retry, Stalled, Unavailable, code_of, is_outage
from shared.road.failure.breakers import LONGEST_PROBE, OPENS_AT, Breakers, Met, met_in_run
from shared.road.failure.needs import Needs
from shared.road.failure.verdict import judge
from tests.made import make_worker
from tests.virtual_time import clock, virtual


def answered(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "UpdateItem")  # type: ignore[typeddict-item]  # the rest is not looked at


@pytest.mark.parametrize(
    "error",
    [
        answered("InternalServerError", 500),
        answered("ServiceUnavailable", 503),
        answered("ThrottlingException", 400),
        answered("ProvisionedThroughputExceededException", 400),
        answered("AccessDeniedException", 400),
        answered("AccessDenied", 403),
        answered("ExpiredToken", 400),
        answered("UnrecognizedClientException", 400),
        answered("NoSuchBucket", 404),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        RuntimeError("can't start new thread"),
        MemoryError(),
        answered("RequestTimeout", 400),
        answered("MissingAuthenticationTokenException", 400),
        answered("IncompleteSignatureException", 400),
        answered("InvalidIdentityToken", 400),
    ],
)
def test_an_answer_that_says_nothing_about_the_question_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        answered("ConditionalCheckFailedException", 400),
        answered("ValidationException", 400),
        answered("NoSuchKey", 404),
        ParamValidationError(report="x"),
        ValueError(),
        TimeoutError(),
        OSError(errno.ENOENT, "No such file or directory"),
        OSError("a text alone"),
        RuntimeError("can't start new thread", 1),
        RuntimeError("another"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    ],
)
def test_what_is_wrong_with_the_question_is_not_an_outage(error: Exception) -> None:
    assert not is_outage(error)


@pytest.mark.guarantee("R9")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "dynamodb: refuses (AccessDenied)"),
        ("ExpiredTokenException", "dynamodb: refuses (ExpiredTokenException)"),
        ("KMS.DisabledException", "dynamodb: refuses (KMS.DisabledException)"),
        ("ResourceNotFoundException", "dynamodb: refuses (ResourceNotFoundException)"),
        ("KMS.ThrottlingException", "dynamodb: throttles (KMS.ThrottlingException)"),
        ("SlowDown", "dynamodb: throttles (SlowDown)"),
        ("KMS.KMSInternalException", "dynamodb: is down (KMS.KMSInternalException)"),
        ("ServiceUnavailable", "dynamodb: is down (ServiceUnavailable)"),
        ("EndpointConnectionError", "dynamodb: is down (EndpointConnectionError)"),
    ],
)
def test_what_refuses_or_throttles_us_is_told_apart_from_what_is_down(code: str, said: str) -> None:
    breakers = Breakers(clock=lambda: 0.0)
    needs = Needs(breakers)
    with capture_logs() as lines:
        for number in range(OPENS_AT):
            met_in_run.set(met := Met())
            met.message = f"m-{number}"
            breakers.failed("dynamodb", code=code)
            needs.meets(met)
    assert needs.reports == [said]
    [line] = [each for each in lines if each["event"] == "dependency_down"]
    assert said == f"dynamodb: {line['told']}"
    breakers.succeeded("dynamodb")
    assert needs.reports == []


def test_reads_that_succeed_do_not_hide_that_writes_are_refused() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock, dice=lambda: 0.5)
        for number in range(OPENS_AT):
            met_in_run.set(met := Met())
            met.message = f"m-{number}"
            breakers.failed("dynamodb", code="AccessDeniedException", call="PutItem")
            breakers.succeeded("dynamodb", call="GetItem")
        met_in_run.set(None)
        assert "dynamodb" in breakers.open
        breakers.succeeded("dynamodb", call="GetItem")
        assert "dynamodb" in breakers.open
        breakers.succeeded("dynamodb", call="PutItem")
        assert "dynamodb" not in breakers.open

    virtual(story())


def test_a_refused_kind_of_call_that_nobody_makes_any_more_keeps_no_breaker_open() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock, dice=lambda: 0.5)
        for _ in range(OPENS_AT):
            breakers.failed("dynamodb", code="AccessDeniedException", call="PutItem")
        await asyncio.sleep(2 * LONGEST_PROBE + 1)
        breakers.succeeded("dynamodb", call="GetItem")
        assert "dynamodb" not in breakers.open

    virtual(story())


def test_what_a_handler_says_is_unavailable_stalls_its_message_and_counts_no_run() -> None:
    worker = make_worker(max_attempts=2)
    outcome = judge(Unavailable("Expo: 401", code="Unauthorized"), worker=worker, run=2, attempt=2)
    assert outcome == Stalled("Expo: 401")


@pytest.mark.guarantee("R1")
def test_what_a_machine_has_used_up_is_no_messages_fault_at_its_last_run_either() -> None:
    """A process without a free descriptor fails every message that opens a file, loads a module or connects."""
    worker = make_worker(max_attempts=2)
    error = RuntimeError("the library's own")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    outcome = judge(error, worker=worker, run=2, attempt=2)
    assert outcome == Stalled("RuntimeError: this machine has used up what it has (EMFILE)")
    assert code_of(OSError(errno.ENOSPC, "/tmp/canary")) == "ENOSPC"


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError(), "ENOMEM"), (RuntimeError("can't start new thread"), "EAGAIN")]
)
def test_what_is_used_up_has_the_systems_name(error: Exception, code: str) -> None:
    assert code_of(error) == code


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize(
    ("errors", "is_ours"),
    [
        ([OSError(errno.EMFILE, "x"), answered("ThrottlingException", 400)], True),
        ([ExceptionGroup("inner", [OSError(errno.EMFILE, "x"), MemoryError()]), MemoryError()], True),
        ([OSError(errno.EMFILE, "x"), ValueError("the message's own")], False),
    ],
)
def test_of_several_errors_at_once_each_must_be_others_trouble(errors: list[Exception], *, is_ours: bool) -> None:
    """Two calls in a TaskGroup that both meet an outage raise both its errors."""
    outcome = judge(ExceptionGroup("two", errors), worker=make_worker(max_attempts=2), run=2, attempt=2)
    assert isinstance(outcome, Stalled) == is_ours


@pytest.mark.guarantee("R1")
def test_what_fails_while_no_descriptor_is_left_is_no_messages_fault_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first look-up of a process without descriptors knows no name, and SQLite cannot open its file."""
    error, worker = socket.gaierror(-2, "Name or service not known"), make_worker(max_attempts=2)
    assert isinstance(judge(error, worker=worker, run=2, attempt=2), Dead)

    def none_left(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", none_left)
    outcome = judge(error, worker=worker, run=2, attempt=2)
    assert outcome == Stalled("gaierror: this machine has used up what it has (EMFILE)")
    assert judge(Later("soon", after=7), worker=worker, run=1, attempt=1) == Retry("soon", after=7)


def test_a_refusal_without_a_body_speaks_of_our_permissions() -> None:
    assert is_outage(answered("403", 403))
    assert not is_outage(answered("404", 404))
