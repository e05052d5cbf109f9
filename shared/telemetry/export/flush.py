"""Sends what telemetry has gathered, and waits for it only so long."""

from __future__ import annotations

import threading


class Flush:
    """Asks a provider of spans or metrics to send now; a Lambda sandbox is frozen between invocations, and would sit
    on them.

    The SDK's own flush knows no time limit: with a collector that does not answer it would hold Lambda's only thread
    until the function times out, and the whole batch would be delivered again. So it runs beside, one at a time.
    """

    def __init__(self) -> None:
        self._running: threading.Thread | None = None

    def __call__(self, provider: object, *, seconds: float) -> None:
        """Return when all is sent, or after `seconds`; what is late goes on by itself. No SDK, nothing to send."""
        if (force := getattr(provider, "force_flush", None)) is None:
            return
        if self._running is None or not self._running.is_alive():
            self._running = threading.Thread(target=force, name="telemetry-flush", daemon=True)
            self._running.start()
        self._running.join(seconds)
