"""Leases, followed through a ledger: who held which message until when."""

from tests.sqs_server.entries import Entry


class Leases:
    """Each receive begins a lease; extensions and releases move its end, in seconds of the server's clock."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, int], float] = {}
        self._latest: dict[str, list[int]] = {}

    def follow(self, entry: Entry) -> None:
        """Take the next entry of the ledger."""
        name = entry.message_id, entry.receipt
        match entry.kind:
            case "receive":
                self._until[name] = float(entry.more["until"])
                self._latest.setdefault(entry.message_id, []).append(entry.receipt)
            case "extend":
                self._until[name] = float(entry.more["until"])
            case "release":
                self._until[name] = entry.at

    def until(self, message_id: str, receipt: int) -> float:
        """The end of one receive's lease as it is known now; the beginning of time for a receive that never was."""
        return self._until.get((message_id, receipt), 0.0)

    def held(self, entry: Entry, tolerance: float) -> bool:
        """Whether anybody held the entry's message at its moment."""
        receipts = self._latest.get(entry.message_id, [])
        return any(self.until(entry.message_id, each) + tolerance >= entry.at for each in receipts)

    def receipt(self, message_id: str) -> int:
        """The latest receive so far; 0 before the first."""
        receipts = self._latest.get(message_id)
        return receipts[-1] if receipts else 0
