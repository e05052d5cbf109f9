"""The import rule and the house style of docs/architecture.md, read from the source itself."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ("shared", "workers", "fleet")

PURE_FOLDERS = ("shared/message", "fleet/dead_letters/model")
PURE_FILES = {"rules.py", "event.py"}
IMPURE = {
    "aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore", "http", "logging", "opentelemetry", "os", "random",
    "requests", "socket", "structlog", "subprocess", "tenacity", "time", "urllib3",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today"}
NAMELESS = {"utils", "helpers", "common", "base", "manager"}
LONGEST_FILE = 300


@dataclass(frozen=True)
class Source:
    """One file of the fleet, parsed where somebody asks for what is in it."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def module(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def imports(self) -> set[str]:
        """Full names of what it imports, at any depth; what comes through the library's face is named by its home."""
        return {face().get(name, name) for name in self.written}

    @cached_property
    def written(self) -> set[str]:
        """As it stands in the file; `from a import b` counts as `a.b`."""
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
    return tuple(map(source, paths))


@cache
def source(path: Path) -> Source:
    return Source(path, path.read_text())


@cache
def face() -> dict[str, str]:
    """What `shared` gives to a worker's author: `shared.Delivery` to the full name in the room that it comes from."""
    tree = ast.parse((ROOT / "shared" / "__init__.py").read_text())
    return {
        f"shared.{alias.name}": f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and under(str(node.module), "shared")
        for alias in node.names
    }


def test_imports_go_the_way_that_the_architecture_page_says() -> None:
    guilty = [
        (source.module, name)
        for source in sources(*SHIPPED)
        for name in source.imports
        for folder, ranks in orders()
        if not may_import(source.module, name, folder, ranks)
    ]
    assert guilty == []


def test_a_folder_that_no_line_orders_may_neither_import_nor_be_imported() -> None:
    [ranks] = [ranks for folder, ranks in orders() if folder == "fleet"]
    assert may_import("fleet.cli.run", "fleet.dead_letters.settings", "fleet", ranks)
    assert not may_import("fleet.dead_letters.replay.run", "fleet.console.view", "fleet", ranks)
    assert not may_import("fleet.console.view", "fleet.cli.command", "fleet", ranks)
    assert may_import("fleet.cli.run", "click", "", {"fleet": 2, "workers": 1, "shared": 0})


def test_every_folder_of_shared_has_its_place_in_the_order() -> None:
    [ranks] = [ranks for folder, ranks in orders() if folder == "shared"]
    folders = {path.name for path in (ROOT / "shared").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - ranks.keys() == set(), "name the folder in docs/architecture.md, where the import rule stands"


def test_no_shipped_module_imports_tests_or_infra() -> None:
    guilty = [
        (source.module, name)
        for source in sources(*SHIPPED)
        for name in source.imports
        if under(name, "tests") or under(name, "infra")
    ]
    assert guilty == []


def test_no_worker_imports_another() -> None:
    concerns = {path.name for path in (ROOT / "workers").iterdir() if path.is_dir() and path.name != "__pycache__"}
    guilty = [
        (source.module, name)
        for concern in concerns
        for source in sources(f"workers/{concern}")
        for name in source.imports
        if under(name, "workers") and not under(name, f"workers.{concern}")
    ]
    assert guilty == []


def test_a_worker_imports_of_the_library_its_face_and_its_telemetry_alone() -> None:
    guilty = [
        (source.module, name)
        for source in sources("workers")
        for name in source.written
        if under(name, "shared") and name not in face() and not under(name, "shared.telemetry")
    ]
    assert guilty == []


def test_a_folder_of_more_than_ten_files_wants_a_wing() -> None:
    folders = Counter(source.path.parent for source in sources(*SHIPPED) if source.path.name[:2] != "__")
    assert {str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > 10} == {}


def test_no_import_goes_in_a_circle() -> None:
    every = sources(*SHIPPED)
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
        for source in sources(*SHIPPED)
        for node in at_import(source.tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        or (isinstance(node, ast.Call) and called(node) in forbidden)
    ]
    assert guilty == []


def test_the_page_to_read_first_is_a_plain_class_over_ten_names() -> None:
    page = source(ROOT / "shared" / "road" / "pipeline.py")
    assert len([name for name in page.written if not name.startswith("__future__")]) <= 10
    assert "object.__setattr__" not in page.text


def test_a_file_is_one_thought_long() -> None:
    long = [
        (source.module, source.lines) for source in sources(*SHIPPED, "infra", "tests") if source.lines > LONGEST_FILE
    ]
    assert long == []


def test_no_file_hides_behind_a_name_that_says_nothing() -> None:
    named = {part for source in sources(*SHIPPED, "infra", "tests") for part in source.module.split(".")}
    assert named & NAMELESS == set()


def test_every_file_says_in_a_sentence_what_it_is() -> None:
    silent = [source.module for source in sources(*SHIPPED) if source.tree.body and not ast.get_docstring(source.tree)]
    assert silent == []


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@cache
def orders() -> tuple[tuple[str, dict[str, int]], ...]:
    """The import rule of docs/architecture.md: for each folder the rank of each name in it; a higher one may import."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    [block] = re.findall(r"```imports\n(.*?)```", page, flags=re.DOTALL)
    return tuple(
        (".".join(folder.relative_to(ROOT).parts), ranked(order))
        for pattern, _, order in (line.partition(" ") for line in block.splitlines())
        for folder in ([ROOT] if pattern == "." else ROOT.glob(pattern))
        if folder.is_dir() and folder.name != "__pycache__"
    )


def ranked(order: str) -> dict[str, int]:
    return {name.strip(): rank for rank, tier in enumerate(reversed(order.split(">"))) for name in tier.split(",")}


def may_import(module: str, name: str, folder: str, ranks: dict[str, int]) -> bool:
    here, there = inside(module, folder), inside(name, folder)
    if not here or not there or here == there:
        return True
    mine, others = ranks.get(here, ranks.get("*")), ranks.get(there, ranks.get("*"))
    if mine is None or others is None:
        return not folder  # at the top whatever else there is stands in a distribution of its own
    return mine > others or (mine == others == ranks.get("*"))


def inside(name: str, folder: str) -> str:
    """The first part of a dotted name below `folder`; "" where it is not below it."""
    if not folder:
        return name.partition(".")[0]
    return name.removeprefix(f"{folder}.").partition(".")[0] if name.startswith(f"{folder}.") else ""


def owner(name: str, modules: set[str]) -> str | None:
    """The module that `name` lives in: itself, or the one that defines it."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules else None


def pure() -> list[Source]:
    """The files that promise purity by their name, and everything of ours that they rest on."""
    every = {source.module: source for source in sources(*SHIPPED)}
    reached = {
        module: source
        for module, source in every.items()
        if (source.path.name in PURE_FILES and under(module, "workers"))
        or any(source.path.is_relative_to(ROOT / folder) for folder in PURE_FOLDERS)
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
