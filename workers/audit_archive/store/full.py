"""The full items of pages, as far as this process met them: none of them is asked again for an event that it does not hold."""

from __future__ import annotations

from collections.abc import Collection

REMEMBERED = 200_000
"""Events in full items that are remembered, over all pages: some 100 bytes each."""


class FullItems:
    """Of each page the first items, for as long as they are full. Such an item gains no event and loses none."""

    def __init__(self, *, most: int = REMEMBERED) -> None:
        self._most = most
        self._pages: dict[str, dict[str, int]] = {}
        self._counts: dict[str, int] = {}

    def first(self, page: str, name: str) -> int:
        """The number of the item that holds the event, else of the first one that may."""
        return self._pages.get(page, {}).get(name, self._counts.get(page, 0))

    def learn(self, page: str, number: int, names: Collection[str]) -> None:
        """That an item is full, and with what. What has no room beside this page's others is asked again each time."""
        known = self._pages.get(page, {})
        if number != self._counts.get(page, 0) or len(known) + len(names) > self._most:
            return
        self._pages.pop(page, None)  # the last one to be forgotten
        self._pages[page] = known
        known.update(dict.fromkeys(names, number))
        self._counts[page] = number + 1
        while sum(map(len, self._pages.values())) > self._most:
            oldest = next(iter(self._pages))
            del self._pages[oldest], self._counts[oldest]
