"""The files of a new worker, by their paths below the repository: from the texts in `files/`."""

from __future__ import annotations

from pathlib import Path
from string import Template

from fleet.dev.new_worker.given import New

FILES = Path(__file__).parent / "files"

FILLED_BY = {
    "queue": ("Producers", "Producers()"),
    "bus": ("BusEvents", 'BusEvents(("$event",))'),
    "s3": ("OwnBucket", "OwnBucket()"),
    "stream": ("TableStream", 'TableStream("$table")'),
}
FROM = {
    "queue": "from whoever may send to it",
    "bus": "from the bus: events `$event`",
    "s3": "from the bucket `$name`",
    "stream": "from the pipe of the table `$table`",
}
BUCKET_VARIABLE = """    variables={"${variable}_BUCKET_NAME": "${stem}BucketName"},
    grants=(Grant(("s3:GetObject",), buckets=("$name",)),),
"""


def written(new: New) -> dict[str, str]:
    """New files: path and text."""
    return {
        f"workers/{new.package}/__init__.py": text(new, "package.txt"),
        f"workers/{new.package}/event.py": text(new, f"{new.source}/event.txt"),
        f"workers/{new.package}/app.py": _app(new),
        f"tests/workers/{new.package}/__init__.py": "",
        f"tests/workers/{new.package}/message.json": message(new) + "\n",
        f"tests/workers/{new.package}/test_{new.package}.py": text(new, "test.txt"),
        f"infra/concerns/{new.package}.py": _concern(new),
    }


def text(new: New, file: str, **more: str) -> str:
    """One of `files/`, filled in."""
    return fill(new, (FILES / file).read_text(encoding="utf-8"), **more)


def fill(new: New, template: str, **more: str) -> str:
    """The placeholders of a new worker in `template`, and `more`."""
    own = {
        "name": new.name,
        "package": new.package,
        "stem": new.stem,
        "variable": new.variable,
        "event": new.event,
        "table": new.table,
    }
    return Template(template).substitute(own | more)


def message(new: New) -> str:
    """A message as it comes to the queue."""
    return text(new, f"{new.source}/message.json").rstrip()


def source(new: New) -> str:
    """What fills the queue, for a reader."""
    return fill(new, FROM[new.source])


def _app(new: New) -> str:
    # S3 tells of a trial of the queue as well, which has no key: its effect has to bear being done twice.
    if new.source == "s3":
        return text(
            new,
            "app.txt",
            once="",
            key="",
            do="Each(handle)",
            fields=f'\n    {new.package}_bucket_name: str = Field(description="the bucket that it reads from")\n',
            pydantic="from pydantic import Field\n",
            promise="May be called twice for one object, and its effect must bear that: S3 tells at least once.",
            body="    if event is None:\n        return\n",
            logged='f"{event.bucket}/{event.key}@{event.sequencer}"',
        )
    return text(
        new,
        "app.txt",
        once=" Once,",
        key=", key",
        do="Each(handle, once=Once(key=key))",
        fields="",
        pydantic="",
        promise="Called once for each key.",
        body="",
        logged="key(event)",
    )


def _concern(new: New) -> str:
    kind, filled_by = (fill(new, each) for each in FILLED_BY[new.source])
    own = new.source == "s3"
    return text(
        new,
        "concern.txt",
        imports=", ".join(sorted(["Concern", kind, *(["Grant"] if own else [])])),
        filled_by=filled_by,
        variables=fill(new, BUCKET_VARIABLE) if own else "",
    )
