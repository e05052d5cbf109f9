"""One saved query for each question that an incident asks of the log."""

from typing import Final

LIMIT: Final = "| limit 100"

# Read by tests: each event is one that the code logs, and each field one that it writes there.
QUERIES: Final[dict[str, str]] = {
    "what-became-of-a-message": (
        'filter message_id = "PUT-ITS-ID-HERE"\n'
        "| fields timestamp, event, worker, queue, attempt, outcome, why, error_type, duration_ms\n"
        "| sort timestamp asc"
    ),
    "what-dies-and-of-what": (
        'filter event = "message_buried"\n'
        "| stats count(*) as letters, earliest(timestamp) as first, latest(timestamp) as last by queue, error_type, fingerprint\n"
        f"| sort letters desc {LIMIT}"
    ),
    "why-messages-come-back": (
        'filter event = "message_hidden"\n'
        f"| stats count(*) as messages, max(attempt) as most by queue, why\n| sort messages desc {LIMIT}"
    ),
    "how-many-fail": (
        'filter event in ["message_done", "message_hidden", "message_buried", "message_waits_for_dependency"]\n'
        "| stats count(*) as messages by bin(5m), queue, outcome"
    ),
    "what-takes-long": (
        'filter event in ["message_done", "message_hidden", "message_buried"]\n'
        "| stats count(*) as messages, pct(duration_ms, 50) as p50, pct(duration_ms, 99) as p99, max(duration_ms) as most "
        "by queue, outcome"
    ),
    "which-dependency-is-down": (
        'filter event in ["dependency_down", "dependency_back"]\n'
        f"| fields timestamp, event, dependency, error_type, told, after_s\n| sort timestamp desc {LIMIT}"
    ),
    "what-asks-for-a-person": (
        'filter level = "error" and event != "message_buried" and event != "dependency_down"\n'
        f"| stats count(*) as lines, latest(timestamp) as last by event\n| sort lines desc {LIMIT}"
    ),
    "which-leases-were-lost": ('filter event = "lease_lost"\n| stats count(*) as leases by bin(5m), queue, reason'),
    "what-aws-refused-to-settle": (
        'filter event in ["settlement_refused", "burial_refused", "lease_extension_failed"]\n'
        "| stats count(*) as refusals, latest(timestamp) as last by event, queue"
    ),
    "what-was-given-up-on-purpose": (
        f'filter event = "event_dropped"\n| stats count(*) as events by worker, reason\n| sort events desc {LIMIT}'
    ),
    "which-endpoint-fails": (
        'filter event = "webhook_attempt_failed"\n'
        "| stats count(*) as attempts, max(attempt) as furthest by tenant, endpoint_id, status, error\n"
        f"| sort attempts desc {LIMIT}"
    ),
    "whose-webhooks-are-most": (
        'filter event in ["webhook_delivered", "webhook_attempt_failed"]\n'
        f"| stats count(*) as attempts by tenant, event\n| sort attempts desc {LIMIT}"
    ),
    "what-became-of-an-upload": (
        'filter session_id = "PUT-ITS-ID-HERE"\n'
        "| fields timestamp, event, outcome, upload_id, reason\n| sort timestamp asc"
    ),
    "how-reminders-end": (
        'filter event = "reminder_settled"\n'
        f"| stats count(*) as reminders by channel, status, reason\n| sort reminders desc {LIMIT}"
    ),
    "how-much-is-archived": (
        'filter event = "audit_object_written"\n'
        "| stats count(*) as objects, sum(rows) as all_rows, sum(bytes) as all_bytes by bin(1h)"
    ),
    "which-processes-came-and-went": (
        'filter event in ["worker_started", "worker_stopped", "process_overran_its_budget"]\n'
        f"| fields timestamp, event, worker\n| sort timestamp desc {LIMIT}"
    ),
}
