"""Draws docs/dlq-replay.svg from a real run: `python -m tests.fleet.dead_letters.picture`."""

import re
import tempfile
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from fleet.dev.emulators.ministack import ministack
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.worker import Worker

PICTURE = Path(__file__).parents[3] / "docs" / "dlq-replay.svg"
STORY = (
    "fleet dlq groups QUEUE",
    "fleet dlq plan QUEUE --error ConnectTimeout --tenant t1 --canary 1 --watch 20 --rate 50 -o plan",
    "fleet dlq replay plan",
    'fleet dlq replay plan --yes --reason "endpoint of t1 is up again"',
    "fleet dlq groups QUEUE",
)


def draw(ground: Ground, cli: Lines) -> str:
    """Carry the story out and show what it said."""
    console = Console(record=True, width=118, file=StringIO(), force_terminal=True)
    for line in STORY:
        console.print(Text(f"$ {line.replace('QUEUE', ground.name)}", style="bold"))
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line.replace("QUEUE", ground.name))][1:]
        words = [str(cli.home / word) if word == "plan" and place > 1 else word for place, word in enumerate(words)]
        told = cli(*words, exits=None, FORCE_COLOR="1", COLUMNS="116")
        console.print(Text.from_ansi(told.output.rstrip().replace(f"{cli.home}/", "")))
        console.print()
    # Without the fonts that rich would fetch from elsewhere: the reader's own monospace will do.
    format_here = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="fleet dlq", code_format=format_here, unique_id="replay")


def main() -> None:
    with ministack() as endpoint, tempfile.TemporaryDirectory() as home:
        aws = Aws(endpoint, "acme", "dev", {})
        dead = aws.queue("webhooks-dlq", MessageRetentionPeriod=str(14 * 86_400))
        made = Ground(aws, "", dead)
        policy = f'{{"deadLetterTargetArn": "{made.arn}", "maxReceiveCount": 3}}'
        made.source = aws.queue("webhooks", RedrivePolicy=policy)
        bodies = [{"tenantId": "t1" if number < 5 else "t2", "n": number} for number in range(7)]
        made.park(*bodies)
        made.park(*({"tenantId": "t3", "n": number} for number in range(3)), error_type="SignatureError")
        made.die({"tenantId": "t4"}, {"tenantId": "t5"})
        environment = {
            **endpoint.environment,
            "DLQ_AUDIT_LOG": f"{home}/audit.jsonl",
            "DLQ_LAST_LOOK_SECONDS": "0",
            "DLQ_SETTLE_SECONDS": "0.2",
            "DLQ_ACTOR": "you",
            "DLQ_PLAN_KEY": "the key of this picture",
        }
        with Worker(made):
            PICTURE.write_text(draw(made, Lines(environment, Path(home))))


if __name__ == "__main__":
    main()
