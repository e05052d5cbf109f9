"""docs/reference.md is what the code says, and every grave event and every metric has its line."""

from fleet.dev.environments import PROJECT
from fleet.dev.reference import advice
from fleet.dev.reference.events import events, metrics
from fleet.dev.reference.page import PAGE, page
from workers import roster


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m fleet.dev.reference.page`"


def test_every_grave_event_and_every_metric_says_what_it_means_and_none_is_told_of_that_is_gone() -> None:
    assert {each.name for each in events(PROJECT) if each.level != "info"} == {*advice.EVENTS}
    assert {each.name for each in metrics(PROJECT)} == {*advice.METRICS}


def test_every_variable_of_a_worker_says_what_it_is_for() -> None:
    for name in roster.WORKERS:
        told = {
            field
            for model in roster.app(name).settings
            for field, info in model.model_fields.items()
            if info.description
        }
        assert told == {field for model in roster.app(name).settings for field in model.model_fields}, name
