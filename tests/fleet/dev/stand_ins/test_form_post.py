"""A presigned form at the stand-in: what S3 would take is put into the bucket, and nothing else."""

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet.dev.stand_ins.form_post import FormPost
from tests.aws import Aws
from workers.upload_notification.client import Form, Opening, open_sessions

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@dataclass
class Desk:
    """A producer's client, the stand-in that takes its forms, and what time it is there."""

    aws: Aws
    environment: Mapping[str, str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    url: str = ""

    async def form(self, opening: Opening, name: str = "a.png", **more: Any) -> Form:
        async with open_sessions(self.environment) as sessions:
            opened = await sessions.open(opening)
            return await sessions.form(opened.session_id, name, **more)

    async def post(self, fields: Mapping[str, str], content: bytes = PNG) -> tuple[int, str]:
        data = aiohttp.FormData(dict(fields), quote_fields=False)
        data.add_field("file", content, filename="any name.png", content_type="image/png")
        async with aiohttp.ClientSession() as http, http.post(self.url, data=data) as answer:
            return answer.status, await answer.text()

    def content(self, key: str) -> bytes:
        got = self.aws.s3.get_object(Bucket=self.environment["UPLOAD_BUCKET_NAME"], Key=key)["Body"].read()
        assert isinstance(got, bytes)
        return got


@pytest.fixture
async def desk(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    environment = {**aws.environment, "SESSIONS_TABLE_NAME": aws.table_like("sessions")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with aws.open("s3") as client:

        async def s3() -> Any:
            return client

        keys = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        made = Desk(aws, environment)
        forms = FormPost(environment["UPLOAD_BUCKET_NAME"], *keys, s3, now=lambda: made.now)
        application = web.Application()
        application.router.add_post("/upload", forms.take)
        async with TestServer(application, host="127.0.0.1") as server:
            made.url = str(server.make_url("/upload"))
            yield made


async def test_a_file_by_its_form_is_in_the_bucket_as_its_key_says(desk: Desk) -> None:
    sha = base64.b64encode(hashlib.sha256(PNG).digest()).decode()
    form = await desk.form(Opening(), "Grüße +1 %20.png", content_type="image/png", sha256=sha)
    assert await desk.post(form.fields) == (204, "")
    assert desk.content(form.key) == PNG
    status, said = await desk.post(form.fields, PNG + b"more")
    assert (status, "BadDigest" in said) == (400, True)


async def test_what_the_policy_does_not_allow_is_refused_as_s3_does(desk: Desk) -> None:
    form = await desk.form(Opening(max_bytes=200, min_bytes=10), content_type="image/png")
    other = f"session-uploads/{uuid.uuid4().hex}/a.png"
    policy = base64.b64encode(base64.b64decode(form.fields["policy"]).replace(b"200", b"999")).decode()
    without = {name: value for name, value in form.fields.items() if name != "x-amz-signature"}
    cases: list[tuple[Mapping[str, str], bytes, str]] = [
        ({**form.fields, "key": other}, PNG, "failed: key"),
        ({**form.fields, "Content-Type": "text/html"}, PNG, "failed: Content-Type"),
        ({**form.fields, "acl": "public-read"}, PNG, "Extra input fields: acl"),
        ({**form.fields, "policy": policy}, PNG, "SignatureDoesNotMatch"),
        ({**form.fields, "policy": "x"}, PNG, "InvalidPolicyDocument"),
        (without, PNG, "SignatureDoesNotMatch"),
        (form.fields, bytes(201), "EntityTooLarge"),
        (form.fields, bytes(9), "EntityTooSmall"),
        ({**form.fields, "more": "x" * 20_001}, PNG, "MaxPostPreDataLengthExceeded"),
    ]
    for fields, content, why in cases:
        status, said = await desk.post(fields, content)
        assert (status in {400, 403}, why in said) == (True, True), (why, status, said)
    desk.now += timedelta(hours=1)
    status, said = await desk.post(form.fields)
    assert (status, "Policy expired" in said) == (403, True)


async def test_what_is_no_form_is_refused(desk: Desk) -> None:
    async with aiohttp.ClientSession() as http:
        for data in ({"key": "a"}, b"x"):
            async with http.post(desk.url, data=data) as answer:
                assert answer.status == 400
