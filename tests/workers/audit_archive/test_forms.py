"""Personal data in every form that people write it in: none of it is archived in clear, and what is not personal stays."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.settings import SettingsError, read_settings
from tests.traced import allowed
from tests.workers.audit_archive.fakes import HIDE, KEY, REDACTOR, hide_with, record
from workers.audit_archive.app import AuditSettings
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.redaction.personal import Names
from workers.audit_archive.redaction.public import public_fields
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.rules import audit_row

NAMED = {
    "reporterName": "Anna Kowalska", "passportNo": "C01X00T47", "wsToken": "tok-9f2c", "square_id": "JDKYHBWT1D4F8MFH63",
    "phone_work": "555 01 99", "guest_ids": "G-77", "dateOfBirth": "1979-05-12", "home_address": "Lindenweg 4", "lastName2": "Kowal",
    "vatNumber": "PL5261040828", "push_tokens": "abcdef", "userPasswd": "hunter2!",
    "privateKey": "4d5e6f", "aws_secret_key": "wJalrXUtn", "Vorname": "Annegret", "téléphone": "40 17 22", "apellidos": "García", "фамилия": "Иванова",
    "電話番号": "12-34", "nationalId": "PZ-4417", "prénom": "Amélie", "geburtsdatum": "12. Mai 1979",
    "lieferadresse": "Lindenweg 4", "rechnungsAnschrift": "Am Hang 9", "telefonPrivat": "555 01", "nombreCompleto": "Álvarez", "고객이름": "홍길동", "номерТелефона": "12-35",
    "اسم": "فاطمة", "שם": "רבקה", "όνομα": "Μαρία",
}  # fmt: skip
"""By its name alone."""

LOOKS = [
    "anna@example.com", "o'neil.anna+shop@mail.example.co.uk", "+49 170 1234567", "+1 (415) 555-2671", "0049 170 1234567",
    "00491701234567", "0170 1234567", "030/9012345", "(089) 1234567", "(415) 555-2671", "415-555-2671", "078-05-1120",
    "DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "4111 1111 1111 1111", "5555555555554444", "203.0.113.77",
    "2001:db8:85a3::8a2e:370:7334", "::ffff:203.0.113.9", "3c:22:fb:12:ab:9f", "Bearer abcDEF123456ghiJKL",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "+49\u00a0170\u00a01234567", "+33\u202f6\u202f12\u202f34\u202f56\u202f78", "+49\u2011170\u20111234567", "06\u00a012\u00a034\u00a056\u00a078",
    "０９０－１２３４－５６７８", "٠١٠١٢٣٤٥٦٧٨", "＋49 170 1234567", "anna＠example.com", "anna%2540example.com", "anna&#64;example.com",  # noqa: RUF001
    "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "4111.1111.1111.1111", "2223003122003222", "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
    "sk-proj-abcdefghijklmnopqrstuvwxyz", "npm_abcdefghijklmnopqrstuvwxyz0123456789", "ftp://anna:s3cret@files", "secret_key=wJalrXUtnFEMI",
    'name="Anna Kowalska"', 'message="name=Kowalska"', "<ns:lastName lang='pl'>Kowalska</ns:lastName>", "imię='Anna Kowalska'",
    "whsec_C2FtcGxlc2VjcmV0", "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]", "xoxb-123456789012-abcdefghijkl", "anna%40example.com",
]  # fmt: skip
"""By its look, wherever it stands."""

PLAIN = [
    "2026-11-21T09:00:00Z", "01.12.2026 10:20", "550e8400-e29b-41d4-a716-446655440000", "session-uploads/s-7f3a/a.jpg",
    "arn:aws:dynamodb:eu-central-1:012345678901:table/t", "1795262400000", "0055AED6DCD90281E5", "order 4711", "12:34:56", "v10.2.0",
    "aGVsbG8gd29ybGQgaGVsbG8=", "00000000000000000000000000000042", "a::b", "1.5e-3", "https://a.example/x?page=2",
]  # fmt: skip


WRITTEN = {
    "phone:01701234567": "01701234567", "tel:00491701234567": "1701234567", "0170 1234567,0171 7654321": "7654321", "0170 1234567/0171 7654321": "7654321",
    "011 49 170 1234567": "1234567", "ip:203.0.113.77": "203.0.113.77", "from:2001:db8:85a3::8a2e:370:7334": "8a2e:370", "redis://:s3cretpw@db/0": "s3cretpw",
    '"anna muster"@example.com': "anna muster", "anna&commat;example.com": "anna&commat", "name: Kowalska\nsize: 4": "Kowalska", "password = hunter2": "hunter2",
    "SET last_name = 'Kowalska' WHERE id = 4": "Kowalska", '{name: "Kowalska", n: 4}': "Kowalska", "Cookie: sid=abc123def\r\nHost: a": "abc123def",
    "message: name: Kowalska": "Kowalska", "Authorization: Token 9f8e7d6c": "9f8e7d6c", "<name><![CDATA[Kowalska]]></name>": "Kowalska",
    "guest%5Bname%5D=Kowalska&x=1": "Kowalska", "https://a.example/?d=%7B%22firstName%22%3A%22Kowalska%22%7D": "Kowalska",
    "MDE3MDEyMzQ1Njc=": "MDE3MDEyMzQ1Njc", "id=YUBiLmV4YW1wbGU=": "YUBiLmV4YW1wbGU",
    "https://a.example/?d=eyJuYW1lIjoiS293YWxza2EifQ": "eyJuYW1lIjoi",
}  # fmt: skip
"""As settings, headers, lists and encodings have it, with what must not be left of it."""


def encoded(value: str) -> str:
    return base64.b64encode(json.dumps({"who": {"email": "x", "note": value}}).encode()).decode()


def items() -> Iterator[tuple[dict[str, Any], str]]:
    """Items, each with the text that must not be found in its row."""
    number = 0
    while True:
        for value in LOOKS:
            number += 1
            forms: list[dict[str, Any]] = [
                {"note": {"S": f"call {value}, please"}},
                {"deep": {"M": {"list": {"L": [{"S": value}]}}}},
                {"text": {"S": json.dumps({"inner": json.dumps([value])})}},
                {"raw": {"B": base64.b64encode(f"is {value} here".encode()).decode()}},
                {"blob": {"S": encoded(value)}},
                {f"key {value}": {"S": "x"}},
                {"set": {"SS": ["a", value]}},
            ]
            yield forms[number % 7], encoded(value) if number % 7 == 4 else value
        for name, value in NAMED.items():
            number += 1
            named: list[dict[str, Any]] = [
                {name: {"S": value}},
                {"deep": {"M": {name: {"L": [{"S": value}]}}}},
                {"text": {"S": json.dumps({name: value})}},
            ]
            yield named[number % 3], value


@pytest.mark.parametrize("records", [280, pytest.param(10_000, marks=pytest.mark.slow)])
def test_records_of_forty_forms_in_ten_places_hold_none_of_it_in_clear(records: int) -> None:
    assert len(NAMED) + len(LOOKS) >= 40
    source, seen = items(), set()
    for number in range(records):
        item, raw = next(source)
        line = audit_row(record(f"e{number}", new=item), hide=HIDE).line.decode()
        assert raw not in line
        assert json.dumps(raw)[1:-1] not in line
        assert "hmac:k1:" in line
        seen.add(raw)
    assert len(seen) >= 40


@pytest.mark.parametrize("text", WRITTEN)
def test_what_settings_headers_and_encodings_say_is_hidden(text: str) -> None:
    item: dict[str, Any] = {"note": {"S": text}, "deep": {"M": {"doc": {"S": json.dumps({"said": text})}}}}
    assert WRITTEN[text] not in json.dumps(REDACTOR.image(item)[0])


def test_names_of_maps_below_a_personal_one_are_hidden_unless_they_are_plain_words() -> None:
    item: dict[str, Any] = {
        "guests": {"M": {"Anna Kowalska": {"N": "1"}}},
        "customerIds": {"M": {"C-4711": {"N": "1"}}},
        "text": {"S": '{"guests":{"A. Kowalska":1}}'},
    }
    hidden = json.dumps(REDACTOR.image(item)[0])
    assert [raw for raw in ("Kowalska", "4711") if raw in hidden] == []
    address = REDACTOR.image({"address": {"M": {"line1": {"S": "x"}, "postal_code": {"S": "y"}}}})[0]["address"]
    assert [*address["M"]] == ["line1", "postal_code"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x82\xa4note\xb0anna@example.com\xff",
        "Gruß von Frau Müller, anna@example.com".encode("latin-1"),
        "anna@example.com".encode("utf-16"),
        b"\0" * 8 + b"+49 170 1234567" + b"\xfe",
    ],
)
def test_bytes_that_are_no_text_are_looked_through_for_the_texts_in_them(content: bytes) -> None:
    in_base64 = base64.b64encode(content).decode()
    in_lines = base64.encodebytes(b"x" * 50 + content + b"y" * 60).decode()
    for value in ({"B": in_base64}, {"BS": [in_base64]}, {"S": in_base64}, {"S": f"see {in_lines}"}):
        assert "hmac:k1:" in json.dumps(REDACTOR.image({"note": value})[0]), value


def test_bytes_that_hold_no_text_stay_as_they_are() -> None:
    for seed in range(20):
        content = b"".join(hashlib.sha256(f"{seed}/{number}".encode()).digest() for number in range(1000))
        item = {"raw": {"B": base64.b64encode(content).decode()}}
        assert REDACTOR.image(item) == (item, 0)


def test_what_is_no_personal_datum_stays_as_it_is() -> None:
    for value in PLAIN:
        item = {"note": {"S": value}, "bucketName": {"S": "b"}, "tokenCount": {"N": "3"}, "emailStatus": {"S": "SENT"}}
        assert REDACTOR.image(item) == (item, 0), value


def test_where_a_table_declares_what_is_public_all_else_is_hashed() -> None:
    strict = Redactor(KEY, Names(), public_fields("sessions: sessionId, status, meta.size ,email; webhooks:pk"))
    item: dict[str, Any] = {
        "sessionId": {"S": "s-1"},
        "status": {"S": "for anna@example.com"},
        "comment": {"S": "the tall man at the desk"},
        "room": {"N": "12"},
        "isPaid": {"BOOL": True},
        "email": {"S": "a@b.example"},
        "tags": {"SS": ["x"]},
        "meta": {"M": {"size": {"N": "5"}, "Anna": {"M": {"size": {"S": "tall"}}}}},
    }
    hidden, _ = strict.image(item, "sessions")
    shown = {"sessionId": {"S": "s-1"}, "isPaid": {"BOOL": True}}
    assert {name: hidden[name] for name in shown} == shown
    assert hidden["meta"]["M"]["size"] == {"N": "5"}
    text = json.dumps(hidden)
    assert [raw for raw in ("anna@", "tall", "a@b", '"x"', "Anna") if raw in text] == []
    assert hidden["room"]["S"].startswith("hmac:k1:")
    assert hidden["status"]["S"].startswith("for hmac:k1:")
    assert json.dumps(strict.image(item, "another")[0]).count("hmac:") == 11
    same = Redactor(KEY, Names()).image({"guest": {"S": "s-1"}})[0]["guest"]
    assert strict.image({"sessionId": {"S": "s-1"}}, "another")[0]["sessionId"] == same


def shapes(word: str) -> dict[str, Any]:
    """One word that no list knows, in every place of an item that holds text."""
    in_base64 = base64.b64encode(word.encode()).decode()
    return {
        "text": {"S": f"says {word}"},
        "set": {"SS": [word, f"{word} again"]},
        "raw": {"B": in_base64},
        "raws": {"BS": [in_base64]},
        "list": {"L": [{"S": word}, {"L": [{"M": {"inner": {"S": word}}}]}]},
        "map": {"M": {word: {"S": "x"}, "status": {"S": word}}},
        "json": {"S": json.dumps({word: [word]})},
    }


@pytest.mark.parametrize("records", [50, pytest.param(10_000, marks=pytest.mark.slow)])
def test_where_the_schema_is_declared_no_word_of_any_place_is_in_clear_but_the_public_ones(records: int) -> None:
    strict = Redactor(KEY, Names(), public_fields("fleet-sessions-dev:sessionId,status"))
    for number in range(records):
        word = f"quillon{number:05}"
        item = {"sessionId": {"S": f"s-{number}"}, "status": {"S": "OPEN"}, **shapes(word)}
        line = audit_row(record(f"e{number}", new=item), hide=hide_with(strict)).line.decode()
        assert word not in line
        assert base64.b64encode(word.encode()).decode() not in line
        assert f'"s-{number}"' in line


def test_a_look_takes_a_long_texts_time_and_not_its_square() -> None:
    started = time.process_time()
    for piece in (
        "0",
        "1.",
        "ab:",
        "AB12 ",
        "eyJa.",
        "(0",
        "bearer ",
        "-----BEGIN ",
        "4111-",
        "QUJD",
        "::",
        "DE89",
        "00 1",
        "<a>",
        "<a b",
        '"a="',
        "a='\"",
        "://a:b",
        "QUJD" * 18 + "\n",
        "sk-a",
        "\u00a00",
    ):
        REDACTOR.image({"note": {"S": piece * (20_000 // len(piece))}})
    assert time.process_time() - started < allowed(1.5)


def test_a_declaration_that_is_none_is_named() -> None:
    for wrong, why in (
        ("sessions", "table 1 is not of the form table:name,name"),
        ("a b:x", "table 1 is not of the form"),
        ("sessions:a b", "table 1 declares a name that is none"),
    ):
        with pytest.raises(SettingsError, match=f"AUDIT_PUBLIC_FIELDS: .*{why}"):
            read_settings(AuditSettings, {"AUDIT_PUBLIC_FIELDS": wrong})


def test_a_text_that_came_before_is_hidden_and_counted_as_the_first_time() -> None:
    redactor = Redactor(KEY, Names())
    item = {"note": {"S": "call +49 170 1234567"}, "plain": {"S": "UPLOADED"}}
    first = redactor.image(item)
    assert first[1] == 1
    assert redactor.image(item) == first
    assert Redactor(HashKey("k2", b"2" * 32), Names()).image(item)[0] != first[0]
