"""The mutations of what is promised of changes to dead letters, promise by promise, each with the smallest test that has to notice it."""

from tests.mutations.mutation import Mutation, of

LETTERS = "tests/fleet/dead_letters"
ORDERS, TOLD, FILES = (f"{LETTERS}/test_{name}.py" for name in ("orders", "promises", "plan_files"))
ASKED_FOR = f"{FILES}::test_what_a_plan_may_not_ask_for_is_refused_in_words"
SEALED = f"{FILES}::test_a_plan_that_another_key_sealed_is_refused"
HOME, LOG, SHOWN = f"{LETTERS}/test_audit_home.py", f"{LETTERS}/test_audit.py", f"{LETTERS}/test_shown.py"
CONTENT, SHAPES, SENDS = f"{LETTERS}/test_content.py", f"{LETTERS}/test_shapes.py", f"{LETTERS}/test_sends.py"
FEEDERS, OWN_POLICY = f"{LETTERS}/queues/test_feeders.py", f"{LETTERS}/queues/test_own_policy.py"
UNRECORDED = f"{ORDERS}::test_an_order_whose_beginning_cannot_be_recorded_changes_nothing"
ENDS = f"{ORDERS}::test_an_order_has_a_line_at_its_beginning_and_one_at_its_end"
NO_YES = f"{ORDERS}::test_without_yes_nothing_is_sent_deleted_or_written_down"
MENDED = f"{ORDERS}::test_changed_bodies_need_leave_are_shown_and_named_in_the_log"
LIVE = f"{ORDERS}::test_a_queue_in_use_is_refused_by_each_command_and_not_read"
ACCOUNT = f"{ORDERS}::test_letters_stay_in_their_account_unless_a_setting_names_another"
NUMBERS = f"{ORDERS}::test_a_number_out_of_its_range_is_wrong_usage"
MISSED = f"{HOME}::test_a_log_that_is_not_there_is_not_as_it_was_written"
ONE_HOME = f"{HOME}::test_without_a_setting_it_is_in_the_users_state_directory_whichever_directory_a_command_runs_in"
UNLOCKED = f"{LETTERS}/test_restore.py::test_letters_come_back_from_a_bucket_that_was_locked_after_they_were_put_there"
BEHIND = f"{LETTERS}/test_fifo.py::test_letters_behind_one_that_was_refused_are_said_to_stand_behind_it"
_FULL_DEVICE = 'if isinstance(error, PartlyKept) and record.outcome != "begun":'

# An action that cannot be recorded does not happen: its beginning is on the disk before it, its end after it.
RECORDED_FIRST = [
    *of(
        "fleet/dead_letters/queues/archive.py",
        (
            "is_outage(error) and code_of(error) not in bears",
            "is_outage(error)",
            "tests/fleet/dead_letters/test_denied_objects.py",
        ),
    ),
    *of(
        "fleet/cli/dlq/put_away.py",
        ('begin(tools, "purge", entry, reason=reason)', "pass", UNRECORDED),
        ('begin(tools, "archive", entry, reason=why)', "pass", UNRECORDED),
    ),
    *of("fleet/cli/dlq/mend.py", ('begin(tools, "edit", entry, reason=reason)', "pass", UNRECORDED)),
    *of(
        "fleet/cli/dlq/frame.py",
        (_FULL_DEVICE, "if isinstance(error, PartlyKept):", UNRECORDED),
        ("enter(tools, command, record, reason=reason, note=note)\n        except", "pass\n        except", ENDS),
        ('record.outcome, note = "refused", str(error)', "pass", ENDS),
        ("if not sound:", "if False:", f"{ORDERS}::test_nothing_begins_on_a_log_that_was_damaged"),
    ),
]
# The log is missed, found again by its anchor, in one place, and mirrored.
ONE_LOG = [
    *of(
        "fleet/dead_letters/audit/log.py",
        ("return 0, [Fault(1, str(error))]", "return 0, []", MISSED),
        (
            "if anchor is not None and anchor not in",
            "if anchor is not None and anchor in",
            f"{HOME}::test_a_history_that_was_written_anew_is_found_by_an_anchor",
        ),
        (
            'self._mirror(Anchor(seq, orjson.loads(line)["hash"]), line)',
            "pass",
            f"{TOLD}::test_each_line_has_its_copy_in_the_mirror_under_its_anchor",
        ),
        ("if failed:\n", "if False:\n", f"{TOLD}::test_a_mirror_that_refuses_a_line_is_named"),
    ),
    *of(
        "fleet/dead_letters/audit/mirror.py",
        (
            "{anchor.seq:09}-{anchor.hash}.json",
            "{anchor.seq:09}.json",
            f"{TOLD}::test_each_line_has_its_copy_in_the_mirror_under_its_anchor",
        ),
    ),
    *of(
        "fleet/dead_letters/audit/home.py",
        (
            'mirror=Mirror(service("s3"), place=place) if place else None',
            "mirror=None",
            f"{ORDERS}::test_a_line_that_the_mirror_does_not_take_stops_an_order",
        ),
    ),
    *of(
        "fleet/dead_letters/settings.py",
        ('return self.state_directory / "dlq-audit.jsonl"', 'return Path("dlq-audit.jsonl")', ONE_HOME),
        (
            "if given and not Path(given).expanduser().is_absolute():",
            "if False:",
            f"{HOME}::test_a_relative_path_would_be_another_log_in_another_directory",
        ),
    ),
    *of("fleet/cli/audit.py", ("answer(str(_place(None)))", 'answer("")', ONE_HOME)),
    Mutation(
        "fleet/dead_letters/whole_lines.py",
        "os.fsync(file)",
        "pass",
        (f"{LOG}::test_a_line_that_the_disk_took_in_part_is_cut_off_again",),
        survives="only a power cut could tell: the kernel shows the line to every process at once",
    ),
]
# Only queues that something names as the place of dead letters, and who names them.
ONLY_DEAD_LETTERS = [
    *of("fleet/dead_letters/queues/catalog.py", ("if not asked.found:", "if False:", LIVE)),
    *of(
        "fleet/dead_letters/queues/feeders.py",
        ('    ("lambda", _functions),\n', "", FEEDERS),
        ('    ("events", _rules),\n', "", FEEDERS),
        ('    ("pipes", _pipes),\n', "", FEEDERS),
        ('    ("sns", _subscriptions),\n', "", FEEDERS),
        ('    ("scheduler", _schedules),\n', "", FEEDERS),
    ),
    *of(
        "fleet/cli/dlq/look.py",
        ("{_listed(info.fed_by)}", "others", f"{ORDERS}::test_a_look_names_who_feeds_the_queue"),
    ),
]
# No change without --yes and a reason; a plan that was never replayed is not resumed.
LOOKED = "        info, _, found = looked_through(tools, queue, filters)\n        "
SAID_YES = [
    *of(
        "fleet/cli/dlq/put_away.py",
        (f'if not yes:\n{LOOKED}_dry("archive"', f'if False:\n{LOOKED}_dry("archive"', NO_YES),
        (f'if not yes:\n{LOOKED}_dry("purge"', f'if False:\n{LOOKED}_dry("purge"', NO_YES),
    ),
    *of(
        "fleet/cli/dlq/mend.py",
        ("        if yes:\n            with held", "        if True:\n            with held", NO_YES),
    ),
    *of(
        "fleet/cli/dlq/replay.py",
        ('counts are printed.\n    """\n    if not yes:', 'counts are printed.\n    """\n    if False:', NO_YES),
        ('yes nothing is sent.\n    """\n    if not yes:', 'yes nothing is sent.\n    """\n    if False:', NO_YES),
        ("if not yes:\n        plan = read_plan(file)", "if False:\n        plan = read_plan(file)", NO_YES),
        (
            "may(file, plan, progress := progress_of(file, plan, tools))",
            "progress = progress_of(file, plan, tools)",
            NO_YES,
        ),
        ("        _at_work(file, plan)\n        say", "        say", NO_YES),
    ),
    *of("fleet/cli/dlq/put_away.py", ("if not fetches and place.is_locked", "if place.is_locked", UNLOCKED)),
    *of("fleet/cli/dlq/replay.py", ('fifo=plan.place.queue.endswith(".fifo")', "fifo=False", BEHIND)),
    *of(
        "fleet/cli/dlq/changes.py",
        (
            "if not progress.runs:\n        raise",
            "if False:\n        raise",
            f"{ORDERS}::test_a_plan_that_was_never_begun_is_not_resumed",
        ),
    ),
    *of(
        "fleet/cli/dlq/frame.py",
        ("if not reason or not reason.strip():", "if not reason:", f"{ORDERS}::test_a_reason_of_spaces_is_none"),
    ),
]
# A plan is sealed with a key; what it changes needs leave, is shown, is archived before, and is named in the log.
SEALED_PLANS = [
    *of(
        "fleet/dead_letters/model/plan/plan.py",
        ("not isinstance(given, str) or not hmac.compare_digest(given.encode(), digest.encode())", "False", SEALED),
        ("hmac.new(key, written, hashlib.sha256)", 'hmac.new(b"", written, hashlib.sha256)', SEALED),
        (
            "except TypeError as error:  # orjson writes",
            "except KeyError as error:  # orjson writes",
            f"{FILES}::test_nesting_is_refused_in_words",
        ),
    ),
    *of(
        "fleet/cli/dlq/changes.py",
        ("if not tools.settings.dlq_edit_enabled:\n            raise", "if False:\n            raise", MENDED),
    ),
    *of(
        "fleet/cli/dlq/replay.py",
        ("show_changes(tools, plan)\n    click", "click", MENDED),
        ("begun.digests = changed_bodies(plan)", "pass", MENDED),
    ),
    *of(
        "fleet/dead_letters/replay/sending.py",
        ("if planned.mended is not None and planned.id not in self.kept:", "if False:", SENDS),
    ),
]
# Destinations stay in the account, functions too; numbers and files that cannot be are refused in words.
WITHIN_LIMITS = [
    *of(
        "fleet/dead_letters/replay/run.py",
        (
            "if limits.strangers([destination], account=account",
            "if False and limits.strangers([destination], account=account",
            ACCOUNT,
        ),
        ("allowed=desk.settings.other_accounts)", "allowed=())", ACCOUNT),
    ),
    *of(
        "fleet/dead_letters/model/plan/limits.py",
        ("not _is_number(rate, above=0, most=FASTEST)", "not _is_number(rate, above=-9, most=FASTEST)", ASKED_FOR),
        ("size >= 1 for size", "size >= 0 for size", ASKED_FOR),
    ),
    *of("fleet/cli/dlq/plan.py", ("type=Finite(min=0.01, max=limits.FASTEST)", "type=float", NUMBERS)),
    *of(
        "fleet/cli/plan_file.py",
        ("if not file.is_file():", "if False:", f"{TOLD}::test_what_is_no_plain_file_is_no_plan"),
    ),
]
ORDERED: tuple[Mutation, ...] = (
    *RECORDED_FIRST, *ONE_LOG, *ONLY_DEAD_LETTERS, *SAID_YES, *SEALED_PLANS, *WITHIN_LIMITS,
)  # fmt: skip
