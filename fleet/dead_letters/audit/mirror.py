"""A second home of the audit log: each line an object of its own in S3, where an object lock can keep it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.audit.log import Anchor


class Mirror:
    """Below `s3://bucket/prefix`; the name of an object is the anchor of its line: `000000012-{hash}.json`."""

    def __init__(self, client: Any, *, place: str) -> None:
        self._client = client
        self._bucket, _, prefix = place.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/".removeprefix("/")

    def __call__(self, anchor: Anchor, line: bytes) -> None:
        """Raises OSError where S3 does not take it."""
        key = f"{self._prefix}{anchor.seq:09}-{anchor.hash}.json"
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=line, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise OSError(0, f"its mirror s3://{self._bucket}/{key} did not take the line: {error}") from error
