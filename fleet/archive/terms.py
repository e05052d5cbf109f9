"""What a search term may look like in the archive: as it is, and hashed with every known key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import orjson

from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.redact import Redactor

_HASHES = re.compile(r"hmac:(?:s:)?[A-Za-z0-9_-]{1,32}:[0-9a-f]{64}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def forms(term: str, keys: Sequence[HashKey], *, within: bool = False) -> list[str]:
    """As text in JSON, and as each key hides it: whole, as a number, and with what its look gives away hidden in it. `within`: also
    what its look gives away alone, as columns of ids hold it.
    """
    hidden = (form for key in keys for form in _hidden(term, key, within=within))
    return [*dict.fromkeys([orjson.dumps(term).decode()[1:-1], term, *hidden])]


def _hidden(term: str, key: HashKey, *, within: bool) -> Iterator[str]:
    hide = Redactor(key)
    kinds = ["S", "N"] if _NUMBER.fullmatch(term) else ["S"]
    for kind in kinds:
        image, _ = hide.image({"email": {kind: term}})  # hidden whole, by its name
        yield from (str(value) for value in image["email"].values())
    image, _ = hide.image({"x": {"S": term}})
    text = str(image["x"].get("S", ""))
    yield text
    if within:
        yield from _HASHES.findall(text)
