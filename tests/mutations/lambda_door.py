"""The mutations of Lambda's door."""

from tests.mutations.mutation import of

DOOR = "tests/shared/lambda_door"
INVOCATION = f"{DOOR}/test_invocation.py"
NEIGHBOURS = f"{DOOR}/test_neighbours.py"
OUTLIVING = f"{DOOR}/test_outliving.py"

LAMBDA = [
    *of(
        "shared/lambda_door/invocation.py",
        ("leases.take(*ready, *share.behind, until=deadline)", "pass", INVOCATION),
        ("turns.end(delivery, stays=not leaves)", "turns.end(delivery, stays=False)", INVOCATION),
        ("await consumer.leases.give_back(behind)", "pass", INVOCATION),
        ("        if leaves:\n            leaving.add(delivery)", "        leaving.add(delivery)", INVOCATION),
        ("delivery.attempt >= known.attempt", "True", "tests/behaviours/test_lambda_order.py"),
        ("min(worker.limits.concurrency, len(ready))", "len(ready)", INVOCATION),
        ('cut_run(task, "the invocation ends")', "pass", INVOCATION),
        ("RELEASING = 15.0", "RELEASING = 5.0", NEIGHBOURS),
        ("return not all(task.done() for task in late)", "return False", OUTLIVING),
    ),
    *of(
        "shared/lambda_door/entry.py",
        ("self._consumers = self._join()", "pass", OUTLIVING),
        ("replace(stores, apart=apart)", "stores", OUTLIVING),
    ),
]
