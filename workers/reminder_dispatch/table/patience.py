"""What was sent is recorded as soon as the table takes it: seconds of the table's must double nothing."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential

WAIT = wait_random_exponential(multiplier=0.25, max=2)
"""Seconds between two attempts."""


def patiently(within: float) -> AsyncRetrying:
    """Attempts at one write within so many seconds, one at least; raises what the last one does."""
    return AsyncRetrying(retry=retry_if_exception(_may_pass), stop=stop_before_delay(within), wait=WAIT, reraise=True)


def _may_pass(error: BaseException) -> bool:
    """Whether the same write may be taken later: all but what is wrong with itself."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") != "ValidationException"
    return isinstance(error, BotoCoreError)
