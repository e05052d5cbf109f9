"""The keys that hide personal data, as a variable holds them and as Secrets Manager generates them."""

import json

import pytest

from workers.audit_archive.redaction.keys import hash_keys

ONE = "A" * 64
TWO = "B" * 64


def test_a_json_object_holds_the_same_keys_in_its_order() -> None:
    assert [key.id for key in hash_keys(json.dumps({"k2": ONE, "k1": TWO}))] == ["k2", "k1"]
    assert hash_keys(json.dumps({"k1": ONE})) == hash_keys(f"k1:{ONE}")


def test_an_object_that_holds_no_keys_is_refused_without_a_quote() -> None:
    for wrong in ("{", '{"k1": 3}', '{"k1": "AAAA"}', f'{{"k1": "{ONE}", "k1": "{ONE}"}}', "{}", '{"key":' * 9_000):
        with pytest.raises(ValueError, match="key") as refused:
            hash_keys(wrong)
        assert "AAAA" not in str(refused.value)
