"""How a device shows a push notification, in Expo's own names
(https://docs.expo.dev/push-notifications/sending-notifications/#message-request-format).
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from pydantic import ConfigDict, Field

from shared import Wire

LONGEST_TTL = 28 * 86_400
"""Seconds: FCM keeps a message for four weeks at most."""


class PushFields(TypedDict, total=False):
    """What a producer may ask for; `ttl` in seconds, `sound` the name of one that the app holds, or `default`."""

    subtitle: str
    sound: str
    badge: int
    priority: Literal["default", "normal", "high"]
    ttl: int
    interruptionLevel: Literal["active", "critical", "passive", "time-sensitive"]
    channelId: str
    categoryId: str
    mutableContent: bool
    collapseId: str
    tag: str


class Presentation(Wire):
    """What a row asks for. Another name is a fault and not ignored: a misspelt one would never be seen."""

    model_config = ConfigDict(strict=True, extra="forbid")

    subtitle: str | None = Field(default=None, min_length=1)
    sound: str | None = Field(default=None, min_length=1)
    badge: int | None = Field(default=None, ge=0, lt=2**31)
    priority: Literal["default", "normal", "high"] | None = None
    ttl: int | None = Field(default=None, ge=0, le=LONGEST_TTL)
    interruption_level: Literal["active", "critical", "passive", "time-sensitive"] | None = Field(
        default=None, alias="interruptionLevel"
    )
    channel_id: str | None = Field(default=None, alias="channelId", min_length=1)
    category_id: str | None = Field(default=None, alias="categoryId", min_length=1)
    mutable_content: bool | None = Field(default=None, alias="mutableContent")
    collapse_id: str | None = Field(default=None, alias="collapseId", min_length=1, max_length=64)
    tag: str | None = Field(default=None, min_length=1)

    def fields(self) -> dict[str, Any]:
        """As Expo takes them."""
        return self.model_dump(by_alias=True, exclude_none=True)
