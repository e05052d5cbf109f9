"""Receipts from Expo: at most 1,000 in a request; what has none yet is not in the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson

from shared import Secret
from workers.reminder_dispatch.channels.push.answer import code_in, json_object, text_of
from workers.reminder_dispatch.channels.push.expo import NO_TOKEN, bearer, fits_a_header
from workers.reminder_dispatch.receipts.receipt import Receipt, Unanswered


class ExpoReceipts:
    """Expo's receipts (https://docs.expo.dev/push-notifications/sending-notifications/#push-receipts). `url` is that of pushes."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str, access_token: Secret = NO_TOKEN) -> None:
        self._session = session
        self._url = f"{url.removesuffix('/send')}/getReceipts"
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._access_token = access_token

    async def __call__(self, ids: Sequence[str]) -> Mapping[str, Receipt]:
        """The receipts that there are. Raises Unanswered."""
        body = orjson.dumps({"ids": list(ids)})

        async def attempt(token: str | None) -> tuple[int, bytes]:
            if not fits_a_header(token):
                return 401, b""  # as Expo would say of it
            headers = self._headers | bearer(token)
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status, await text_of(response)

        try:
            status, text = await self._access_token.accepted(attempt, refused=lambda answer: answer[0] in {401, 403})
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unanswered("no answer from Expo") from error
        found = json_object(text).get("data")
        if status != 200 or not isinstance(found, dict):
            raise Unanswered(f"Expo: {status}")
        return {name: receipt for name, value in found.items() if (receipt := _receipt(value)) is not None}


def _receipt(value: Any) -> Receipt | None:
    """None for what cannot be read: it is asked for again."""
    match value:
        case {"status": "ok"}:
            return Receipt()
        case {"status": "error"}:
            return Receipt(code_in(value.get("details"), "error") or "no code")
        case _:
            return None
