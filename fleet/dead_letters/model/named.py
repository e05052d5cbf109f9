"""Whether an ARN or a URL means the queue that answers to its name here, or one of that name in another place; pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

_AWS = re.compile(
    r"(?:(?:[a-z0-9-]+\.)?(?:sqs|queue)(?:-fips)?\.(?P<after>[a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.com|api\.aws)"
    r"|(?P<before>[a-z0-9-]+)\.queue\.amazonaws\.com|queue\.amazonaws\.com)(?:\.cn)?"
)
"""https://docs.aws.amazon.com/general/latest/gr/sqs-service.html, with its legacy and VPC endpoints."""
_HERE = re.compile(r"(?:.+\.)?localhost(?:\.localstack\.cloud)?|127\.0\.0\.1|::1")
"""Names of this machine: https://docs.localstack.cloud/aws/services/sqs/ has more than one for one endpoint."""


def elsewhere(given: str, *, arn: str, own: Collection[str]) -> str:
    """In what `given` is not the queue of this `arn`, both named; "" where it is, or is a bare name. `own`: URLs by which SQS is reached
    here.
    """
    region, account, name = arn.split(":")[3:6]
    if given.startswith("arn:"):
        _, _, _, its_region, its_account, its_name, *_ = f"{given}:::::".split(":")
        pairs = [("region", its_region or region, region), ("account", its_account or account, account)]
        return _describe([*pairs, ("queue", its_name, name)])
    if not given.startswith(("http://", "https://")):
        return ""
    url = urlsplit(given)
    its_account, its_name = ["", *url.path.split("/")][-2:]
    pairs = [("account", its_account, account), ("queue", its_name, name)]
    found = _AWS.fullmatch(url.hostname or "")
    if found is not None and any(_AWS.fullmatch(urlsplit(each).hostname or "") for each in own):
        return _describe([("region", found["after"] or found["before"] or "us-east-1", region), *pairs])
    ends = {_end(urlsplit(each)): each for each in own}
    host = _end(url) if _end(url) not in ends else ""
    return _describe([("endpoint", host, " or ".join(ends) if host else ""), *pairs])


def _end(url: SplitResult) -> str:
    """Host and port; all names of this machine are one."""
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    return f"{'127.0.0.1' if _HERE.fullmatch(host) else host}:{port}"


def _describe(pairs: Collection[tuple[str, str, str]]) -> str:
    return "; ".join(f"{what} {its or 'none'} in it, {here} here" for what, its, here in pairs if its != here)
