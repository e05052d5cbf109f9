"""What a form does: the command line's own command, once, after a page that showed what it is."""

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest

from fleet.console.commands import Processes, Said
from fleet.console.forms import Forms
from fleet.console.state import READ_ONLY
from fleet.dead_letters.looking import shown
from fleet.dead_letters.model.letter import sha256
from fleet.dead_letters.model.plan import plan as planning
from fleet.dead_letters.settings import EDIT_DISABLED
from tests.fleet.console.fakes import KEY, QUEUE, Bench
from tests.fleet.dead_letters.fakes import SOURCE


async def test_a_plan_is_made_by_the_command_line_from_what_the_form_says(desk: Bench) -> None:
    page = await desk.browser.page(f"/queues/{QUEUE}/plan?error=ConnectTimeout&ids=m-1&ids=-m-2")
    status, text = await desk.browser.send(page, f"/queues/{QUEUE}/plan", canary="1,5", rate="50", body="order.total=0")
    [asked] = desk.commands.asked
    file = asked[asked.index("-o") + 1]
    assert asked == (
        *("dlq", "plan", "--error=ConnectTimeout", "--body=order.total=0", "--rate=50", "--canary=1,5", "--ids=-"),
        *("-o", file, "--json", "--", QUEUE),
    )
    assert file.startswith(f"{desk.console.plans.folder}/{QUEUE}-")
    assert status == 200
    assert "left out: m-9 (eventbridge-bus): ids only" in text
    assert f"<td>12 of {QUEUE}</td>" in text


async def test_a_form_field_is_never_an_option_of_its_own(desk: Bench) -> None:
    page = await desk.browser.page(f"/queues/{QUEUE}/plan?error=--yes")
    await desk.browser.send(page, f"/queues/{QUEUE}/plan", to="--keep")
    [asked] = desk.commands.asked
    assert {"--error=--yes", "--to=--keep"} < set(asked)
    assert "--keep" not in asked


async def test_a_plan_that_is_refused_is_told_in_the_words_of_the_command_line(desk: Bench) -> None:
    desk.commands.answers["plan"] = Said(5, [], ["Error: none of 2 letters can be replayed: <ids only>"])
    page = await desk.browser.page(f"/queues/{QUEUE}/plan")
    status, text = await desk.browser.send(page, f"/queues/{QUEUE}/plan")
    assert status == 409
    assert "refused by a rule of safety" in text
    assert "none of 2 letters can be replayed: <ids only>" in unescape(text)
    assert f"fleet dlq plan -o {desk.console.plans.folder}" in unescape(text)


async def test_a_replay_begins_only_behind_its_dry_run_and_a_page_that_repeats_the_plan(desk: Bench) -> None:
    plan = await desk.planned()
    file = str(desk.console.plans.folder / plan.removeprefix("/plans/"))
    early = await desk.browser.page(f"{plan}/confirm")
    assert "was not checked" in early
    assert f'action="{plan}/replay"' not in early
    status, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    assert status == 200
    only = f"--plan-id={desk.console.plans.read(plan.removeprefix('/plans/')).plan.plan_id}"
    assert desk.commands.asked[-1] == ("dlq", "replay", only, "--json", "--", file)
    assert only.removeprefix("--plan-id=") in page
    for words in (f"12 of {QUEUE}", SOURCE, "1, then 5", "would be fine", f"Send 12 letters of {QUEUE}"):
        assert words in page
    status, page = await desk.browser.send(page, f"{plan}/replay", reason="the endpoint\n is back")
    assert desk.commands.started == [
        ("dlq", "replay", only, "--yes", "--reason=the endpoint is back", "--json", "--", file)
    ]
    assert (status, "a canary has no verdict yet" in page) == (200, True)


async def test_a_double_click_begins_one_replay(desk: Bench) -> None:
    plan = await desk.planned()
    _, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    await desk.browser.send(page, f"{plan}/replay", reason="x")
    assert (await desk.browser.send(page, f"{plan}/replay", reason="x"))[0] == 409
    _, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    assert len(desk.commands.started) == 1


async def test_while_what_was_begun_has_not_taken_up_the_plan_nothing_else_is_begun(desk: Bench) -> None:
    desk.commands.still = asyncio.get_running_loop().create_future()
    plan = await desk.planned()
    _, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    _, page = await desk.browser.send(page, f"{plan}/replay", reason="x")
    assert "<strong>starting</strong>" in page
    assert 'data-running="yes"' in page
    assert f'action="{plan}/check"' not in page
    form = desk.console.forms.issue(f"{plan}/check")
    assert (await desk.browser.post(f"{plan}/check", [("form", form)]))[0] == 409
    desk.commands.still.set_result(5)
    assert "<strong>not begun</strong>" in await desk.browser.page(plan)


async def test_a_reason_is_required(desk: Bench) -> None:
    plan = await desk.planned()
    _, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    status, text = await desk.browser.send(page, f"{plan}/replay", reason="  ")
    assert (status, "a reason is required" in text, desk.commands.started) == (400, True, [])


async def test_a_plan_that_changed_after_its_dry_run_is_not_carried_out(desk: Bench) -> None:
    plan = await desk.planned()
    _, page = await desk.browser.send(await desk.browser.page(plan), f"{plan}/check")
    file = desk.console.plans.file(plan.removeprefix("/plans/"))
    await desk.commands.ask("dlq", "plan", "-o", str(file))
    status, _ = await desk.browser.send(page, f"{plan}/replay", reason="x")
    assert (status, desk.commands.started) == (403, [])
    assert "was not checked" in await desk.browser.page(f"{plan}/confirm")


@pytest.mark.parametrize("act", ["replay", "resume", "cancel"])
async def test_a_console_that_only_looks_refuses_to_act_and_writes_that_down(act: str, looking: Bench) -> None:
    plan = await looking.planned()
    _, page = await looking.browser.send(await looking.browser.page(plan), f"{plan}/check")
    assert '<button class="acts" disabled aria-describedby="why-disabled">' in page
    assert f'<span id="why-disabled">{READ_ONLY}</span>' in unescape(page)
    digest = looking.console.plans.read(plan.removeprefix("/plans/")).digest
    form = looking.console.forms.issue(f"{plan}/{act}{'' if act == 'cancel' else f' {digest}'}")
    status, _ = await looking.browser.post(f"{plan}/{act}", [("form", form), ("reason", "x")])
    assert (status, looking.commands.started) == (403, [])
    assert [(each["command"], each["outcome"], each["who"], each["queue"]) for each in looking.audit()] == [
        (act, "refused", "tester", QUEUE)
    ]


async def test_content_is_revealed_by_the_command_that_records_it_and_only_with_a_reason(desk: Bench) -> None:
    await desk.read()
    letter = f"/queues/{QUEUE}/letters/m-0"
    page = await desk.browser.page(letter)
    assert (await desk.browser.send(page, f"{letter}/reveal", reason=""))[0] == 400
    assert desk.commands.asked == []
    each = desk.console.inventories.looks[QUEUE].view("m-0", now=desk.world.now)
    assert each is not None
    desk.commands.answers["show"] = Said(0, [{**shown(each), "body": '{"mail":"<anna@example.com>"}'}], [])
    _, page = await desk.browser.send(await desk.browser.page(letter), f"{letter}/reveal", reason="a customer asked")
    [asked] = desk.commands.asked
    assert asked == ("dlq", "show", "--reveal", "--reason=a customer asked", "--json", "--", QUEUE, "m-0")
    assert '{"mail":"<anna@example.com>"}' in unescape(page)
    assert "<anna@example.com>" not in page
    assert "anna@example.com" not in await desk.browser.page(letter)


BODY = '\n{"a": "\u202e",\n "n": 1}\n'
CRLF = BODY.replace("\n", "\r\n")
"""As a browser sends it."""


async def _mendable(desk: Bench) -> tuple[str, str]:
    """The path of a letter, and its page once it is revealed."""
    await desk.read()
    letter = f"/queues/{QUEUE}/letters/m-0"
    each = desk.console.inventories.looks[QUEUE].view("m-0", now=desk.world.now)
    assert each is not None
    desk.commands.answers["show"] = Said(0, [{**shown(each), "body": BODY}])
    _, page = await desk.browser.send(await desk.browser.page(letter), f"{letter}/reveal", reason="x")
    return letter, page


async def test_a_body_is_mended_behind_its_dry_run_and_sent_to_the_byte(desk: Bench) -> None:
    desk.console.settings = desk.console.settings.model_copy(update={"dlq_edit_enabled": True})
    letter, page = await _mendable(desk)
    [written] = re.findall(r"<textarea [^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert unescape(written) == BODY
    dry = {"destination": SOURCE, "before": "0" * 64, "after": "1" * 64, "validated": False}
    desk.commands.answers["edit"] = Said(0, [dry])
    _, page = await desk.browser.send(page, f"{letter}/edit", body=CRLF)
    assert desk.commands.asked.pop() == ("dlq", "edit", "--body-file=-", "--json", "--", QUEUE, "m-0")
    assert desk.commands.stdin == BODY
    assert "Send a mended copy of m-0" in page
    assert (await desk.browser.send(page, f"{letter}/edit/send", body=f"{BODY}x", reason="typo"))[0] == 403
    status, page = await desk.browser.send(page, f"{letter}/edit/send", body=CRLF, reason="typo")
    sent = ("dlq", "edit", "--body-file=-", "--yes", "--reason=typo", "--json", "--", QUEUE, "m-0")
    assert (status, desk.commands.asked[-1], desk.commands.stdin) == (200, sent, BODY)


async def test_where_editing_is_off_its_button_says_so(desk: Bench) -> None:
    _, page = await _mendable(desk)
    assert '<button disabled aria-describedby="why-off">Check: a dry run of the edit</button>' in page
    assert EDIT_DISABLED in page


async def test_a_console_that_only_looks_mends_nothing_and_writes_that_down(looking: Bench) -> None:
    letter = f"/queues/{QUEUE}/letters/m-0"
    for path, about in ((f"{letter}/edit", ""), (f"{letter}/edit/send", f" {sha256('x')}")):
        form = looking.console.forms.issue(f"{path}{about}")
        status, _ = await looking.browser.post(path, [("form", form), ("body", "x"), ("reason", "x")])
        assert (status, looking.commands.asked) == (403, [])
    assert [(each["command"], each["outcome"]) for each in looking.audit()] == [("edit", "refused")] * 2


async def test_no_name_leads_out_of_the_folder_of_plans(desk: Bench) -> None:
    for name in ("../audit.jsonl", "..%2f..%2faudit.plan", "none.plan", ".plan", "%2Fetc%2Fpasswd", "a%00.plan"):
        for path in (f"/plans/{name}", f"/plans/{name}/file", f"/plans/{name}/confirm"):
            assert (await desk.browser.get(path))[0] == 404, path


async def test_no_link_in_the_folder_of_plans_leads_out_of_it(desk: Bench, tmp_path: Path) -> None:
    """Whoever may write into a folder that is shared would else read and overwrite what only this user can."""
    plan, private = await desk.planned(), tmp_path / "private"
    private.write_text("canary-7f3a")
    folder = desk.console.plans.folder
    (folder / "linked.plan").symlink_to(private)
    words = folder / f"{plan.removeprefix('/plans/')}.words"
    words.symlink_to(private)
    assert "linked.plan" not in await desk.browser.page("/plans")
    assert (await desk.browser.get("/plans/linked.plan/file"))[0] == 404
    assert "canary-7f3a" not in await desk.browser.page(plan)
    commands = Processes({})
    await (await commands.start("--version", words=words))
    assert (private.read_text(), words.is_symlink(), words.stat().st_mode & 0o777) == ("canary-7f3a", False, 0o600)


async def test_a_file_that_is_no_plan_of_ours_is_named_and_stands_in_nobodys_way(desk: Bench) -> None:
    plan = await desk.planned()
    folder = desk.console.plans.folder
    (folder / "broken.plan").write_text("{")
    (folder / "foreign.plan").write_bytes(
        desk.console.plans.file(plan[7:]).read_bytes().replace(b"webhooks", b"somebody")
    )
    page = await desk.browser.page("/plans")
    assert "broken.plan: this file is not a plan" in page
    assert "foreign.plan: the plan was changed after it was written" in page
    assert f'href="{plan}"' in page
    assert (await desk.browser.get("/plans/foreign.plan"))[0] == 409


async def test_the_plan_file_is_what_the_command_line_reads(desk: Bench) -> None:
    plan = await desk.planned()
    _, content = await desk.browser.get(f"{plan}/file")
    assert planning.read(content.encode(), key=KEY).letters == desk.world.plan().letters


def test_forms_are_good_once_for_one_purpose_and_the_oldest_are_forgotten() -> None:
    forms = Forms(most=2)
    first, second, third = (forms.issue("/a") for _ in range(3))
    assert forms.spend(first, "/a") == "unknown"
    assert forms.spend(second, "/b") == "unknown"
    assert forms.spend(second, "/a") == "fresh"
    assert forms.spend(second, "/a") == "sent already"
    assert forms.spend(third, "/a") == "fresh"
