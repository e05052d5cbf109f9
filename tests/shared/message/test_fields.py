"""What a value says of its fields holds, also where nobody checked the types of the code that made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

import pytest
from pydantic import AwareDatetime, BaseModel, Field, ValidationError, field_validator

from shared.message.fields import mistyped
from shared.settings import in_words


class Terms(TypedDict, total=False):
    names: tuple[str, ...]
    rate: float | None


@dataclass(frozen=True, slots=True)
class Wanted:
    names: tuple[str, ...] = ()
    pairs: tuple[tuple[str, int], ...] = ()
    kind: Literal["a", "b"] = "a"
    count: int = 0
    rate: float | None = None
    sure: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


RIGHT: list[dict[str, Any]] = [
    {},
    {"names": ["a", "b"], "pairs": [["a", 1], ("b", 2)], "kind": "b", "count": -1, "rate": 1, "sure": True},
    {"rate": 1.5, "more": {"a": object()}, "terms": {"names": ()}},
]


def of(name: str, *values: Any) -> list[tuple[str, Any]]:
    return [(name, each) for each in values]


WRONG: list[tuple[str, Any]] = [
    *of("names", *("ab", None, (1,), {"a"}, b"ab", 7)),
    *of("pairs", *((("a",),), (("a", "1"),), (("a", True),), {"a": 1})),
    ("kind", None),
    ("kind", ["a"]),
    ("kind", 1),
    *of("count", *(1.0, "1", True, None)),
    *of("rate", *("1", True)),
    *of("sure", *(1, "true", None)),
    *of("more", *({1: 2}, [], None, "a")),
    ("terms", "a"),
    ("at", "2026-01-01"),
]


@pytest.mark.parametrize("given", RIGHT)
def test_what_holds_its_types_has_no_fault(given: dict[str, Any]) -> None:
    assert mistyped(Wanted, Wanted(**given)) is None


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_the_field_of_another_type_is_named_with_its_annotation(name: str, value: Any) -> None:
    found = mistyped(Wanted, Wanted(**{name: value}))
    assert found is not None
    assert found[0] == name


def test_of_a_mapping_what_is_given_is_looked_at() -> None:
    assert mistyped(Terms, {"names": ("a",)}) is None
    assert mistyped(Terms, {"rate": None, "names": "a"}) == ("names", "tuple[str, ...]")


class Refusing(BaseModel):
    status: Literal["PENDING", "SENT"] = "SENT"
    count: int = Field(default=1, ge=1, lt=10)
    names: list[str] = Field(default=[], max_length=2)
    at: AwareDatetime | None = None
    own: str = ""

    @field_validator("own")
    @classmethod
    def _no_text(cls, given: str) -> str:
        raise ValueError(f"{given} is refused")


@pytest.mark.parametrize(
    ("field_", "given", "words"),
    [
        ("status", "canary", "must be 'PENDING' or 'SENT'"),
        ("count", 0, "must be at least 1"),
        ("count", 10, "must be less than 10"),
        ("count", "canary", "must be a whole number"),
        ("names", "canary", "must be a list"),
        ("names", ["canary"] * 3, "must have 2 entries or fewer"),
        ("at", "2026-11-21T09:00:00", "must be a time with its offset from UTC"),
        ("own", "canary", "cannot be so"),
    ],
)
def test_what_pydantic_refuses_is_told_in_our_words_and_never_by_what_was_given(
    field_: str, given: object, words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Refusing.model_validate({field_: given})
    assert [in_words(fault) for fault in refused.value.errors(include_url=False, include_input=False)] == [words]
