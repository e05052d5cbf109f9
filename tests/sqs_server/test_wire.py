"""HTTP as clients really send it: in pieces, one after another on a connection, and sometimes wrong."""

import socket

import orjson

from tests.sqs_server.running import CERTIFICATE, SqsServer, sqs_server


def request(action: str, content: bytes, *, length: int | None = None) -> bytes:
    return (
        f"POST / HTTP/1.1\r\nHost: x\r\nx-amz-target: AmazonSQS.{action}\r\n"
        f"CONTENT-LENGTH: {len(content) if length is None else length}\r\n\r\n"
    ).encode() + content


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, object], str]]:
    """Status, body and the head of so many answers."""
    found: list[tuple[int, dict[str, object], str]] = []
    data = b""
    while len(found) < count:
        data += connection.recv(65_536)
        while b"\r\n\r\n" in data:
            head, _, rest = data.partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                break
            found.append((int(head.split(b" ")[1]), orjson.loads(rest[:length]), head.decode()))
            data = rest[length:]
    return found


def test_requests_of_one_connection_are_answered_in_their_order(server: SqsServer) -> None:
    url = server.make("q")
    send = orjson.dumps({"QueueUrl": url, "MessageBody": "x"})
    receive = orjson.dumps({"QueueUrl": url, "WaitTimeSeconds": 1})
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request("ReceiveMessage", receive) + request("SendMessage", send) * 50)
        found = answers(connection, 51)
    assert found[0][1] == {}
    assert all("MessageId" in body for _, body, _ in found[1:])


def test_a_request_may_come_byte_by_byte(server: SqsServer) -> None:
    url = server.make("q")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("SendMessage", orjson.dumps({"QueueUrl": url, "MessageBody": "x"})):
            connection.sendall(bytes([byte]))
        [(status, _, _)] = answers(connection, 1)
    assert status == 200


def test_what_is_not_a_request_of_sqs_is_refused_in_its_shape(server: SqsServer) -> None:
    cases = [
        ("MakeCoffee", b"{}", "UnknownOperationException"),
        ("SendMessage", b"{", "SerializationException"),
        ("SendMessage", b"[]", "SerializationException"),
        ("SendMessage", b"{}", "MissingParameter"),
    ]
    for action, content, code in cases:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request(action, content))
            [(status, body, head)] = answers(connection, 1)
        assert (status, str(body["__type"]).partition("#")[2]) == (400, code)
        assert f"x-amzn-query-error: {code};Sender" in head


def test_a_request_of_many_mebibytes_is_not_read(server: SqsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request("SendMessage", b"", length=100 * 2**20))
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            return


def test_over_tls_it_serves_the_same() -> None:
    with sqs_server(tls=CERTIFICATE) as server:
        url = server.make("jobs")
        assert url.startswith("https://127.0.0.1:")
        server.sqs.send_message(QueueUrl=url, MessageBody="one")
        assert [each["Body"] for each in server.sqs.receive_message(QueueUrl=url)["Messages"]] == ["one"]
