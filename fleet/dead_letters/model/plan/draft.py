"""Which of the selected letters a plan can take, to where, and why not the others; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.dead_letters.model.plan.plan import Planned
from fleet.dead_letters.model.shapes import is_sendable_by_hand
from fleet.dead_letters.model.view import View


@dataclass(frozen=True, slots=True)
class Draft:
    """`refused` are (view, why not) pairs; `unmarked`: ids of planned letters that are sent without the replay's mark."""

    planned: tuple[Planned, ...]
    refused: tuple[tuple[View, str], ...]
    unmarked: tuple[str, ...] = ()

    def refusals(self) -> list[dict[str, Any]]:
        return [{"id": each.id, "shape": each.standing.shape, "why_not": why} for each, why in self.refused]


def draft(views: Iterable[View], *, to: str = "", mended: Mapping[str, str] | None = None) -> Draft:
    """In the order given. `to` is an ARN that takes all of them; `mended` are new bodies by id."""
    planned: list[Planned] = []
    refused: list[tuple[View, str]] = []
    unmarked: list[str] = []
    for each in views:
        judged = each.standing
        destination = to or judged.destination
        able = is_sendable_by_hand(judged) if to else judged.replayable
        if not able or not destination:
            refused.append((each, judged.why_not or "its destination is not known: name it with --to"))
            continue
        body = (mended or {}).get(each.id)
        unmarked += [] if each.markable else [each.id]
        planned.append(
            Planned(
                id=each.id,
                digest=each.digest,
                key=each.key,
                shape=judged.shape,
                destination=destination,
                expires_at=each.expires_at,
                mended=body,
                earlier=each.earlier,
            )
        )
    return Draft(tuple(planned), tuple(refused), tuple(unmarked))
