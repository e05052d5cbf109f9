"""Personal data in every place where an item can hide it, and nothing else touched."""

import base64
import re
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.message.envelope import stream_record
from tests.traced import allowed
from tests.workers.audit_archive.fakes import HIDE, KEY, REDACTOR
from workers.audit_archive.redaction.keys import HashKey, hash_keys
from workers.audit_archive.redaction.personal import FIELDS, Names, names_within
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.rules import audit_row, canonical

EVENTS = Path(__file__).parents[2] / "events"

EMAIL, PHONE, NAME, GUEST = "anna.muster@example.org", "+491701234567", "Anna Muster", "guest-8841-xyz"
TOKEN, SECRET, SQUARE = "ExponentPushToken[abcDEF123]", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "JDKYHBWT1D4F8MF"
RAW = (
    "anna",
    "muster",
    "1701234567",
    "170 1234567",
    "8841",
    "abcdef123",
    "mfkq9r8",
    "jdkyhbwt",
    "anna%40",
    "203.0.113",
)


def s(text: str) -> dict[str, str]:
    return {"S": text}


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, dict[str, Any]] = {
    "a field of that name": {"email": s(EMAIL)},
    "another case": {"EMAIL": s(EMAIL)},
    "with underscores": {"first_name": s("Anna"), "Last-Name": s("Muster")},
    "with a prefix": {"guestEmail": s(EMAIL), "billing_address": s("Anna Muster, Example Road 1")},
    "a dotted name": {"customer.name": s(NAME)},
    "a number": {"phone": {"N": "491701234567"}},
    "in a map": {"data": {"M": {"guest": {"M": {"fullName": s(NAME)}}}}},
    "a map of that name": {"address": {"M": {"line": s("Anna's house"), "floor": {"N": "1701234567"}}}},
    "in a list of maps": {"guests": {"L": [{"M": {"guestId": s(GUEST)}}, {"M": {"squareCustomerId": s(SQUARE)}}]}},
    "a list of that name": {"tokens": {"L": [s(TOKEN), s("opaque-abcdef123")]}},
    "a string set": {"recipients": {"SS": [EMAIL, "Anna"]}},
    "a number set": {"phones": {"NS": ["491701234567"]}},
    "binary": {"name": {"B": in_base64(NAME)}},
    "a binary set": {"names": {"BS": [in_base64(NAME)]}},
    "JSON in a string": {
        "payload": s(orjson.dumps({"data": {"email": EMAIL, "n": [{"lastName": "Muster"}]}}).decode())
    },
    "JSON in JSON in a string": {"p": s(orjson.dumps({"in": orjson.dumps({"name": NAME}).decode()}).decode())},
    "JSON cut off": {"response": s('{"customer":{"name":"Anna","note":"Mus')},
    "JSON within a text": {"error": s('refused: {"name": "Anna Muster"}')},
    "JSON as a quoted string": {"p": s(orjson.dumps(orjson.dumps({"name": NAME}).decode()).decode())},
    "an e-mail in a text": {"note": s(f"write to {EMAIL}, please")},
    "a phone number in a text": {"note": s("call +49 170 1234567 or +49 (170) 123-4567")},
    "in a key": {"PK": s(f"USER#{EMAIL}"), "SK": s(f"PHONE#{PHONE}")},
    "a query string": {"url": s("https://example.org/in?email=anna%40example.org&name=Anna+Muster&page=2")},
    "user and password in a URL": {"url": s("https://x:anna-muster@example.org/")},
    "a push token in a text": {"note": s(f"sent to {TOKEN}.")},
    "a signing secret": {"secret": s(SECRET), "previousSecrets": {"L": [s(SECRET)]}},
    "a signing secret in a text": {"note": s(f"rotated {SECRET} away")},
    "a name of an attribute": {"seen": {"M": {EMAIL: {"BOOL": True}}}},
    "an e-mail in a string set": {"tags": {"SS": [EMAIL, "vip"]}},
    "text in binary": {"blob": {"B": in_base64(f'{{"email":"{EMAIL}"}}')}},
    "text in a binary set": {"blobs": {"BS": [in_base64("hello"), in_base64(EMAIL)]}},
    "escaped in JSON": {"p": s('{"note":"\\u0061nna.muster\\u0040example.org"}')},
    "an address on the network": {"ip": s("203.0.113.7"), "source_ip": s("203.0.113.8")},
    "a key twice in JSON": {"p": s('{"x":{"name":"Anna"},"x":1}')},
    "JSON of great depth": {"p": s("[" * 100 + '"anna.muster@example.org"' + "]" * 100)},
    "JSON beyond any depth": {"p": s("[" * 100_000 + '{"name":"Anna"}')},
}


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_personal_data_is_left_raw(form: str) -> None:
    hidden, _ = REDACTOR.image({"id": s("s-1"), "wrapped": {"L": [{"M": FORMS[form]}]}, **FORMS[form]})
    text = canonical(hidden).decode()
    assert not [raw for raw in RAW if raw in text.lower()]
    assert re.search(r"hmac:k1:[0-9a-f]{64}", text)
    assert hidden["id"] == s("s-1")


def test_every_listed_name_hides_its_value() -> None:
    names = [name.upper() for name in FIELDS]
    hidden = {name: REDACTOR.image({name: s("v")})[0][name]["S"] for name in names}
    assert {name: value for name, value in hidden.items() if not value.startswith("hmac:k1:")} == {}


@pytest.mark.parametrize(
    "image",
    [
        {"status": s("UPLOADED"), "createdAt": s("2026-11-21T10:00:00+01:00"), "wsConnectionId": s("L0SM9cOFvHcCIhw=")},
        {
            "PK": s("REMINDER#r-1"),
            "SK": s("AT#2026-11-21T09:00:00Z"),
            "timeZone": s("Europe/Berlin"),
            "n": {"N": "-1.50"},
        },
        {"uploadKey": s("session-uploads/s-1/a+b=c.jpg"), "etag": s('"d41d8cd98f00b204e9800998ecf8427e-12"')},
        {"text": s('{ "b": 1.10, "a": [1e400, null, true], "a": "x" }'), "quoted": s('"'), "brace": s("{not json}")},
        {
            "arn": s("arn:aws:sqs:us-east-1:000000000000:fleet-audit-dev"),
            "at": s("root@localhost"),
            "sum": s("1+2345=2346"),
        },
        {"blob": {"B": "/+8="}, "blobs": {"BS": ["AA=="]}, "set": {"SS": ["b", "a"]}, "ns": {"NS": ["2", "1"]}},
        {"gone": {"NULL": True}, "on": {"BOOL": False}, "none": {"L": []}, "empty": {"M": {}}, "blank": s("")},
        {"rule": s("FREQ=DAILY;COUNT=3"), "url": s("https://example.org/hook?page=2&order=asc"), "time": s("12:00")},
    ],
)
def test_what_is_not_personal_stays_as_it_was(image: dict[str, Any]) -> None:
    assert REDACTOR.image(image) == (image, 0)


def test_the_same_value_has_the_same_hash_wherever_it_stands() -> None:
    hidden, _ = REDACTOR.image(
        {
            "email": s(EMAIL),
            "guests": {"L": [{"M": {"contact_email": s(EMAIL)}}]},
            "to": {"SS": [EMAIL]},
            "note": s(EMAIL),
            "json": s(orjson.dumps({"email": EMAIL}).decode()),
            "url": s("https://example.org/?q=anna.muster%40example.org"),
        }
    )
    hashes = re.findall(r"hmac:k1:[0-9a-f]{64}", canonical(hidden).decode())
    assert len(hashes) == 6
    assert len(set(hashes)) == 1


@pytest.mark.parametrize("same", [("1", "1.0"), ("10", "1E1"), ("0.5", "5e-1"), ("0", "-0.00"), ("100", "1e+2")])
def test_the_same_number_has_the_same_hash_however_it_is_written(same: tuple[str, str]) -> None:
    one, other = (REDACTOR.image({"phone": {"N": number}})[0] for number in same)
    assert one == other


def test_different_values_and_types_have_different_hashes() -> None:
    values: list[dict[str, Any]] = [
        {"S": "1"},
        {"N": "1"},
        {"B": "MQ=="},
        {"S": ""},
        {"BOOL": True},
        {"BOOL": False},
        {"S": "true"},
        {"N": "10"},
    ]
    hashes = {REDACTOR.image({"email": value})[0]["email"]["S"] for value in values}
    assert len(hashes) == len(values)


def test_numbers_of_38_digits_that_differ_in_the_last_one_have_different_hashes() -> None:
    one, other = (REDACTOR.image({"phone": {"N": "1234567890" * 3 + f"1234567{last}"}})[0] for last in "89")
    assert one != other


def test_values_of_json_keep_their_types_in_their_hashes() -> None:
    text = '{"phone":[1.0,true,null,NaN,{"ext":2}],"page":[1.10,NaN,{}]}'
    hidden = orjson.loads(REDACTOR.image({"p": s(text)})[0]["p"]["S"].replace("NaN", "null"))
    number, flag, nothing, not_a_number, extension = hidden["phone"]
    assert number == REDACTOR.image({"phone": {"N": "1"}})[0]["phone"]["S"]
    assert flag == REDACTOR.image({"phone": {"BOOL": True}})[0]["phone"]["S"]
    assert nothing is None
    assert not_a_number.startswith("hmac:")
    assert extension["ext"].startswith("hmac:")
    assert hidden["page"] == [1.10, None, {}]


def test_a_number_beyond_all_measure_is_hashed_as_it_was_written() -> None:
    hidden, _ = REDACTOR.image({"p": s('{"phone":[1e99999999999999999999,1e99999999999999999998],"page":1e400}')})
    one, other = re.findall(r"hmac:k1:[0-9a-f]{64}", hidden["p"]["S"])
    assert one != other
    assert hidden["p"]["S"].endswith('"page":1e400}')


def test_what_only_its_look_gave_away_is_counted() -> None:
    _, by_name = REDACTOR.image({"email": s(EMAIL)})
    _, by_look = REDACTOR.image({"note": s(f"{EMAIL} {PHONE} {TOKEN}"), "b": {"B": in_base64(EMAIL)}, EMAIL: s("x")})
    assert (by_name, by_look) == (0, 5)


def test_a_null_stays_a_null() -> None:
    assert REDACTOR.image({"email": {"NULL": True}}) == ({"email": {"NULL": True}}, 0)


def test_hiding_twice_hides_no_more_of_what_was_found_by_its_look() -> None:
    once, _ = REDACTOR.image(FORMS["a query string"] | FORMS["in a key"] | FORMS["a phone number in a text"])
    assert REDACTOR.image(once) == (once, 0)


def test_names_of_our_own_extend_the_list() -> None:
    redactor = Redactor(KEY, Names(["Room_Number", "", "loyalty-id"]))
    hidden, _ = redactor.image({"roomNumber": s("12"), "LOYALTYID": s("x"), "room": s("12")})
    assert [hidden[name]["S"][:5] for name in hidden] == ["hmac:", "hmac:", "12"]


def test_a_name_is_remembered_but_not_without_end() -> None:
    names = Names()
    assert [names.personal(f"field{number}") for number in range(5000)] == [False] * 5000
    assert names.personal("email")
    assert len(names._known) <= 4096


def test_the_archived_line_of_a_reminder_and_an_endpoint_holds_nothing_personal() -> None:
    for name in ("stream-reminder-with-personal-data", "stream-webhook-endpoint-with-secrets"):
        row = audit_row(stream_record((EVENTS / f"{name}.json").read_text()), hide=HIDE)
        for raw in (b"anna", b"aaaaaaa", b"1701", b"JDKY", b"MfKQ", b"C2FV", b"abcdef"):
            assert raw not in row.line


@given(st.text(), st.text())
def test_no_text_makes_it_fall_and_an_e_mail_around_it_never_survives(before: str, after: str) -> None:
    text = f"{before} {EMAIL} {after}"
    hidden, found = REDACTOR.image({"note": s(text), "p": s(orjson.dumps([text]).decode())})
    assert EMAIL not in canonical(hidden).decode()
    assert found >= 2


def test_half_a_character_in_json_is_not_an_obstacle() -> None:
    hidden, _ = REDACTOR.image({"p": s('{"name":"\\ud800","note":"\\udfff"}')})
    assert orjson.loads(canonical(hidden))["p"]["S"].count("hmac:") == 1


@pytest.mark.parametrize(
    "text", ["a" * 400_000 + "@", "+1" * 200_000, "a=" * 200_000, '"a' * 200_000 + ":", "%40" * 130_000]
)
def test_a_long_text_takes_a_long_texts_time_and_not_its_square(text: str) -> None:
    started = time.process_time()
    REDACTOR.image({"note": s(text)})
    assert time.process_time() - started < allowed(5)


@pytest.mark.parametrize(
    "text", ["\\" * 200_000, '"a' + "\\" * 200_000, '"a"' + " " * 200_000, '"a\\' * 66_000, "'a " * 66_000]
)
def test_a_quoted_name_is_looked_for_in_a_long_texts_time(text: str) -> None:
    started = time.thread_time()
    assert not names_within(f"a: {text}", Names())
    assert time.thread_time() - started < allowed(0.2)


@pytest.mark.parametrize(
    "text", ['"email": 1', '\\"email\\" : 1', '\\\\\\"email\\\\\\":', "'e.mail':", '"a\\\\email":, "email\\":']
)
def test_a_personal_name_is_found_in_whatever_quotes_it(text: str) -> None:
    assert names_within(text, Names())


def test_keys_are_read_first_one_current() -> None:
    first, second = base64.b64encode(b"x" * 32).decode(), base64.b64encode(b"y" * 40).decode()
    assert hash_keys(f"new:{first}, old-1:{second}") == (HashKey("new", b"x" * 32), HashKey("old-1", b"y" * 40))


def test_a_key_never_shows_its_secret() -> None:
    assert "0123456789" not in repr(KEY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "key 1 is not of the form"),
        ("nocolon", "key 1 is not of the form"),
        ("bad id:eHg=", "key 1 is not of the form"),
        ("k1:c2hvcnQ=", "key 1 is not base64 of 32 bytes"),
        ("k1:topsecret!!", "key 1 is not base64 of 32 bytes"),
        (f"k1:{base64.b64encode(b'x' * 32).decode()},k1:{base64.b64encode(b'y' * 32).decode()}", "same id"),
    ],
)
def test_keys_that_are_none_are_refused_without_quoting_them(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        hash_keys(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_json_that_is_nested_too_deeply_in_a_string_is_hidden_whole(opens: str, closes: str) -> None:
    for levels in range(500, 1_200, 9):
        image, found = REDACTOR.image({"note": s(opens * levels + f'"{EMAIL}"' + closes * levels)})
        assert EMAIL not in str(image)
        assert found
