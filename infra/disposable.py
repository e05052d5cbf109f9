"""The template of a stage whose settings let its data go: the committed one, with nothing left over when it is deleted."""

import json
import sys
from typing import Any

from infra.fingerprint import FOLDER
from infra.settings import STAGES, Removal

# CloudFormation has been seen to overlook an update of policies alone; a resource's metadata makes it look.
GOES = {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete", "Metadata": {"Disposable": "true"}}


def disposable(template: dict[str, Any]) -> dict[str, Any]:
    """The same template, whose kept resources go with their stack; nothing else differs."""
    resources = {
        name: resource | GOES if "DeletionPolicy" in resource else resource
        for name, resource in template["Resources"].items()
    }
    return template | {"Resources": resources}


def main(arguments: list[str]) -> int:
    """Print the disposable template of a stage; 1 when the stage keeps its data, 2 when there is no such stage."""
    if len(arguments) != 1 or arguments[0] not in STAGES:
        sys.stderr.write(f"usage: python -m infra.disposable {{{'|'.join(STAGES)}}} > FILE\n")
        return 2
    (stage,) = arguments
    if STAGES[stage].removal is not Removal.DESTROY:
        sys.stderr.write(f"{stage} keeps its data: see `removal` in infra/settings.py\n")
        return 1
    template = json.loads((FOLDER / "templates" / "messaging.json").read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(disposable(template), separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
