"""A worker from the options that a case cares about, and nothing else."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from shared.worker import BatchResult, Each, Limits, Once, Together, Worker

LIMITS = {each.name for each in fields(Limits)}
ONCE = {each.name for each in fields(Once)}


async def _nobody(_events: Sequence[Any]) -> BatchResult:
    raise AssertionError("this case handles nothing")


def together(**limits: Any) -> Together[Any]:
    """The limits of a batch, for whichever handler the case has."""
    return Together(_nobody, **limits)


def make_worker(
    handle: Any = None, *, handle_batch: Any = None, batch: Together[Any] | None = None, order: Any = None, **more: Any
) -> Worker[Any]:
    """The fields of a worker, of its limits and of `Once`, side by side; Each where there is `handle`, else Together."""
    once = {name: more.pop(name) for name in ONCE & more.keys()}
    limits = Limits(**{name: more.pop(name) for name in LIMITS & more.keys()})
    do: Each[Any] | Together[Any] = (
        Each(handle, order=order, once=Once(**once) if once else None)
        if handle_batch is None
        else replace(batch or together(), handle=handle_batch)
    )
    return Worker(
        **{"name": "sample", "queue": "uploads", "decode": lambda each: each, **more, "do": do, "limits": limits}
    )
