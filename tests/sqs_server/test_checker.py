"""The checker finds what was planted, and accuses nobody else."""

from typing import Any

from tests.sqs_server.checker import Findings, check


class Story:
    """A ledger written by hand; `at` moves on by one second with each line."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.now = 0.0

    def tell(self, kind: str, message_id: str = "m", receipt: int = 0, **more: Any) -> "Story":
        self.now += 1
        line = {"kind": kind, "at": self.now, "queue": "q", "message_id": message_id, "receipt": receipt}
        self.lines.append({**line, **more})
        return self

    def send(self, message_id: str = "m", *, group: str | None = None) -> "Story":
        return self.tell("send", message_id, group=group, fifo=group is not None)

    def receive(self, message_id: str = "m", receipt: int = 1, *, seconds: float = 30) -> "Story":
        return self.tell("receive", message_id, receipt, until=self.now + 1 + seconds)

    def effect(self, phase: str, message_id: str = "m", **more: Any) -> "Story":
        return self.tell("effect", message_id, phase=phase, **more)

    def delete(self, message_id: str = "m", receipt: int = 1, **more: Any) -> "Story":
        return self.tell("delete", message_id, receipt, **{"live": True, "asked": self.now + 1, **more})

    def life(self, message_id: str = "m", *, group: str | None = None) -> "Story":
        self.send(message_id, group=group).receive(message_id)
        return self.effect("started", message_id).effect("ended", message_id).delete(message_id)

    def wait(self, seconds: float) -> "Story":
        self.now += seconds
        return self

    def judged(self, **options: Any) -> Findings:
        return check(self.lines, **options)


def test_a_quiet_life_is_not_a_fault() -> None:
    found = Story().life("a").life("b").send("c").judged()
    assert found.faults == {}
    assert (found.sent, found.deleted, found.left) == (3, 2, ("c",))


def test_a_message_deleted_before_its_handler_ended_is_lost() -> None:
    early = Story().send().receive().effect("started").delete().effect("ended")
    assert early.judged().lost == ("m",)


def test_a_message_deleted_without_any_handler_is_lost_where_handlers_tell() -> None:
    silent = Story().life("a").send("b").receive("b").delete("b")
    assert silent.judged().lost == ("b",)
    assert Story().send().receive().delete().judged().lost == ()
    assert Story().send().receive().delete().judged(handled=("q",)).lost == ("m",)


def test_a_dead_letter_must_be_sent_before_its_original_is_deleted() -> None:
    story = Story().send().receive().effect("started").effect("failed")
    assert story.tell("send", "letter", buries="m").delete().judged().faults == {}
    story = Story().send().receive().effect("started").effect("failed")
    assert story.delete().tell("send", "letter", buries="m").judged().lost == ("m",)


def test_what_nobody_read_is_discarded() -> None:
    found = Story().send("a").tell("aged", "a").send("b").tell("dropped", "b").send("c").tell("purge", "c").judged()
    assert found.discarded == {"aged": 1, "dropped": 1, "purge": 1}
    assert found.faults == {"discarded": 3}


def test_a_delete_asked_for_after_its_lease_is_found_whatever_it_did() -> None:
    for kind in ("delete", "delete_ignored", "delete_forgotten"):
        story = Story().send().receive(seconds=5).effect("started").effect("ended").wait(10)
        found = story.tell(kind, "m", 1, asked=story.now + 1, live=False).judged()
        assert found.dead_deletes == ("m",)


def test_a_delete_that_the_network_kept_waiting_was_asked_for_in_time() -> None:
    story = Story().send().receive(seconds=5).effect("started").effect("ended")
    asked = story.now
    assert story.wait(10).delete(asked=asked).judged().dead_deletes == ()


def test_an_extension_moves_the_end_and_a_release_brings_it() -> None:
    held = Story().send().receive(seconds=5).effect("started").effect("ended")
    extended = held.tell("extend", "m", 1, until=100.0).wait(50).delete()
    assert extended.judged().dead_deletes == ()
    released = Story().send().receive().effect("started").effect("ended").tell("release", "m", 1).delete()
    assert released.judged().dead_deletes == ("m",)


def test_the_handle_of_a_first_receive_does_not_live_by_the_second() -> None:
    story = Story().send().receive(seconds=5).effect("started").wait(10).tell("expire", "m", 1).receive("m", 2)
    assert story.effect("ended").delete(receipt=1).judged().dead_deletes == ("m",)


def test_a_tolerance_is_granted_to_the_ends_of_leases() -> None:
    story = Story().send().receive(seconds=2).effect("started").effect("ended").delete()
    assert story.judged().dead_deletes == ("m",)
    assert story.judged(tolerance=1.5).dead_deletes == ()


def test_a_handler_that_begins_without_a_lease_is_found() -> None:
    story = Story().send().receive(seconds=5).wait(10).effect("started").effect("ended")
    assert story.judged().started_without_lease == ("m",)


def test_a_handler_that_overtakes_its_group_is_found() -> None:
    story = Story().send("a", group="g").send("b", group="g").receive("a").receive("b")
    assert story.effect("started", "b").effect("ended", "b").judged().out_of_order == ("b",)


def test_a_group_goes_on_when_its_head_is_done_or_gone() -> None:
    for end in ("delete", "redrive", "aged"):
        story = Story().send("a", group="g").send("b", group="g").tell(end, "a", 1, live=True, asked=0)
        assert story.receive("b").effect("started", "b").effect("ended", "b").judged().out_of_order == ()


def test_a_head_that_failed_still_goes_first() -> None:
    story = Story().send("a", group="g").send("b", group="g").receive("a").receive("b")
    story.effect("started", "a").effect("failed", "a").effect("started", "b")
    assert story.judged().out_of_order == ("b",)


def test_the_order_of_one_group_is_nothing_to_another_or_to_a_standard_queue() -> None:
    story = Story().send("a", group="g").send("b", group="h").send("c").receive("b").receive("c")
    assert story.effect("started", "b").effect("started", "c").judged().out_of_order == ()


def test_two_handlers_of_a_group_at_once_are_found() -> None:
    story = Story().send("a", group="g").send("b", group="g").receive("a").receive("b")
    story.effect("started", "a").effect("started", "b").effect("ended", "a").effect("ended", "b")
    assert story.judged().overlaps == story.judged(tolerance=5).overlaps == ("b",)


def test_a_run_that_died_ends_with_its_lease() -> None:
    died = Story().send("a", group="g").receive("a", seconds=10).effect("started", "a", run="1").wait(10)
    again = died.receive("a", 2).effect("started", "a", run="2").effect("ended", "a", run="2").delete("a", 2)
    assert again.judged().faults == {}
    early = Story().send("a", group="g").receive("a", seconds=60).effect("started", "a", run="1")
    assert early.receive("a", 2).effect("started", "a", run="2").judged().overlaps == ("a",)


def test_a_run_that_outlives_its_lease_and_meets_the_next_is_found() -> None:
    story = Story().send("a", group="g").receive("a", seconds=5).effect("started", "a", run="1").wait(10)
    story.receive("a", 2).effect("started", "a", run="2").effect("ended", "a", run="1").effect("ended", "a", run="2")
    assert story.judged().overlaps == ("a",)


def test_what_happened_twice_is_counted() -> None:
    story = Story().send().receive().effect("started").effect("ended", key="k")
    story.receive("m", 2).effect("started").effect("ended", key="k").delete(receipt=2)
    found = story.judged()
    assert (found.delivered_twice, found.started_twice, found.done_twice) == (1, 1, 1)
    assert found.faults == {}


def test_polls_and_requests_are_counted_by_the_minute_and_the_message() -> None:
    story = Story()
    for number in range(3):
        story.tell("request", "", action="ReceiveMessage", outcome="ok").wait(19)
        story.life(f"m-{number}").tell("request", "", action="DeleteMessageBatch", outcome="ok")
    found = story.judged()
    assert found.requests["ReceiveMessage", "q"] == 3
    assert 2 < found.polls_per_minute("q") < 4
    assert found.requests_per_message("q") == 2


def test_an_empty_ledger_proves_nothing_wrong() -> None:
    found = check([])
    assert (found.faults, found.polls_per_minute("q"), found.requests_per_message("q")) == ({}, 0.0, 0.0)
