import base64
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.webhook_delivery.signing import Secret, SecretError, SignatureError, sign, verify

KEY_A = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY_B = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
KEY_L = "whsec_TUdfVE5UMnZlci1TeWxOYXQtX1ZlTW1kLTRtMFdhYmEwanIxdHJvenRCbmlTQ2hFdzBnbHhFbWdFaTJLdzQwSA=="
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
TOKEN_A = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

VECTORS = {
    "A": (KEY_A, ID, AT, BODY, TOKEN_A),
    "B": (
        KEY_B,
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    "L": (KEY_L, ID, AT, BODY, "v1,qQ4BohQg4x0bisDZXDZS3z9xM+xMTDrsNp+Sm5q9YKI="),
    "E1": (KEY_A, ID, AT, b"", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="),
    "U1": (KEY_A, ID, AT, '{"é":"☃"}'.encode(), "v1,WKJ19kh8MXzvChTZyLDVaJzd/4JEdTdRxuTLy7o1qws="),
    "X1": (KEY_A, ID, AT, b"\xff\xfe\x00\x01", "v1,W7qjtYy0OS8D2qv5IwYEFRY3HRjC2noXdGSKRY1DGWs="),
    "M": (KEY_A, ID, AT, b'{"test":2432232314}', "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs="),
}


def headers(signature: str = TOKEN_A, message_id: str = ID, timestamp: str = str(AT)) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors_are_signed_and_verified(name: str) -> None:
    key, message_id, at, body, token = VECTORS[name]
    assert sign([Secret.read(key)], message_id=message_id, timestamp=at, body=body) == token
    verify([key], headers(token, message_id, str(at)), body, now=at)


def test_white_space_in_the_body_changes_the_signature() -> None:
    assert VECTORS["M"][4] != VECTORS["A"][4]


def test_old_keys_sign_beside_the_current_one_and_each_of_them_verifies() -> None:
    keys = [KEY_A, KEY_B, KEY_L, *(f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in range(10))]
    header = sign([Secret.read(key) for key in keys], message_id=ID, timestamp=AT, body=BODY)
    assert header.split(" ")[0] == TOKEN_A
    for key in keys:
        verify([key], headers(header), BODY, now=AT)


def test_a_receiver_in_rotation_verifies_with_any_of_its_keys() -> None:
    verify([KEY_B, KEY_L, KEY_A], headers(), BODY, now=AT)


def test_a_list_with_wrong_malformed_and_unknown_tokens_is_valid_if_one_token_fits() -> None:
    wrong = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    listed = f"v1,{wrong} v2,{wrong} v1 ,, v1,a,b  v1,%% v1,\u2603 {TOKEN_A} v1,{wrong}"
    verify([KEY_A], headers(listed), BODY, now=AT)


def test_header_names_are_matched_in_any_case() -> None:
    verify([KEY_A], {name.title(): value for name, value in headers().items()}, BODY, now=AT)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_five_minutes_either_way_are_tolerated(off: int) -> None:
    verify([KEY_A], headers(), BODY, now=AT + off)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in headers().items() if key != name}


@pytest.mark.parametrize(
    ("given_headers", "now"),
    [
        (headers("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="), AT),
        (headers(TOKEN_A[:8]), AT),
        (headers(TOKEN_A.removeprefix("v1,")), AT),
        (headers(TOKEN_A.replace("v1", "v2")), AT),
        (headers("v1,"), AT),
        (headers(""), AT),
        (headers(timestamp="hello"), AT),
        (headers(timestamp="1614265330.5"), AT),
        (headers(timestamp="-1614265330"), AT),
        (headers(timestamp="٣"), AT),
        (headers(timestamp="9" * 5000), AT),
        (headers(message_id="msg.1"), AT),
        (headers(), AT - 301),
        (headers(), AT + 301),
        (without("webhook-id"), AT),
        (without("webhook-timestamp"), AT),
        (without("webhook-signature"), AT),
        ({}, AT),
    ],
)
def test_what_is_not_proven_is_a_signature_error(given_headers: Mapping[str, str], now: float) -> None:
    with pytest.raises(SignatureError):
        verify([KEY_A], given_headers, BODY, now=now)


def test_another_body_or_another_key_is_a_signature_error() -> None:
    with pytest.raises(SignatureError):
        verify([KEY_A], headers(), BODY + b" ", now=AT)
    with pytest.raises(SignatureError):
        verify([KEY_B], headers(), BODY, now=AT)


def encoded(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        b"",
        "whsec_",
        "whsec_====",
        encoded(23),
        encoded(65),
        encoded(3),
        KEY_A.removeprefix("whsec_"),
        KEY_A.replace("whsec_", "whsk_"),
        KEY_A.replace("whsec_", "WHSEC_"),
        KEY_A[:-1] + "!",
        KEY_A[:-1] + "-",
        KEY_A + "A",
        KEY_A + "\n",
        f" {KEY_A}",
        KEY_A + "==",
        KEY_L.removesuffix("="),
        "whsec_" + "é" * 32,
    ],
)
def test_a_malformed_secret_is_refused_and_not_quoted(text: str | bytes) -> None:
    with pytest.raises(SecretError) as caught:
        Secret.read(text)
    assert len(text) < 10 or str(text)[6:] not in str(caught.value)
    with pytest.raises(SignatureError):
        verify([text], headers(), BODY, now=AT)  # type: ignore[list-item]  # a receiver may hold bytes by mistake


@pytest.mark.parametrize("size", [24, 25, 26, 32, 64])
def test_a_secret_is_read_with_and_without_its_padding(size: int) -> None:
    assert Secret.read(encoded(size)) == Secret.read(encoded(size).rstrip("="))


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret.read(KEY_A)
    shown = f"{secret!r} {secret} {[secret]} {SignatureError(secret)}"
    assert "MfKQ" not in shown
    assert repr(secret.key) not in shown


def test_nothing_is_signed_without_a_secret_or_with_an_unfit_id() -> None:
    secret = Secret.read(KEY_A)
    with pytest.raises(SignatureError):
        sign([], message_id=ID, timestamp=AT, body=BODY)
    with pytest.raises(SignatureError):
        verify([], headers(), BODY, now=AT)
    for unfit in ("msg.1", "", "msg 1", "msg\r\nx: 1", "é", "m" * 257):
        with pytest.raises(SignatureError):
            sign([secret], message_id=unfit, timestamp=AT, body=BODY)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "Webhook-Timestamp", "webhook-signature", "x"]), st.text()),
    st.binary(),
    st.floats(allow_nan=True),
)
def test_verify_raises_nothing_but_its_own_error(given_headers: dict[str, str], body: bytes, now: float) -> None:
    with pytest.raises(SignatureError):
        verify([KEY_A], given_headers, body, now=now)


@given(st.text(st.characters(codec=None), max_size=200), st.binary(max_size=64))
def test_verify_takes_any_signature_header_for_what_it_is(signatures: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify([KEY_A], headers(signatures), body, now=AT)


@given(st.binary(min_size=24, max_size=64), st.binary(), st.integers(0, 10**12 - 1))
def test_what_is_signed_verifies(key: bytes, body: bytes, at: int) -> None:
    secret = Secret(key)
    signature = sign([secret], message_id="msg_1", timestamp=at, body=body)
    verify([secret], headers(signature, "msg_1", str(at)), body, now=at)
