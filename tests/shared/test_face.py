"""What `from shared import ...` gives, and what it costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import shared

PAGE = Path(shared.__file__)


def test_every_name_of_the_face_is_found_where_it_lives() -> None:
    for name in shared.__all__:
        assert getattr(shared, name) is getattr(import_module(shared._HOMES[name]), name)


def test_the_face_says_the_same_three_times() -> None:
    tree = ast.parse(PAGE.read_text())
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("shared.")
        for alias in node.names
    }
    assert typed == shared._HOMES
    assert sorted(typed) == sorted(shared.__all__)


def test_a_name_that_is_not_there_is_refused_as_any_module_refuses_it() -> None:
    with pytest.raises(AttributeError, match="module 'shared' has no attribute 'Nothing'"):
        _ = shared.Nothing  # type: ignore[attr-defined]


def test_importing_the_face_and_what_a_decoder_needs_brings_no_client_with_it() -> None:
    code = (
        "import sys, shared; from shared import Delivery, Reject, Worker;"
        "print([name for name in ('aiobotocore', 'botocore', 'aiohttp', 'shared.clients') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=PAGE.parents[1]).strip() == "[]"
