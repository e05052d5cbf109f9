"""Who may speak with the console: the printed address, its session, its own forms, and nobody else."""

import asyncio
import io
import itertools
import os
import re
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar

from fleet.console.commands import Said
from fleet.console.guard import NOBODY, holder
from tests.fleet.console.fakes import QUEUE, SAME, Bench, bench

PAGES = (
    "/",
    f"/queues/{QUEUE}",
    f"/queues/{QUEUE}/letters",
    f"/queues/{QUEUE}/letters/m-0",
    f"/queues/{QUEUE}/plan",
    "/plans",
    "/audit",
    "/workers",
    "/find",
    "/find?id=m-0&tenant=acme",
    "/sessions/s-1",
    "/reminders/acme/r-1",
    "/webhooks/acme/ep-1",
    "/webhooks/acme/ep-1/msg_1",
    "/archive/e-1",
    "/static/console.css",
    "/static/console.js",
    "/nowhere",
)


async def test_without_the_cookie_every_page_is_401_and_tells_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, enter=False) as made:
        for path in (*PAGES, "/plans/x.plan", "/plans/x.plan/file", "/plans/x.plan/confirm"):
            status, text = await made.browser.get(path)
            assert status == 401
            assert QUEUE not in text
            assert "tester" not in text
        assert (await made.browser.post(f"/queues/{QUEUE}/read"))[0] == 401
        assert (await made.browser.get("/live")) == (204, "")


async def test_the_printed_address_opens_once_and_hides_its_token_behind_a_cookie(tmp_path: Path) -> None:
    async with bench(tmp_path, enter=False) as made, ClientSession() as other:
        url = made.console.door.url
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/enter\?token=[\w-]{40,}", url)
        async with made.browser.session.get(url, allow_redirects=False) as first:
            assert (first.status, first.headers["Location"]) == (303, "/")
            cookie = first.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        async with other.get(url, allow_redirects=False) as second:
            assert (second.status, "Set-Cookie" in second.headers) == (401, False)
        assert (await made.browser.get("/"))[0] == 200


@pytest.mark.parametrize("token", ["", "?token=", "?token=guessed", "?token=%00"])
async def test_no_other_token_opens(token: str, tmp_path: Path) -> None:
    async with bench(tmp_path, enter=False) as made:
        assert (await made.browser.get(f"/enter{token}"))[0] == 401
        assert (await made.browser.post(f"/enter{token}"))[0] == 401
        made.console.door.may_enter(made.console.door.token)
        assert (await made.browser.get(f"/enter{token}"))[0] == 401


HOSTS = (
    "evil.test",
    "evil.test:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "localhost:{port}",
    "127.0.0.1:{port}.evil.test",
    "",
)


async def test_a_host_that_is_not_the_bound_address_is_400(desk: Bench) -> None:
    assert QUEUE in await desk.browser.page(f"/queues/{QUEUE}")
    for host in HOSTS:
        headers = {"Host": host.format(port=desk.browser.address.rpartition(":")[2]), **SAME}
        for path in ("/", f"/queues/{QUEUE}", "/live"):
            status, text = await desk.browser.get(path, headers=headers)
            assert (status, QUEUE in text) == (400, False), host
        assert (await desk.browser.post(f"/queues/{QUEUE}/read", headers=headers))[0] == 400
    assert desk.box.received == 0


ACTING = ("/workers/webhook-delivery", "/webhooks/acme/ep-1/msg_1/resend", "/archive/e-1")
SITES = ("same-site", "cross-site", "none", "same-origin, cross-site", "", None)


async def test_a_post_that_no_page_of_the_console_sent_is_403_and_changes_nothing(desk: Bench) -> None:
    actions = (*(f"/queues/{QUEUE}/{each}" for each in ("read", "plan", "letters/m-0/reveal")), *ACTING)
    for site, action in itertools.product(SITES, actions):
        form = desk.console.forms.issue(action)
        headers = {} if site is None else {"Sec-Fetch-Site": site}
        fields = [("form", form), ("reason", "x"), ("act", "pause")]
        status, _ = await desk.browser.post(action, fields, headers)
        assert status == 403, (site, action)
    assert (desk.box.received, desk.commands.asked, desk.audit(), desk.console.plans.names()) == (0, [], [], [])


@pytest.mark.parametrize("form", ["", "made-up", "of another page"])
async def test_a_post_without_a_form_of_that_page_is_403(form: str, desk: Bench) -> None:
    given = desk.console.forms.issue("/plans/other/check") if form == "of another page" else form
    status, text = await desk.browser.post(f"/queues/{QUEUE}/read", [("form", given)])
    assert (status, "open its page again" in text) == (403, True)
    assert desk.box.received == 0


async def test_a_form_is_taken_once(desk: Bench) -> None:
    page = await desk.browser.page(f"/queues/{QUEUE}/plan")
    assert (await desk.browser.send(page, f"/queues/{QUEUE}/plan"))[0] == 200
    assert (await desk.browser.send(page, f"/queues/{QUEUE}/plan"))[0] == 409
    assert len(desk.console.plans.names()) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x"])
async def test_other_bodies_than_plain_forms_are_refused(kind: str, desk: Bench) -> None:
    async with desk.browser.session.post(
        f"http://{desk.browser.address}/queues/{QUEUE}/read", data=b"form=x", headers={**SAME, "Content-Type": kind}
    ) as answer:
        assert answer.status == 415
    assert desk.box.received == 0


@pytest.mark.parametrize("charset", ["; charset=bogus", ""])
async def test_a_form_that_is_not_in_its_characters_is_refused_and_no_fault(charset: str, desk: Bench) -> None:
    headers = {**SAME, "Content-Type": f"application/x-www-form-urlencoded{charset}"}
    async with desk.browser.session.post(
        f"http://{desk.browser.address}/read", data=b"form=\xff\xfe", headers=headers
    ) as answer:
        assert (answer.status, "characters" in await answer.text()) == (400, True)


async def test_a_body_above_the_limit_is_413(desk: Bench) -> None:
    headers = {**SAME, "Content-Type": "application/x-www-form-urlencoded"}
    content = io.BytesIO(b"form=" + b"x" * (4 << 20))
    async with desk.browser.session.post(
        f"http://{desk.browser.address}/read", data=content, headers=headers
    ) as answer:
        assert answer.status == 413


async def test_other_methods_are_405_and_no_answer_opens_the_console_to_other_origins(desk: Bench) -> None:
    headers = {"Origin": "http://evil.test", "Access-Control-Request-Method": "POST", **SAME}
    methods = ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
    for method, path in itertools.product(methods, ("/", f"/queues/{QUEUE}/read")):
        url = f"http://{desk.browser.address}{path}"
        async with desk.browser.session.request(method, url, headers=headers) as answer:
            assert answer.status == 405, method
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("site", "how", "expected"),
    [
        ("same-site", ("no-cors", "image", ""), 403),
        ("same-site", ("cors", "empty", ""), 403),
        ("cross-site", ("navigate", "iframe", "?1"), 403),
        ("same-site", ("navigate", "document", "?1"), 200),
        ("same-site", ("navigate", "document", ""), 403),  # a script went there, and nobody clicked
        ("same-origin", ("no-cors", "style", ""), 200),
        ("none", ("navigate", "document", ""), 200),
    ],
)
async def test_what_a_page_of_another_origin_embeds_is_403_and_its_link_is_not(
    desk: Bench, site: str, how: tuple[str, str, str], expected: int
) -> None:
    names = ("Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User")
    fetch = {"Sec-Fetch-Site": site, **{name: text for name, text in zip(names, how, strict=True) if text}}
    assert (await desk.browser.get("/find?id=m-1", headers=fetch))[0] == expected
    assert len(desk.commands.asked) == (expected == 200)


async def test_what_is_no_http_and_what_fails_is_answered_with_these_headers_too(desk: Bench) -> None:
    host, _, port = desk.browser.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x16\x03\x01 nothing\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.0 400 ")
    desk.commands.answers["workers"] = Said(0, [{"no": "worker"}])
    async with desk.browser.session.get(f"http://{desk.browser.address}/workers") as failed:
        assert failed.status == 500
        headers = "\r\n".join(f"{name}: {value}" for name, value in failed.headers.items())
    for told in (answer, headers):
        assert "Content-Security-Policy: default-src 'self';" in told
        assert "Cache-Control: no-store" in told
        assert "Server: fleet" in told


async def test_every_answer_carries_the_headers_that_shut_it_in_with_a_nonce_of_its_own(desk: Bench) -> None:
    await desk.read()
    nonces, answers = set(), 0
    for path in (*PAGES, await desk.planned(), "/enter", "/live"):
        for headers in ({"Origin": "http://evil.test"}, {"Host": "evil.test"}):
            async with desk.browser.session.get(f"http://{desk.browser.address}{path}", headers=headers) as answer:
                policy, answers = answer.headers["Content-Security-Policy"], answers + 1
                assert "default-src 'self';" in policy
                assert "frame-ancestors 'none'" in policy
                assert "unsafe-" not in policy
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
                nonces |= set(re.findall(r"'nonce-([^']+)'", policy))
                assert {f"'nonce-{each}'" for each in re.findall('nonce="([^"]+)"', await answer.text())} <= set(
                    policy.replace(";", "").split()
                )
    assert len(nonces) == answers


async def test_nothing_listens_beside_127_0_0_1(desk: Bench) -> None:
    port = int(desk.browser.address.rpartition(":")[2])
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))  # a socket of all addresses would answer here as well


async def test_a_cookie_of_another_console_on_this_computer_opens_nothing(desk: Bench, tmp_path: Path) -> None:
    async with (
        bench(tmp_path / "other", enter=False) as other,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as session,
    ):
        cookies = {
            other.console.door.cookie: desk.console.door.session,
            desk.console.door.cookie: desk.console.door.session,
        }
        async with session.get(f"http://{other.browser.address}/", cookies=cookies) as answer:
            assert answer.status == 401


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
FOUR = "   1: {far} {near} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 0 20 4 30 10 -1"
SIX = FOUR.replace("{", "0000000000000000FFFF0000{", 2)


@pytest.mark.parametrize("line", [FOUR, SIX])
def test_a_connection_is_that_of_who_holds_its_far_end(line: str) -> None:
    far, near = (f"{int.from_bytes(bytes((127, 0, 0, 1)), 'little'):08X}:{port:04X}" for port in (40_000, 8_400))
    ends = ("127.0.0.1", 40_000), ("127.0.0.1", 8_400)
    ours = line.format(far=near, near=far, uid=7, inode=70)  # the console's own end is no answer
    assert holder([HEAD, ours, line.format(far=far, near=near, uid=1001, inode=71)], *ends) == 1001
    assert holder([HEAD, ours, line.format(far=far, near=near, uid=0, inode=0)], *ends) == NOBODY
    assert holder([HEAD, ours, ""], *ends) == NOBODY


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can come as another user")
async def test_another_user_of_this_computer_gets_nothing_with_cookie_or_token(desk: Bench, tmp_path: Path) -> None:
    """A browser shows a host's cookies to all its ports, and so to whoever listens on one of them."""
    door, page = desk.console.door, await desk.browser.page(f"/queues/{QUEUE}")
    form = re.findall(r'name="form" value="([^"]*)"', page)[-1]
    body = f"form={form}"
    head = f"Host: {desk.browser.address}\r\nCookie: {door.cookie}={door.session}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    assert b" 403 " in await _asked_as_nobody(door.address, f"GET / HTTP/1.1\r\n{head}\r\n")
    post = f"POST /queues/{QUEUE}/read HTTP/1.1\r\n{head}{kind}\r\n{body}"
    assert b" 403 " in await _asked_as_nobody(door.address, post)
    assert desk.console.inventories.looks == {}
    async with bench(tmp_path / "other", enter=False) as other:
        door, head = other.console.door, f"Host: {other.browser.address}\r\nConnection: close\r\n"
        enter = f"GET /enter?token={door.token} HTTP/1.1\r\n{head}\r\n"
        assert b"et-Cookie" not in await _asked_as_nobody(door.address, enter)
        assert (await other.browser.get(f"/enter?token={door.token}"))[0] == 200


async def _asked_as_nobody(address: str, request: str) -> bytes:
    """The head of the answer to a socket of another user."""
    os.seteuid(65_534)
    try:
        made = socket.socket()
    finally:
        os.seteuid(0)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", int(address.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=made)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[0]
