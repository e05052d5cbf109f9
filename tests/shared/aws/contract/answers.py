"""Odd answers of a service, down to the bytes: for each, whether the fast calls have botocore make all later ones."""

import gzip
import json
from dataclasses import dataclass
from typing import Any
from zlib import crc32


@dataclass(frozen=True)
class Odd:
    """`raw` as it goes over the wire; the server ends the connection after it, or only its own half, where that is said."""

    raw: bytes
    is_aside: bool = False
    ends: bool = False
    half: bool = False
    pieces: int = 1


def whole(body: bytes, *headers: str, status: str = "200 OK", length: str | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def headed(body: bytes, *headers: str, start: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([start, *headers]).encode("latin-1") + b"\r\n\r\n" + body


def chunks(body: bytes, size: int = 7, end: bytes = b"0\r\n\r\n") -> bytes:
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def refusal(status: str, content: Any, *headers: str) -> bytes:
    return whole(content if isinstance(content, bytes) else json.dumps(content).encode(), *headers, status=status)


def on_the_wire(good: bytes) -> dict[str, Odd]:
    """The usual body, carried in every way."""
    chunked, zipped = "Transfer-Encoding: chunked", gzip.compress(good)
    length = f"Content-Length: {len(good)}"
    return {
        "usual": Odd(whole(good)),
        "in pieces": Odd(whole(good), pieces=9),
        "names in capitals": Odd(headed(good, length.upper())),
        "no space after the colon": Odd(headed(good, length.replace(" ", ""))),
        "tabs around the length": Odd(headed(good, f"Content-Length:\t{len(good)}\t")),
        "connection: close": Odd(whole(good, "Connection: close"), ends=True),
        "connection:Close without end": Odd(whole(good, "Connection:Close")),
        "keep-alive": Odd(whole(good, "Connection: keep-alive", "Keep-Alive: timeout=5")),
        "ends without a word": Odd(whole(good), ends=True),
        "half-closed": Odd(whole(good), half=True),
        "right crc32": Odd(whole(good, f"x-amz-crc32: {crc32(good)}")),
        "wrong crc32": Odd(whole(good, "x-amz-crc32: 7")),
        "ninety small headers": Odd(whole(good, *(f"x-{each}: y" for each in range(90)))),
        "chunked": Odd(headed(chunks(good), chunked), is_aside=True),
        "chunked in pieces": Odd(headed(chunks(good), chunked), is_aside=True, pieces=20),
        "chunked with a trailer": Odd(headed(chunks(good, end=b"0\r\nx: y\r\n\r\n"), chunked), is_aside=True),
        "chunked with an extension": Odd(
            headed(b"%x;a=b\r\n" % len(good) + good + b"\r\n0\r\n\r\n", chunked), is_aside=True
        ),
        "chunked, cut": Odd(headed(chunks(good)[:-9], chunked), ends=True),
        "chunked, wrong size": Odd(headed(b"zz\r\n" + good, chunked), ends=True),
        "chunked and a length": Odd(headed(chunks(good), chunked, f"Content-Length: {len(chunks(good))}"), ends=True),
        "to the end of the connection": Odd(headed(good), is_aside=True, ends=True),
        "gzip": Odd(whole(zipped, "Content-Encoding: gzip")),
        "gzip, chunked": Odd(headed(chunks(zipped), chunked, "Content-Encoding: gzip")),
        "identity": Odd(whole(good, "Content-Encoding: identity"), is_aside=True),
        "HTTP/1.0": Odd(headed(good, length, start="HTTP/1.0 200 OK"), is_aside=True, ends=True),
        "no reason": Odd(headed(good, length, start="HTTP/1.1 200"), is_aside=True),
        "100 first": Odd(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(good), is_aside=True),
        "102 and 103 first": Odd(
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole(good), is_aside=True
        ),
        "101": Odd(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", ends=True),
        "cut head": Odd(whole(good)[:20], ends=True),
        "cut body": Odd(whole(good)[:-3], ends=True),
        "nothing": Odd(b"", ends=True),
        "longer than it says": Odd(whole(good, length=str(len(good) - 5))),
        "shorter than it says": Odd(whole(good, length=str(len(good) + 5)), ends=True),
        "two lengths": Odd(whole(good, length), ends=True),
        "two lengths that differ": Odd(whole(good, "Content-Length: 3"), ends=True),
        "length with a sign": Odd(whole(good, length=f"+{len(good)}"), ends=True),
        "length below nothing": Odd(whole(good, length="-1"), ends=True),
        "length in words": Odd(whole(good, length="many"), ends=True),
        "no HTTP": Odd(b"<html>" + good, ends=True),
        "no HTTP at all": Odd(b"\x16\x03\x01\x02\x00", ends=True),
        "HTTP/3.7": Odd(headed(good, length, start="HTTP/3.7 200 OK"), ends=True),
        "status in words": Odd(headed(good, length, start="HTTP/1.1 fine OK"), ends=True),
        "header without a colon": Odd(whole(good, "what is this"), ends=True),
        "space before the colon": Odd(whole(good, "x : y"), ends=True),
        "folded header": Odd(whole(good, "x: y", " z"), is_aside=True),
        "nul in a header": Odd(whole(good, "x: \0"), ends=True),
        "huge header": Odd(whole(good, "x: " + "y" * 20_000), ends=True),
        "endless head": Odd(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, ends=True),
        "too many headers": Odd(whole(good, *(f"x-{each}: y" for each in range(300))), ends=True),
        "line feeds alone": Odd(whole(good).replace(b"\r\n", b"\n"), is_aside=True),
    }


def statuses(good: bytes) -> dict[str, Odd]:
    """Other statuses, with and without a code by which an error is known."""
    aws = "com.amazonaws.sqs#"
    query = "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"
    error = {"__type": f"{aws}QueueDoesNotExist", "message": "no"}
    html = b"<html>Bad Gateway</html>"
    codes = (
        "ThrottlingException", "RequestThrottled", "ProvisionedThroughputExceededException", "ExpiredTokenException",
        "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", "AccessDeniedException", "Unheard",
    )  # fmt: skip
    date = "Date: Thu, 01 Jan 2037 00:00:00 GMT"
    return {
        "201": Odd(whole(good, status="201 Created"), is_aside=True),
        "202 in HTML": Odd(whole(html, status="202 Accepted")),
        "204": Odd(headed(b"", start="HTTP/1.1 204 No Content")),
        "204 with a length": Odd(headed(b"", "Content-Length: 9", start="HTTP/1.1 204 No Content")),
        "200, empty": Odd(whole(b"")),
        "200, empty to the end": Odd(headed(b""), ends=True),
        "301": Odd(whole(b"", "Location: /elsewhere", status="301 Moved Permanently")),
        "307": Odd(whole(html, "Location: /elsewhere", status="307 Temporary Redirect")),
        "301 by its old name": Odd(whole(b"", "URI: /elsewhere", status="301 Moved Permanently")),
        "307 in a circle": Odd(whole(html, "Location: /", status="307 Temporary Redirect")),
        "301 to nowhere": Odd(whole(html, status="301 Moved Permanently")),
        "304": Odd(headed(b"", start="HTTP/1.1 304 Not Modified")),
        **{
            f"{code} {status[:3]}": Odd(refusal(status, {"__type": code, "message": "no"}, date))
            for code, status in [(code, "400 Bad Request") for code in codes]
            + [("ThrottlingException", "429 Too Many Requests")]
        },
        "400, no code": Odd(refusal("400 Bad Request", {})),
        "400, empty": Odd(refusal("400 Bad Request", b"")),
        "400, a list": Odd(refusal("400 Bad Request", [1])),
        "400, null": Odd(refusal("400 Bad Request", b"null")),
        "400, cut": Odd(refusal("400 Bad Request", b'{"__type": "Thr')),
        "400, code by header": Odd(refusal("400 Bad Request", {}, "x-amzn-errortype: ThrottlingException:http://x")),
        "400, lower-case code": Odd(refusal("400 Bad Request", {"code": "RequestThrottled", "Message": "no"})),
        "400, query error": Odd(refusal("400 Bad Request", error, query)),
        "400, odd query error": Odd(refusal("400 Bad Request", error, "x-amzn-query-error: what")),
        "400, chunked": Odd(
            headed(chunks(json.dumps(error).encode()), "Transfer-Encoding: chunked", start="HTTP/1.1 400 Bad Request")
        ),
        "403, HTML": Odd(refusal("403 Forbidden", html)),
        "410": Odd(refusal("410 Gone", {"message": "no"}, "x-amzn-ErrorType: GoneException")),
        "404, empty": Odd(refusal("404 Not Found", b"")),
        "413, to the end": Odd(headed(html, start="HTTP/1.1 413 Too Large"), ends=True),
        "418": Odd(refusal("418 I'm a teapot", html)),
        "500": Odd(refusal("500 Internal Server Error", {"__type": "InternalFailure"})),
        "500, empty": Odd(refusal("500 Internal Server Error", b"")),
        "502, HTML": Odd(refusal("502 Bad Gateway", html)),
        "503, to the end": Odd(headed(html, "Connection: close", start="HTTP/1.1 503 Slow Down"), ends=True),
        "504, cut": Odd(refusal("504 Gateway Timeout", html)[:-5], ends=True),
        "999": Odd(refusal("999 Nobody Knows", html)),
    }


def bodies(good: bytes) -> dict[str, Odd]:
    """A 200 whose body is something else. Where it is JSON, botocore finds something in it, or an empty answer."""
    found = json.loads(good)
    name = next(iter(found))
    plain = {
        "{}": b"{}", "unknown member": json.dumps({**found, "Else": [None]}).encode(), "null member": json.dumps({name: None}).encode(),
        "null in the unknown": b'{"Else": null}', "spaces": b" \r\n" + good + b"\n", "member twice": b'{"Else": 1, "Else": 2, ' + good[1:],
        "HTML": b"<html>503</html>", "cut JSON": good[:-2], "two documents": good + good, "a byte order mark": b"\xef\xbb\xbf" + good,
        "deep": b'{"Else": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not UTF-8": good[:-1] + b', "Else": "\xff"}',
    }  # fmt: skip
    aside = {
        "half a surrogate": good[:-1] + b', "Else": "\\ud83d"}', "not a number": good[:-1] + b', "Else": NaN}',
    }  # fmt: skip
    odd = {
        "member of another kind": json.dumps({name: 7}).encode(),
        "a list": b"[]",
        "null": b"null",
        "a text": b'"x"',
        "a number": b"7",
    }
    return {
        **{key: Odd(whole(body)) for key, body in (plain | odd).items()},
        **{key: Odd(whole(body), is_aside=True) for key, body in aside.items()},
    }


OF_RECEIVE = {
    '"Messages": null': b'{"Messages": null}',
    "no messages": b'{"Messages": []}',
    "a message that is null": b'{"Messages": [null]}',
    "one of two messages that is null": b'{"Messages": [null, {"MessageId": "c", "ReceiptHandle": "h", "Body": "d"}]}',
    "a message without ReceiptHandle": b'{"Messages": [{"MessageId": "a", "Body": "b"}]}',
    "no text in an attribute": b'{"Messages": [{"MessageAttributes": {"a": {"DataType": null, "StringListValues": [null]}}}]}',
    "no binary in a list": b'{"Messages": [{"MessageAttributes": {"a": {"BinaryListValues": [null]}}}]}',
    "a message without Body": b'{"Messages": [{"MessageId": "a", "ReceiptHandle": "b"}, {"MessageId": "c", "Body": "d"}]}',
    "a Body that is null": b'{"Messages": [{"MessageId": "a", "Body": null}]}',
    "a message that is a text": b'{"Messages": ["x"]}',
    "messages that are an object": b'{"Messages": {"a": {}}}',
    "attributes that are null": b'{"Messages": [{"Attributes": null, "MessageAttributes": {"a": null}}]}',
    "a binary that is not base64": b'{"Messages": [{"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "!"}}}]}',
    "a binary that is a number": b'{"Messages": [{"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": 7}}}]}',
}
OF_SEND = {
    '"Failed": null': b'{"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": null}',
    "both null": b'{"Successful": null, "Failed": null}',
    "entries missing": b'{"Successful": []}',
    "an entry without an id": b'{"Successful": [{"MessageId": "m"}]}',
    "an entry that is null": b'{"Successful": [null], "Failed": [null]}',
    "refused": b'{"Failed": [{"Id": "0", "SenderFault": true, "Code": "x"}]}',
    "a flag that is a text": b'{"Failed": [{"Id": "0", "SenderFault": "true", "Code": "x"}]}',
}
OF_MAIL = {
    "no id": b"{}",
    "id null": b'{"MessageId": null}',
    "id a number": b'{"MessageId": 7}',
}
OF_GET = {
    "item null": b'{"Item": null}',
    "value null": b'{"Item": {"a": null}}',
    "nothing in a value": b'{"Item": {"a": {}}}',
    "kind null": b'{"Item": {"a": {"S": null, "N": "1"}}}',
    "unknown kind": b'{"Item": {"a": {"Z": "1"}}}',
    "number of JSON": b'{"Item": {"a": {"N": 1.50}}}',
    "null in a list": b'{"Item": {"a": {"L": [null]}}}',
    "deep value": b'{"Item": {"a": ' + b'{"L": [' * 30 + b'{"B": "eA=="}' + b"]}" * 30 + b"}}",
    "item a list": b'{"Item": []}',
}
