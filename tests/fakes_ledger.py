"""The ledger in memory, as strict about owners and leases as the table; both sit tests/shared/road/test_ledger.py."""

from dataclasses import dataclass

from shared.road.ledger import AlreadyDone, Busy, Claim, Claimed, Reused


@dataclass(slots=True)
class Row:
    """One key: whose it is, and until when it is claimed or remembered (epoch seconds)."""

    owner: str
    claimed_until: float
    fingerprint: str | None = None
    done_until: float | None = None
    result: str = ""


class FakeLedger:
    """Claims in a dict. Nothing is awaited inside, so that every call is as atomic as a conditional write."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.counts: dict[str, int] = {}

    async def claim(self, key: str, *, owner: str, now: float, lease: float, fingerprint: str) -> Claim:
        row = self.rows.get(key)
        if row is not None and row.done_until is not None and row.done_until > now:
            return AlreadyDone(row.result) if row.fingerprint in {None, fingerprint} else Reused()
        if row is not None and row.done_until is None and row.owner != owner and row.claimed_until > now:
            return Busy(row.claimed_until - now)
        self.rows[key] = Row(owner, claimed_until=now + lease, fingerprint=fingerprint)
        return Claimed()

    async def complete(self, key: str, *, owner: str, now: float, keep: float, result: str = "") -> bool:
        row = self.rows.get(key)
        if row is None or row.owner != owner:
            return False
        if row.done_until is None:
            row.done_until, row.result = now + keep, result
        return True

    async def release(self, key: str, *, owner: str) -> None:
        row = self.rows.get(key)
        if row is not None and row.owner == owner and row.done_until is None:
            del self.rows[key]

    async def note(self, key: str, *, now: float, keep: float) -> None:
        self.rows[key] = Row("", claimed_until=now, done_until=now + keep)

    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        self.counts[key] = self.counts.get(key, 0) + by
        return self.counts[key]


class CutLedger(FakeLedger):
    """A ledger that hears nothing more of a process that was killed."""

    is_cut = False

    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        return 0 if self.is_cut else await super().count(key, by=by, now=now, keep=keep)
