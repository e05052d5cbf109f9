"""The order of a stage's stacks, said once; `infra/deploy.sh` reads the rows of this file.

A row: a stack, who deploys it, its file of parameters. always, asked: infra/deploy.sh does; hand: a person, before, since others are told of what it makes.
"""

from typing import Final

_ROWS: Final = """
pipeline hand stage
keys hand stage
network hand workers
evidence hand workers
messaging always stage
edge hand workers
access always workers
workers always workers
services asked workers
alarms always stage
queue-alarms always stage
service-alarms always stage
dashboards asked stage
care asked stage
"""
_PARTS: Final = tuple(row.split() for row in _ROWS.strip().splitlines())
ORDER: Final = tuple(name for name, _, _ in _PARTS)
"""Every stack, the first one first."""
DEPLOYED: Final = tuple(name for name, who, _ in _PARTS if who != "hand")
"""What `infra/deploy.sh` deploys."""
OPTIONAL: Final = frozenset(name for name, who, _ in _PARTS if who == "asked")
"""What a stage may stand without."""
