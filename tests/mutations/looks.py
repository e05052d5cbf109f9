"""The mutations of what is promised of looks, letters and replays, promise by promise, each with the smallest test that has to notice it."""

from tests.mutations.mutation import Mutation, of

LETTERS = "tests/fleet/dead_letters"
ORDERS, TOLD, FILES = (f"{LETTERS}/test_{name}.py" for name in ("orders", "promises", "plan_files"))
HOME, LOG, SHOWN = f"{LETTERS}/test_audit_home.py", f"{LETTERS}/test_audit.py", f"{LETTERS}/test_shown.py"
CONTENT, SHAPES, SENDS = f"{LETTERS}/test_content.py", f"{LETTERS}/test_shapes.py", f"{LETTERS}/test_sends.py"
VERDICTS = f"{LETTERS}/test_verdicts.py"
FAULTY = f"{LETTERS}/test_letter_by_letter.py"
ONE_BY_ONE = f"{FAULTY}::test_a_letter_with_a_fault_is_left_with_its_fault_and_the_others_are_planned"
GIVEN_BACK, PACE = f"{LETTERS}/test_given_back.py", f"{LETTERS}/test_replay_pace.py"
FEEDERS, OWN_POLICY = f"{LETTERS}/queues/test_feeders.py", f"{LETTERS}/queues/test_own_policy.py"
CAME_BACK = f"{ORDERS}::test_letters_that_come_back_are_counted_written_down_and_end_with_4"
STATES = f"{TOLD}::test_a_plan_has_a_state_since_a_moment_and_a_next_command"
NO_END = f"{HOME}::test_a_plan_without_an_end_says_so_and_a_changed_log_ends_with_1"
VERDICT = "tests/shared/road/failure/test_verdict.py"

# What is shown without --reveal comes from a list, and all foreign text goes through one filter.
SHOWN_BY_A_LIST = [
    *of(
        "fleet/dead_letters/model/redaction.py",
        (
            "return name.lower() in SHOWN and",
            "return",
            f"{TOLD}::test_only_names_on_the_list_are_shown_with_their_values",
        ),
        ("elif name in REASON and (", "elif (", f"{TOLD}::test_what_made_room_for_an_envelope_stays_hidden"),
        ("if _KEY.fullmatch(text):", "if True:", f"{SHOWN}::test_of_another_key_only_a_digest_is_shown"),
        (
            "else repr(each)[1:-1] for each in text",
            "else each for each in text",
            f"{CONTENT}::test_what_a_terminal_would_obey_is_escaped",
        ),
        (
            "return escaped(orjson.dumps(document).decode())",
            "return orjson.dumps(document).decode()",
            f"{TOLD}::test_json_for_a_terminal_holds_no_character_that_it_would_obey",
        ),
    ),
    *of(
        "fleet/cli/dlq/frame.py",
        (
            "click.echo(redaction.one_line(words), err=True)",
            "click.echo(words, err=True)",
            f"{SHOWN}::test_words_on_stderr_are_one_line_whatever_they_quote",
        ),
    ),
]
# A pause waits for those that follow and names them; a canary is watched for where its destination's letters die; a restore leaves
# what an edit replaced.
FOLLOWED_UP = [
    *of("fleet/cli/controls.py", ('say(f"{process} follows")', "pass", "tests/fleet/cli/test_followers.py")),
    *of(
        "fleet/dead_letters/replay/inventory.py",
        (
            "self.opened.info), *self.elsewhere):",
            "self.opened.info),):",
            f"{TOLD}::test_a_canary_that_dies_in_its_destinations_own_dead_letter_queue_is_seen",
        ),
    ),
    *of(
        "fleet/dead_letters/restoring.py",
        (
            "elif batch.label.replaced and not self.archive_id:",
            "elif False:",
            f"{TOLD}::test_what_a_changed_copy_replaced_comes_back_only_by_its_archives_name",
        ),
        (
            "return not self.archive_id and (",
            "return (",
            f"{TOLD}::test_what_a_changed_copy_replaced_comes_back_only_by_its_archives_name",
        ),
    ),
]
# Looking moves no letter: checked before the first receive, read within what is safe, and said.
ONLY_LOOKED_AT = [
    *of(
        "fleet/dead_letters/queues/own_policy.py",
        (
            "if most >= FEWEST else 0",
            "",
            f"{OWN_POLICY}::test_a_queue_that_moves_letters_after_three_looks_is_not_looked_into",
        ),
    ),
    *of(
        "fleet/dead_letters/queues/dead_letter_queue.py",
        (
            "received >= self._own_policy:",
            "False:",
            f"{OWN_POLICY}::test_above_that_looks_stop_at_half_of_the_receives_and_give_back_all",
        ),
        (
            'if error.response["Error"]["Code"].endswith("OverLimit"):',
            "if False:",
            f"{OWN_POLICY}::test_more_letters_than_may_be_in_flight_are_read_in_part_and_that_is_said",
        ),
    ),
    *of(
        "fleet/dead_letters/looking.py",
        (
            "    if found.expected <= most:\n",
            "    if True:\n",
            f"{OWN_POLICY}::test_an_incomplete_look_says_whether_others_hold_letters_or_the_quota_does",
        ),
    ),
]
# One letter that cannot be read stands in nobody's way, and neither does an SNS that is silent.
LETTER_BY_LETTER = [
    *of(
        "fleet/dead_letters/model/view.py",
        (
            "    except UNREADABLE as error:",
            "    except ZeroDivisionError as error:",
            f"{TOLD}::test_a_letter_that_cannot_be_judged_is_listed_as_such",
        ),
        ("if fault := outgoing.fault(letter, shape=judged.shape):", 'if fault := "":', ONE_BY_ONE),
    ),
    *of(
        "fleet/dead_letters/replay/sending.py",
        ("        except UNREADABLE as error:", "        except ZeroDivisionError as error:", SENDS),
    ),
    *of(
        "fleet/dead_letters/queues/dead_letter_queue.py",
        (
            "if fault := _fault(message):",
            'if fault := "":',
            f"{GIVEN_BACK}::test_a_message_that_cannot_be_read_is_named_and_given_back_and_the_others_go_on",
        ),
    ),
    *of(
        "fleet/dead_letters/queues/topics.py",
        ("        if self.silent:", "        if False:", f"{TOLD}::test_a_silent_sns_is_waited_for_once"),
        (
            'FORBIDDEN | {"AuthorizationError"}',
            "FORBIDDEN",
            f"{TOLD}::test_a_topic_that_may_not_be_asked_about_is_told_with_the_action_that_was_denied",
        ),
    ),
]
# What only SQS can write wins, and a contradiction goes nowhere by itself.
WHERE_FROM = [
    *of(
        "fleet/dead_letters/model/shapes.py",
        ('if against := sorted(claims - {moved_from, ""}):', "if against := []:", SHAPES),
        ("destination=moved_from)", 'destination=max(claims, default=""))', SHAPES),
    ),
    *of(
        "fleet/dead_letters/model/letter.py",
        ("foreign = {identity.ATTRIBUTE} if self.moved_from else set[str]()", "foreign = set[str]()", SHAPES),
    ),
    *of(
        "fleet/dead_letters/model/plan/draft.py",
        (
            "if not able or not destination:",
            "if not able:",
            f"{TOLD}::test_a_letter_without_a_known_destination_is_left_out_of_a_plan",
        ),
    ),
]
# What came back and what is not known is watched for, counted, and ends with 4; the receives grow with the queue.
WHAT_CAME_BACK = [
    *of(
        "fleet/dead_letters/replay/canary.py",
        ("back | (sight.returned & ids)", "back", VERDICTS),
        ("if back and not to_the_end:", "if back:", VERDICTS),
        ("if now >= deadline or cancelled():", "if now >= deadline:", VERDICTS),
    ),
    *of(
        "fleet/dead_letters/replay/mover.py",
        ('self.journal.note("returned", sorted(seen.returned), step=step.number)', "pass", CAME_BACK),
        ("strangers |= {name: met.held.pop(name) for name in [*met.held] if name not in met.found}", "pass", PACE),
    ),
    *of("fleet/cli/dlq/replay.py", ("progress.skipped or progress.returned or", "progress.skipped or", CAME_BACK)),
    *of(
        "fleet/dead_letters/replay/sending.py",
        ("unsure |= {left[place].id for place in posted.uncertain}", "pass", SENDS),
        ("return self.lost_in_a_row >= MOST_LOST", "return False", SENDS),
    ),
    *of(
        "fleet/dead_letters/replay/inventory.py",
        (
            'opened.clients.open("sqs", attempts=1)',
            'opened.clients.open("sqs", attempts=3)',
            f"{ORDERS}::test_a_send_whose_answer_was_lost_is_made_once",
        ),
    ),
]
# A plan has one state and one next command; a wish to stop it is for its runner; files are private, and silence ends.
STATE_AND_ADVICE = [
    *of(
        "fleet/cli/shown/tables.py",
        (
            "console.print(fitted(table, console.width))",
            "console.print(table)",
            f"{SHOWN}::test_a_narrow_terminal_gets_a_line_for_each_cell",
        ),
        (
            "+ GAP for column, longest in widths) <= width:",
            "for column, longest in widths) <= 10**9:",
            f"{SHOWN}::test_what_is_copied_from_a_table_is_never_broken_however_narrow_the_terminal",
        ),
    ),
    *of(
        "fleet/cli/dlq/replay.py",
        ("if journals.is_held(file):", "if True:", f"{ORDERS}::test_a_cancel_without_a_runner_stops_no_later_run"),
    ),
    *of(
        "fleet/dead_letters/replay/report.py",
        ('if is_stopped(plan, progress):\n        return "stopped"', 'if False:\n        return "stopped"', STATES),
        ('if progress.end == "cancelled":\n', "if False:\n", STATES),
        ('"running": progress.began_at}', '"running": 0.0}', STATES),
        ('"stopped": looked,\n', "", STATES),
    ),
    *of(
        "fleet/cli/dlq/plan.py",
        (
            "if not output.parent.is_dir():",
            "if False:",
            f"{ORDERS}::test_a_plan_into_a_directory_that_is_not_there_is_refused_in_words",
        ),
    ),
    *of(
        "fleet/cli/plan_file.py",
        ("os.fchmod(file, 0o600)", "pass", f"{TOLD}::test_a_file_that_was_open_to_all_becomes_its_owners_alone"),
    ),
    *of(
        "fleet/dead_letters/queues/catalog.py",
        (
            "read_timeout=4",
            "read_timeout=40",
            f"{LETTERS}/test_silence.py::test_all_tries_of_every_client_fit_into_fifteen_seconds",
        ),
    ),
]
# Groups tell AWS's code and the text of a refusal, without numbers, ids and quoted words.
GROUPS = [
    *of(
        "shared/road/failure/verdict.py",
        ("said = _mask(_why(error)) if", "said = _why(error) if", VERDICT),
        ("said = _mask(_why(error)) if isinstance(error, Reject)", 'said = "" if isinstance(error, Reject)', VERDICT),
        ('else code if code != _type(error) else ""', 'else ""', VERDICT),
    ),
    *of(
        "fleet/dead_letters/model/groups.py",
        ("message=one.message,", 'message="",', f"{TOLD}::test_a_group_tells_the_gist_of_what_was_said"),
    ),
    *of(
        "fleet/dead_letters/model/redaction.py",
        (
            r"""bare = re.sub(r"(['\"`]).*?\1", "#", text)""",
            "bare = text",
            f"{TOLD}::test_a_group_tells_the_gist_of_what_was_said",
        ),
        ('"#" if _TELLING.search(word) else word', "word", f"{TOLD}::test_a_group_tells_the_gist_of_what_was_said"),
    ),
]
# The runbook begins from alarms; what was done is proved; a missing region is told, and a stage is found by its stack.
PROVED = [
    *of(
        "docs/runbook.md",
        (
            "## 1. A bad deploy",
            "## A bad deploy",
            f"{LETTERS}/test_runbook.py::test_the_five_most_likely_incidents_are_there_and_the_last_page_proves_what_was_done",
        ),
    ),
    *of(
        "fleet/dead_letters/audit/story.py",
        ('"unfinished": lines[-1].get("outcome") == "begun"', '"unfinished": False', NO_END),
    ),
    *of(
        "fleet/cli/audit.py",
        ("sys.exit(FAILED if faults else 0)\n\n\ndef _print", "sys.exit(0)\n\n\ndef _print", NO_END),
    ),
    *of(
        "fleet/cli/command.py",
        (
            "raise Misconfigured(_no_region())",
            'raise Misconfigured("no region")',
            f"{TOLD}::test_a_missing_region_is_told_with_where_it_was_looked_for_and_how_to_name_a_stage",
        ),
    ),
    *of(
        "fleet/dead_letters/queues/stack.py",
        (
            'variable(each["OutputKey"]):',
            'each["OutputKey"]:',
            f"{TOLD}::test_a_stage_is_read_off_the_outputs_of_its_stack",
        ),
    ),
]
TOLD_AND_SENT: tuple[Mutation, ...] = (
    *SHOWN_BY_A_LIST, *FOLLOWED_UP, *ONLY_LOOKED_AT, *LETTER_BY_LETTER, *WHERE_FROM,
    *WHAT_CAME_BACK, *STATE_AND_ADVICE, *GROUPS, *PROVED,
)  # fmt: skip
