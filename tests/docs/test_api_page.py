"""docs/api.md is what the source says, and has every name that is to be imported."""

from tests.docs.api_page import FACES, PAGE, found, names, page


def test_the_page_is_what_the_source_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "`python -m tests.docs.api_page` writes it anew"


def test_every_name_of_every_face_has_its_entry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for face in FACES:
        section = text.partition(f"## `{face}`\n")[2].partition("\n## ")[0]
        assert [name for name in names(face) if f"### {name}\n" not in section] == [], face
        assert len(names(face)) > 5


def test_a_name_is_found_where_it_is_defined() -> None:
    assert found("shared", "Worker").node.lineno > 1
    assert "frozen" not in found("workers.webhook_delivery.client", "Kind").words
