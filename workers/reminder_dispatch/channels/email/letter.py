"""How a reminder's e-mail is made: by a template that SES keeps, and with a way out for its reader."""

from __future__ import annotations

from typing import Any, TypedDict

import orjson
from pydantic import ConfigDict, Field

from shared import Wire

LONGEST_HEADER = 870
"""Characters of a header's value in SES's API."""

_URL = r"^https://[A-Za-z0-9\[][!-;=?-~]*$"
"""Printable ASCII without blanks and angle brackets: whatever else there is in a URL is escaped."""


class MailFields(TypedDict, total=False):
    """What a producer may ask for: the name of a `template` that SES keeps, and where this reader says `unsubscribe`, an https URL."""

    template: str
    unsubscribe: str


class Letter(Wire):
    """What a row asks for. Another name is a fault and not ignored: a misspelt one would never be seen."""

    model_config = ConfigDict(strict=True, extra="forbid")

    template: str | None = Field(default=None, min_length=1)
    unsubscribe: str | None = Field(default=None, pattern=_URL, max_length=LONGEST_HEADER - 2)

    @property
    def headers(self) -> list[dict[str, str]]:
        """List-Unsubscribe by one click (RFC 8058): who shows the mail posts to the URL when the reader says so."""
        if self.unsubscribe is None:
            return []
        return [
            {"Name": "List-Unsubscribe", "Value": f"<{self.unsubscribe}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]


def content_of(title: str, body: str, data: Any, letter: Letter | None) -> dict[str, Any]:
    """`Content` of SES's SendEmail: a template with `data`, in which `title` and `body` are, too; else plain text."""
    letter = letter or Letter()
    headers = {"Headers": letter.headers} if letter.headers else {}
    if letter.template is not None:
        filled = orjson.dumps({"title": title, "body": body, **data}).decode()
        return {"Template": {"TemplateName": letter.template, "TemplateData": filled, **headers}}
    text = {"Text": {"Data": body, "Charset": "UTF-8"}}
    return {"Simple": {"Subject": {"Data": title, "Charset": "UTF-8"}, "Body": text, **headers}}
