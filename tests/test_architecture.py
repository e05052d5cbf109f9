"""The import rule and the house style of docs/architecture.md, read from the source itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONCERNS = ("audit_archive", "reminder_dispatch", "upload_notification", "webhook_delivery")

# Inside shared, from the ground up: a module imports its own floor and those below it. What is not named here stands
# between the road and its doors, where wiring does.
GROUND = {"outcome", "delivery", "claim_check", "envelope", "backoff", "settings"}
FLOORS: tuple[set[str], ...] = (
    GROUND,
    {"burial", "settle", "lease", "verdict", "sqs", "telemetry", "ledger", "controls", "hot", "deadlines", "payloads"},
    {"worker"},
    {"pipeline", "handling", "once", "slots", "gather", "throttle", "turns", "intake", "invocation"},
    {"wiring", "health"},
    {"poller", "lambda_entry"},
    {"container"},
)

# Inside a worker: app joins everything, handler is joined by app alone, and what is pure rests on what is pure.
WORKER_FLOOR = {"handler": 1, "app": 2}

PURE_FILES = {
    "rules.py",
    "event.py",
    "signing.py",
    "outcome.py",
    "delivery.py",
    "envelope.py",
    "backoff.py",
    "verdict.py",
    "claim_check.py",
}
IMPURE = {
    "aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore", "http", "logging", "opentelemetry", "os", "random",
    "requests", "socket", "structlog", "subprocess", "tenacity", "time", "urllib3",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}
NAMELESS = {"utils", "helpers", "common", "base", "manager"}
LONGEST_FILE = 300


@dataclass(frozen=True)
class Source:
    """One file of the fleet, parsed."""

    path: Path
    tree: ast.Module
    lines: int

    @property
    def module(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def imports(self) -> set[str]:
        """Full names of what it imports, at any depth; `from a import b` counts as `a.b`."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.module}: imports are written in full"
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return found


@cache
def sources(*roots: str) -> tuple[Source, ...]:
    paths = sorted(path for root in roots for path in (ROOT / root).rglob("*.py"))
    texts = [(path, path.read_text()) for path in paths]
    return tuple(Source(path, ast.parse(text), len(text.splitlines())) for path, text in texts)


def test_shared_never_imports_workers() -> None:
    guilty = [
        (source.module, name) for source in sources("shared") for name in source.imports if under(name, "workers")
    ]
    assert guilty == []


def test_no_shipped_module_imports_tests_or_infra() -> None:
    guilty = [
        (source.module, name)
        for source in sources("shared", "workers")
        for name in source.imports
        if under(name, "tests") or under(name, "infra")
    ]
    assert guilty == []


def test_no_worker_imports_another_or_what_stands_above_the_workers() -> None:
    guilty = []
    for concern in CONCERNS:
        strangers = [f"workers.{other}" for other in (*CONCERNS, "local", "replay", "cli") if other != concern]
        guilty += [
            (source.module, name)
            for source in sources(f"workers/{concern}")
            for name in source.imports
            if any(under(name, stranger) for stranger in strangers)
        ]
    assert guilty == []


def test_inside_a_worker_imports_go_down() -> None:
    guilty = [
        (source.module, name)
        for concern in CONCERNS
        for source in sources(f"workers/{concern}")
        for name in source.imports
        if under(name, f"workers.{concern}") and worker_floor(name) > worker_floor(source.module)
    ]
    assert guilty == []


def test_inside_shared_imports_go_down() -> None:
    guilty = [
        (source.module, name)
        for source in sources("shared")
        for name in source.imports
        if under(name, "shared") and shared_floor(name) > shared_floor(source.module)
    ]
    assert guilty == []


def test_every_module_of_shared_has_its_floor() -> None:
    known = set().union(*FLOORS)
    homeless = {
        source.module
        for source in sources("shared")
        if source.module != "shared" and second(source.module) not in known
    }
    assert homeless == set(), "name the module in FLOORS, and in docs/architecture.md"


def test_no_import_goes_in_a_circle() -> None:
    every = sources("shared", "workers")
    modules = {source.module for source in every}
    graph = {
        source.module: {
            module for name in source.imports if (module := owner(name, modules)) and module != source.module
        }
        for source in every
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        raise AssertionError(" > ".join(circle.args[1])) from None


def test_pure_files_import_no_aws_http_environment_clock_logger_or_dice() -> None:
    guilty = [(source.module, name) for source in pure() for name in source.imports if name.partition(".")[0] in IMPURE]
    assert guilty == []


def test_pure_files_ask_no_clock() -> None:
    guilty = [
        (source.module, node.lineno)
        for source in pure()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert guilty == []


def test_importing_reads_no_environment_and_opens_nothing() -> None:
    forbidden = {"environ", "getenv", "open", "Session", "client", "connect", "socket", "run", "Popen", "read_text"}
    guilty = [
        (source.module, node.lineno)
        for source in sources("shared", "workers")
        for node in at_import(source.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        or (isinstance(node, ast.Call) and called(node) in forbidden)
    ]
    assert guilty == []


def test_a_file_is_one_thought_long() -> None:
    long = [
        (source.module, source.lines)
        for source in sources("shared", "workers", "infra", "tests")
        if source.lines > LONGEST_FILE
    ]
    assert long == []


def test_no_file_hides_behind_a_name_that_says_nothing() -> None:
    named = {part for source in sources("shared", "workers", "infra", "tests") for part in source.module.split(".")}
    assert named & NAMELESS == set()


def test_every_file_says_in_a_sentence_what_it_is() -> None:
    silent = [
        source.module
        for source in sources("shared", "workers")
        if source.tree.body and not ast.get_docstring(source.tree)
    ]
    assert silent == []


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def second(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def shared_floor(name: str) -> int:
    return next((floor for floor, modules in enumerate(FLOORS) if second(name) in modules), 0)


def worker_floor(name: str) -> int:
    parts = name.split(".")
    return WORKER_FLOOR.get(parts[2], 0) if len(parts) > 2 else 0


def owner(name: str, modules: set[str]) -> str | None:
    """The module that `name` lives in: itself, or the one that defines it."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules else None


def pure() -> list[Source]:
    """The files that promise purity by their name, and everything of ours that they rest on."""
    every = {source.module: source for source in sources("shared", "workers")}
    reached = {
        module: source
        for module, source in every.items()
        if source.path.name in PURE_FILES and "local" not in source.path.parts
    }
    waiting = list(reached.values())
    while waiting:
        for name in waiting.pop().imports:
            below = owner(name, set(every))
            if below is not None and below not in reached:
                reached[below] = every[below]
                waiting.append(every[below])
    return list(reached.values())


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: all but the bodies of functions, and the script's own door."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for outside in (*child.decorator_list, *child.args.defaults, *(d for d in child.args.kw_defaults if d)):
                yield outside
                yield from at_import(outside)
        elif not isinstance(child, ast.Lambda) and not is_door(child):
            yield child
            yield from at_import(child)


def is_door(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""
