"""The entries of a new worker in files that are there: compose, Kubernetes, the data model. Each is put where the last of its kind stands."""

from __future__ import annotations

import re
from pathlib import Path

from fleet.dev.new_worker.given import New
from fleet.dev.new_worker.texts import message, source, text

SQS = "https://sqs.eu-central-1.amazonaws.com/111122223333"
LOCALSTACK = "http://localstack:4566/000000000000"
MODEL = "upload-notification"
"""The worker whose manifest a new one's follows: one queue, and no task where nothing comes."""


def amended(new: New, root: Path) -> dict[str, str]:
    """Files that are changed, and the one that is a copy of another: path and whole new text."""

    def now(path: str) -> str:
        return (root / path).read_text(encoding="utf-8")

    base, overlay = "kubernetes/base", "kubernetes/overlays/example"
    return {
        "docker-compose.yml": _compose(new, now("docker-compose.yml")),
        f"{base}/{new.name}.yaml": _manifest(new, now(f"{base}/{MODEL}.yaml")),
        f"{base}/kustomization.yaml": now(f"{base}/kustomization.yaml").rstrip() + f"\n  - {new.name}.yaml\n",
        f"{overlay}/kustomization.yaml": now(f"{overlay}/kustomization.yaml").rstrip() + "\n" + text(new, "patch.txt"),
        f"{overlay}/names.env": now(f"{overlay}/names.env").rstrip() + "\n" + _names(new),
        "docs/data-model.md": _section(new, now("docs/data-model.md")),
    }


def _compose(new: New, there: str) -> str:
    added = [
        f"{new.variable}_QUEUE_URL: {LOCALSTACK}/fleet-{new.name}-dev",
        f"{new.variable}_DLQ_URL: {LOCALSTACK}/fleet-{new.name}-dlq-dev",
    ]
    if new.source == "s3":
        added.append(f"{new.variable}_BUCKET_NAME: fleet-{new.name}-dev")
    if new.source == "stream":
        there, pipes = _without_pipes(there)
        added.append(f"STAND_INS_PIPES: {','.join([*pipes, f'{new.table}:{new.name}'])}")
    variables = "".join(f"  {line}\n" for line in added)
    there = there.replace("\n\nx-process:", f"\n{variables}\nx-process:", 1)
    return there.rstrip() + "\n" + text(new, "compose.txt")


def _without_pipes(there: str) -> tuple[str, list[str]]:
    """Without the line of the pipes that stand-ins play, and what it says."""
    found = re.search(r"^  STAND_INS_PIPES: (\S+)\n", there, re.MULTILINE)
    return (there.replace(found[0], ""), found[1].split(",")) if found else (there, [])


def _manifest(new: New, model: str) -> str:
    return model.replace(MODEL, new.name).replace("UPLOADS_QUEUE_URL", f"{new.variable}_QUEUE_URL")


def _names(new: New) -> str:
    lines = [
        f"{new.variable}_QUEUE_URL={SQS}/fleet-{new.name}-prod",
        f"{new.variable}_DLQ_URL={SQS}/fleet-{new.name}-dlq-prod",
        *([f"{new.variable}_BUCKET_NAME=fleet-{new.name}-prod"] if new.source == "s3" else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def _section(new: New, there: str) -> str:
    before, heading, after = there.partition("## Events the fleet puts on the bus")
    return before + text(new, "section.txt", message=message(new), **{"from": source(new)}) + heading + after
