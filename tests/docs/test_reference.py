"""docs/reference.md is what the code says, and every variable says what it is for."""

from fleet.dev.reference import PAGE, page
from workers import roster


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m fleet.dev.reference`"


def test_every_variable_of_a_worker_says_what_it_is_for() -> None:
    for name in roster.WORKERS:
        told = {
            field
            for model in roster.app(name).settings
            for field, info in model.model_fields.items()
            if info.description
        }
        assert told == {field for model in roster.app(name).settings for field in model.model_fields}, name
