"""The CDK app: `python -m infra.app` writes infra/templates, `--check` says when they are stale; `cdk synth` works too."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aws_cdk import App

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
INLINE_LIMIT: Final = 51_200  # bytes; CloudFormation takes a larger template only from a bucket
# The library's own validation takes minutes over hundreds of alarms and gives up; cfn-lint looks at what is committed.
SILENT: Final = {"CDK_VALIDATION": "false"}
# jsii's banner about Node 20, which still works; the variable wants the version that is meant.
QUIET: Final = {
    "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
}
LINE: Final = 1_600  # characters; a value that fits on one line is written on one
CLOSE: Final = (",", ":")  # no blanks within it: with both, the templates have room for a fifth worker


def app(outdir: str | None = None) -> "App":
    """The app with all its stacks; `outdir` is where the cloud assembly goes, else where the CDK command wants it."""
    for name, value in (QUIET | SILENT).items():
        os.environ.setdefault(name, value)
    from aws_cdk import App  # noqa: PLC0415  importing it starts Node, whose banner is silenced first

    from infra.edge.stack import EdgeStack  # noqa: PLC0415  as above
    from infra.messaging import MessagingStack  # noqa: PLC0415  as above
    from infra.stacks.access import AccessStack  # noqa: PLC0415  as above
    from infra.stacks.alarms import AlarmsStack, QueueAlarmsStack, ServiceAlarmsStack  # noqa: PLC0415  as above
    from infra.stacks.care import CareStack  # noqa: PLC0415  as above
    from infra.stacks.dashboards import DashboardsStack  # noqa: PLC0415  as above
    from infra.stacks.evidence import EvidenceStack  # noqa: PLC0415  as above
    from infra.stacks.keys import KeysStack  # noqa: PLC0415  as above
    from infra.stacks.network import NetworkStack  # noqa: PLC0415  as above
    from infra.stacks.pipeline import PipelineStack  # noqa: PLC0415  as above
    from infra.stacks.services import ServicesStack  # noqa: PLC0415  as above
    from infra.stacks.workers import WorkersStack  # noqa: PLC0415  as above

    made = App(outdir=outdir, analytics_reporting=False, tree_metadata=False)
    for stack in (
        PipelineStack,
        KeysStack,
        NetworkStack,
        EvidenceStack,
        MessagingStack,
        AccessStack,
        WorkersStack,
        ServicesStack,
    ):
        stack(made)
    for watching in (AlarmsStack, QueueAlarmsStack, ServiceAlarmsStack, DashboardsStack, CareStack, EdgeStack):
        watching(made)
    return made


def render() -> dict[str, str]:
    """Each stack's template by file name, the same bytes each time."""
    with tempfile.TemporaryDirectory() as outdir:
        stacks = app(outdir).synth().stacks
        return {f"{stack.stack_name}.json": layout(stack.template) + "\n" for stack in stacks}


def layout(value: Any, depth: int = 0) -> str:
    """JSON with sorted keys, broken only where a line would grow long: a third of the bytes of an indented dump."""
    line = json.dumps(value, sort_keys=True, separators=CLOSE)
    if not isinstance(value, dict | list) or (depth and depth + len(line) <= LINE):
        return line
    if isinstance(value, dict):
        inner = [f"{json.dumps(key)}:{layout(value[key], depth + 1)}" for key in sorted(value)]
        opening, closing = "{}"
    else:
        inner = [layout(item, depth + 1) for item in value]
        opening, closing = "[]"
    lines = ",\n".join(" " * (depth + 1) + item for item in inner)
    return f"{opening}\n{lines}\n{' ' * depth}{closing}"


def write(rendered: dict[str, str]) -> int:
    """Write the templates, and say which of them are too large to be deployed from a file."""
    TEMPLATES.mkdir(exist_ok=True)
    for name, text in rendered.items():
        (TEMPLATES / name).write_text(text, encoding="utf-8", newline="\n")
        sys.stdout.write(f"infra/templates/{name}: {len(text.encode())} bytes\n")
    for name in [name for name, text in rendered.items() if len(text.encode()) >= INLINE_LIMIT]:
        sys.stderr.write(
            f"infra/templates/{name} has {INLINE_LIMIT} bytes or more: infra/deploy.sh brings it through the bucket of the zip, "
            "by hand it takes `aws cloudformation deploy --s3-bucket`\n"
        )
    return 0


def check(rendered: dict[str, str]) -> int:
    """1 when a committed template is not what the app says now."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.json")}
    stale = sorted(name for name in committed.keys() | rendered.keys() if committed.get(name) != rendered.get(name))
    for name in stale:
        sys.stderr.write(f"infra/templates/{name} is stale: run `make templates` and commit the result\n")
    return 1 if stale else 0


def main() -> int:
    """Exit status of the command."""
    if "CDK_OUTDIR" in os.environ:  # started by the CDK command, which reads the assembly itself
        app().synth()
        return 0
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a template is stale")
    return check(render()) if parser.parse_args().check else write(render())


if __name__ == "__main__":
    sys.exit(main())
