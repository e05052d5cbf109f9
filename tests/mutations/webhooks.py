"""The mutations of webhooks: how their endpoints are read together, and what follows from an attempt."""

from tests.mutations.mutation import of

ATTEMPTS = "tests/workers/webhook_delivery/test_store.py"
READS = "tests/workers/webhook_delivery/test_shared_reads.py"
CHAINS = "tests/workers/webhook_delivery/test_deliver.py"
CRASHES = "tests/workers/webhook_delivery/test_deliver_crashes.py"

WEBHOOKS = (
    *of(
        "workers/webhook_delivery/handler.py",
        ('if other not in {"", job.nonce}:', "if False:", CHAINS),
        ('{"", job.nonce}', "{job.nonce}", CRASHES),
    ),
    *of("workers/webhook_delivery/store/items.py", (" AND attribute_not_exists(settled)", "", ATTEMPTS)),
    *of(
        "workers/webhook_delivery/store/shared_reads.py",
        ("found is not None and not why_not(found)", "found is not None", READS),
        ("if not self._keeps(found):", "if False:", READS),
        ("task = self._next.get(key)", "task = self._next.get(key) or self._running.get(key)", READS),
        ("timeout=PATIENCE", "timeout=None", READS),
        ("asyncio.shield(task)", "task", READS),
        ("task = self._running[key] = self._next.pop(key)", "task = self._running[key] = self._next[key]", READS),
    ),
)
