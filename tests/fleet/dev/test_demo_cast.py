"""The demo's cast reads as the workers read it: rows and keys are the real ones."""

import hashlib
from datetime import UTC, datetime

import orjson
from boto3.dynamodb.types import TypeDeserializer

from fleet.dev.demo import cast
from tests.fakes import delivery
from workers.reminder_dispatch.schedule.occurrence import read_content, read_series, read_state
from workers.upload_notification.event import decode, session_of
from workers.webhook_delivery.store import endpoint_items

NOW = datetime(2026, 11, 21, 9, 30, 15, 123456, tzinfo=UTC)


def test_every_file_belongs_to_the_session_that_its_key_names() -> None:
    files = (*cast.files("run"), *cast.judged_files("run"), *cast.files_under_fire("run"))
    assert [session_of(file.key) for file in files] == [file.session_id for file in files]
    assert len({file.session_id for file in files}) == len(files)


def test_the_files_are_of_every_size_up_to_a_multipart_upload() -> None:
    sizes = [file.size for file in cast.files("run")]
    assert min(sizes) == 1
    assert 100 * cast.KIB in sizes
    assert max(sizes) > cast.PART


def test_the_judged_files_are_a_good_one_a_polyglot_an_empty_an_infected_and_a_replaced_one() -> None:
    judged = cast.judged_files("run")
    assert {each.reason for each in judged} == {None, "content_mismatch", "empty", "threats_found"}
    assert [each.content for each in judged if each.scan == "THREATS_FOUND"] == [cast.EICAR]
    assert hashlib.md5(cast.EICAR).hexdigest() == "44d88612fea8a8f36de82e1278abb02f"  # how the file is known
    (replaced,) = (each for each in judged if each.draft is not None)
    assert replaced.draft != replaced.content


def test_a_scan_result_of_the_cast_is_one_to_the_worker() -> None:
    file = next(each for each in cast.judged_files("run") if each.scan == "THREATS_FOUND")
    said = cast.scan_result(file, bucket="uploads", etag="abc", version=None, now=NOW)
    (scan,) = decode(delivery(orjson.dumps(said).decode()), bucket="uploads").scans
    assert (scan.session_id, scan.key, scan.etag, scan.result) == (file.session_id, file.key, "abc", "THREATS_FOUND")


def test_reminders_are_due_now_in_three_time_zones_and_one_comes_again() -> None:
    reminders = cast.appointments("run", now=NOW)
    assert {each.channel: each.local_time for each in reminders} == {
        "push": "2026-11-21T10:30:15",
        "email": "2026-11-21T04:30:15",
        "webhook": "2026-11-21T15:00:15",
    }
    for each in (*reminders, *cast.appointments_under_fire("run", now=NOW)):
        item = cast.reminder_item(each, tenant="t", now=NOW)
        row = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
        assert read_state(row).status == "PENDING"
        assert read_content(row).channel == each.channel
        assert (read_series(row) is not None) == (each.rule is not None)


def test_endpoints_are_found_by_the_webhook_worker() -> None:
    for customer in cast.customers():
        item = cast.endpoint_item(customer, run="run", tenant="t", url="http://127.0.0.1/", secret="whsec_x", now=NOW)
        found = endpoint_items.subscription(item)
        assert found is not None
        assert found.enabled
        assert endpoint_items.endpoint_key("t", found.endpoint_id) == cast.endpoint_key(customer, run="run", tenant="t")
