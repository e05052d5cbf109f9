"""The mutations of what keeps a letter from being sent twice, or from being told of as what it is not."""

from tests.mutations.mutation import of

LETTERS = "tests/fleet/dead_letters"
SENT = f"{LETTERS}/test_sent_before.py"
NEWEST_RUN = f"{SENT}::test_a_plan_without_a_journal_is_judged_by_its_newest_run"
SIDE_BY_SIDE = f"{SENT}::test_the_later_one_of_two_plans_that_begin_at_once_sees_the_other"
NAMES = f"{SENT}::test_the_ids_of_a_restored_letter_are_believed_where_only_a_restore_could_write_them"
JOURNALS = f"{SENT}::test_a_journal_tells_what_was_sent_and_not_deleted_and_of_restored_letters_what_was_ever_sent"
WAYS_BACK = f"{LETTERS}/test_restored_once.py::test_a_letter_keeps_its_first_id_and_its_source_on_every_way_back"
CRASHES, SENDS = (f"{LETTERS}/test_{name}.py" for name in ("crashes", "sends"))
MAY_HAVE_BEEN = (
    f"{CRASHES}::test_wherever_it_is_killed_its_journal_knows_each_letter_that_was_sent_as_one_that_may_have_been"
)
EACH_CALL = f"{CRASHES}::test_killed_at_every_single_call_it_loses_nothing_and_does_nothing_twice"
LEASED = f"{SENDS}::test_a_letter_that_was_refused_until_its_lease_ended_was_not_sent_and_is_not_called_uncertain"
BEHIND, STANDARD = (
    f"{SENDS}::test_behind_a_withheld_letter_of_a_fifo_group_nothing_is_sent",
    f"{SENDS}::test_in_a_standard_queue_a_refused_letter_stops_no_other_of_its_group",
)
NO_ROOM = f"{LETTERS}/test_content.py::test_a_mended_letter_without_room_for_its_key_is_not_sent"
COUNTED_ONCE = f"{SENDS}::test_a_letter_that_may_have_been_sent_and_is_gone_is_counted_once"
BOX, TAKING, RENEWED = (f"{LETTERS}/test_{name}.py" for name in ("box", "taking", "audit_renewed"))
BOTH = f"{BOX}::test_an_entry_that_an_answer_calls_both_sent_and_failed_may_have_been_sent_and_is_not_sent_again"
NAMELESS = f"{BOX}::test_only_a_refusal_that_names_its_error_is_one_of_any_other_answer_nobody_can_say_what_was_sent"
DENIED = f"{BOX}::test_a_denied_send_names_its_action_and_the_kind_of_policy_and_nothing_else_of_what_was_said"
UNREAD = f"{LETTERS}/queues/test_side_by_side.py::test_a_queue_that_may_not_be_described_is_named_and_hides_no_other"
AGAIN = f"{TAKING}::test_a_deletion_that_an_answer_does_not_name_is_asked_for_again_and_counted_as_it_is"
MEANWHILE = f"{RENEWED}::test_what_another_command_appends_meanwhile_is_in_the_new_log"
LATER = "tests/shared/message/test_idempotency_key.py::test_what_happens_to_a_version_later_is_not_its_creation"
GIVEN = "tests/fleet/cli/test_given.py::test_so_are_options_before_the_command_and_names_of_queues"

SENT_ONCE = [
    *of(
        "fleet/dead_letters/sent_before.py",
        ("plan_id == but or lines", "lines", NEWEST_RUN),
        (' or lines[0].get("counts", {}).get(KEPT)', "", NEWEST_RUN),
        ("if at_work(plan_id):", "if False:", SIDE_BY_SIDE),
        ("if each in named]", "]", SIDE_BY_SIDE),
        ("if not _is_over(lines) else {}", "", NEWEST_RUN),
        ('not counts.get("uncertain", 0)', "True", NEWEST_RUN),
        ('+ counts.get("vanished", 0)', "", NEWEST_RUN),
        ("if each in progress.uncertain:", "if False:", JOURNALS),
        (" and each not in progress.deleted", "", JOURNALS),
        (
            "in progress.unsure | progress.sent:",
            "in progress.unsure | progress.sent - progress.deleted:",
            JOURNALS,
        ),
        ("if each in progress.sending:", "if False:", JOURNALS),
    ),
    *of("shared/message/identity.py", ('"" if happened == CREATED else f":{happened}"', '""', LATER)),
    *of("fleet/dead_letters/audit/story.py", ("records[: own[-1]] if own else", "", SIDE_BY_SIDE)),
    *of(
        "fleet/dead_letters/model/letter.py",
        ("later[-MOST_NAMES:]", "later", NAMES),
        ("if isinstance(each, str)] if", "] if", NAMES),
        ("if of == queue and first and not letter.moved_from", "if of == queue and first", NAMES),
        ("if of == queue and first and not", "if first and not", NAMES),
    ),
    *of("fleet/dead_letters/restoring.py", ('written["earlier"] = later[-MOST_NAMES:]', "pass", WAYS_BACK)),
    *of(
        "fleet/dead_letters/replay/sending.py",
        ('self.journal.note("sending", sorted(waiting), step=step.number)', "pass", MAY_HAVE_BEEN),
        ('if any(arn.endswith(".fifo")', 'if True or any(arn.endswith(".fifo")', STANDARD),
        ('self.journal.note("failed", refused, step', 'self.journal.note("failed", [], step', LEASED),
    ),
    *of("fleet/dead_letters/replay/mover.py", ("if each.id in self.withheld})", "if False})", BEHIND)),
    *of(
        "fleet/dead_letters/model/plan/outgoing.py",
        ("if mended is not None and idempotency_key(body, attributes) != letter.key:", "if False:", NO_ROOM),
    ),
    *of(
        "fleet/dead_letters/replay/journal.py",
        ("self.uncertain, self.sending = self.unsure, set()", "self.sending = set()", EACH_CALL),
        ("        self.sending.difference_update(ids)\n", "", MAY_HAVE_BEEN),
    ),
    *of(
        "fleet/dead_letters/replay/report.py", ("progress.unsure) - progress.settled", "progress.unsure)", COUNTED_ONCE)
    ),
    *of(
        "fleet/dead_letters/replay/post.py",
        (" or str(place) in taken", "", BOTH),
        ("code.isdigit() or ", "", NAMELESS),
        ('.get("HTTPStatusCode", 0)) >= 500', '.get("HTTPStatusCode", 0)) > 503', NAMELESS),
        ("and not posted.uncertain and", "and", NAMELESS),
        ("_denied(error) if code in FORBIDDEN else code", "code", DENIED),
        ("policy[0]", "policy.string", DENIED),
    ),
    *of(
        "fleet/dead_letters/queues/removal.py",
        ("DELETES = 2", "DELETES = 1", AGAIN),
        ("result.why = str(error)", "pass", f"{TAKING}::test_a_deletion_that_is_denied_says_so"),
    ),
    *of("fleet/dead_letters/queues/catalog.py", ("if code_of(error) not in FORBIDDEN:", "if True:", UNREAD)),
    *of(
        "fleet/dead_letters/audit/renewal.py",
        ("with log.held() if path.exists() else nullcontext():", "if True:", MEANWHILE),
        ("os.link(path, name)", "name.touch()", MEANWHILE),
        ("began.replace(path)", "pass", MEANWHILE),
        ("head_of(began).replace(head_of(path))", "pass", MEANWHILE),
    ),
    *of(
        "fleet/cli/given.py",
        ("and not value.strip()", "and not value", GIVEN),
        ("values if isinstance(values, list | tuple) else [values]", "[values]", GIVEN),
    ),
]
