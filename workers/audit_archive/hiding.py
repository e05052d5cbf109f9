"""How the rows of a batch are hidden: with the keys of their subjects, each asked for once, and else with the fleet's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from shared import Image
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.redaction.subjects import Subject, Subjects
from workers.audit_archive.rules import Hide

log = structlog.get_logger()

KeysOf = Callable[[Collection[str]], Awaitable[Mapping[str, HashKey | Exception]]]
"""The keys of subjects, or why one could not be had."""


class NoSubjectKey(Exception):
    """The key of a row's subject could not be had now; its cause says why. The row is neither strange nor lost."""


Told = tuple[str, Sequence[Any]]
"""A row's table, and all images that may name its subject."""

Hiding = Callable[[Sequence[Told]], Awaitable[Hide]]
"""What hides the rows of one batch."""


@dataclass(frozen=True, slots=True)
class BySubject:
    """With `keys` unset, or of a table without a declared subject, everything is hidden with the fleet's key."""

    redactor: Redactor
    subjects: Subjects = field(default_factory=Subjects)
    keys: KeysOf | None = None

    async def __call__(self, rows: Sequence[Told]) -> Hide:
        declared = [row for row in rows if row[0] in self.subjects.tables] if self.keys else []
        named = [self.subjects.of(*row) for row in declared]
        if unknown := sum(not any(each) for each in named):
            log.info("audit_subject_unknown", count=unknown)  # hidden with the fleet's key: no erasure reaches them
        wanted = {each for row in named for each in row if each}
        keys = await self.keys(wanted) if self.keys and wanted else {}
        return partial(self._hide, keys)

    def _hide(
        self,
        keys: Mapping[str, HashKey | Exception],
        images: Sequence[Image | None],
        table: str,
        *,
        told: Sequence[Any] = (),
    ) -> tuple[list[Image | None], int]:
        hidden: list[Image | None] = []
        found = 0
        subjects = self.subjects.of(table, (*told, *images))[len(told) :]
        for image, value in zip(images, subjects, strict=True):
            if image is None:
                hidden.append(None)
                continue
            clean, count = self.redactor.image(image, table, self._subject(keys, table, value))
            hidden.append(clean)
            found += count
        return hidden, found

    def _subject(self, keys: Mapping[str, HashKey | Exception], table: str, value: str | None) -> Subject | None:
        if value is None or self.keys is None:
            return None
        match keys[value]:
            case Exception() as error:
                raise NoSubjectKey from error
            case key:
                return Subject(value, self.subjects.attribute(table), key)
