"""`v1a`: ed25519, alone and in chains with `v1`."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.webhook_delivery.fakes import PRIVATE_KEY, PUBLIC_KEY, SECRET
from workers.webhook_delivery.signing import PrivateKey, SecretError, SignatureError, new_key, sign, signing_key, verify

ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
TOKEN_A = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
TOKEN_C = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
VECTORS = {
    BODY: TOKEN_C,
    b"": "v1a,B7QTtBWn3FCmEgaIAxfHcTQsVTvrObbZrn2ZpDIJT+aUREdLmLcUDsy+BgzSHOSWZ5c+W5sPYk5UnuCxv79UCQ==",
    '{"é":"☃"}'.encode(): "v1a,7XeciaWUTk/c4ZQShGFDndmCKpq6O7/biHpIdkmkNvnY8fO0KpFgn5RT42k/LGejK8GZxeiRQaZpiDFCLodJAw==",
    b"\xff\xfe\x00\x01": "v1a,bawcEvzHDRPGaBGR2uCXQARzL+ALMZApGYPQG1f+cNfh2s7/1YK/f0fFIwyhRrLTN8khPUwEFHu2W5dLEnyDCw==",
}


def headers(signature: str) -> dict[str, str]:
    return {"webhook-id": ID, "webhook-timestamp": str(AT), "webhook-signature": signature}


def test_the_published_vectors_are_signed_and_verified_with_the_public_key() -> None:
    for body, token in VECTORS.items():
        assert sign([signing_key(PRIVATE_KEY)], message_id=ID, timestamp=AT, body=body) == token
        for key in (PUBLIC_KEY, PRIVATE_KEY):
            verify([key], headers(token), body, now=AT)
        with pytest.raises(SignatureError):
            verify([PUBLIC_KEY], headers(token), body + b" ", now=AT)


def test_a_chain_of_both_kinds_is_one_header_that_each_key_verifies() -> None:
    chain = sign([signing_key(PRIVATE_KEY), signing_key(SECRET)], message_id=ID, timestamp=AT, body=BODY)
    assert chain == f"{TOKEN_C} {TOKEN_A}"
    three = sign([signing_key(SECRET), PrivateKey.read(new_key("v1a")), signing_key(PRIVATE_KEY)], message_id=ID, timestamp=AT, body=BODY)  # fmt: skip
    for header in (chain, three):
        for key in (PUBLIC_KEY, SECRET):
            verify([key], headers(header), BODY, now=AT)
    with pytest.raises(SignatureError):
        verify([signing_key(new_key("v1a")), signing_key(new_key("v1"))], headers(three), BODY, now=AT)


def test_a_private_key_is_read_with_and_without_its_public_half_and_written_with_it() -> None:
    whole = base64.b64decode(PRIVATE_KEY.removeprefix("whsk_"))
    seed = "whsk_" + base64.b64encode(whole[:32]).decode()
    assert [PrivateKey.read(each).text() for each in (seed, PRIVATE_KEY)] == [PRIVATE_KEY] * 2
    assert PrivateKey.read(seed).public().text() == PUBLIC_KEY
    assert "6Xb" not in repr(PrivateKey.read(seed)) + str(PrivateKey.read(seed))


def test_a_key_that_is_none_is_refused() -> None:
    whole = base64.b64decode(PRIVATE_KEY.removeprefix("whsk_"))
    wrong_half = whole[:32] + bytes(32)
    for key in (b"", whole[:31], whole[:40], whole + b"x", wrong_half):
        with pytest.raises(SecretError):
            signing_key("whsk_" + base64.b64encode(key).decode())
    for text in (PUBLIC_KEY, "whsk_", "whsk_!", "whsec_" + base64.b64encode(bytes(23)).decode()):
        with pytest.raises(SecretError):
            signing_key(text)
    with pytest.raises(SecretError):
        verify(["whpk_" + base64.b64encode(bytes(31)).decode()], headers(TOKEN_C), BODY, now=AT)


@given(st.one_of(st.text(), st.builds("v1a,{}".format, st.text()), st.binary().map(lambda b: "v1a," + base64.b64encode(b).decode())))  # fmt: skip
def test_whatever_stands_in_the_header_nothing_but_a_signature_error_is_raised(signature: str) -> None:
    with pytest.raises(SignatureError):
        verify([PUBLIC_KEY], headers(signature), BODY, now=AT)
