"""What a worker's process is told by variables; all else it finds in Parameter Store, under its own path."""

from aws_cdk import Fn

from infra.naming import PROJECT, STAGE
from infra.resources.compute.settings import WorkerSettings
from infra.resources.inputs import taken


def settings_path(worker: str) -> str:
    """Where Parameter Store keeps a worker's settings: `/fleet/dev/webhook-delivery`."""
    return Fn.sub(f"/${{{PROJECT}}}/${{{STAGE}}}/{worker}")


def variables(settings: WorkerSettings) -> dict[str, str]:
    """Queues, tables, buckets and what stands for its settings, by variable."""
    queues = {
        f"{source.queue.upper().replace('-', '_')}_{kind}_URL": taken(
            "messaging", f"{source.stem}{kind.capitalize()}Url"
        )
        for source in settings.sources
        for kind in ("QUEUE", "DLQ")
    }
    return {
        **queues,
        **{name: taken("messaging", key) for name, key in settings.variables.items()},
        **{name: taken("access", key) for name, key in settings.kept.items()},
        **{name: Fn.ref(parameter) for name, parameter in settings.asked.items()},
        "CLAIM_CHECK_BUCKET_NAME": taken("messaging", "ClaimCheckBucketName"),
        "LEDGER_TABLE_NAME": taken("messaging", "LedgerTableName"),
        "SETTINGS_PATH": settings_path(settings.name),
        "AWS_SDK_UA_APP_ID": settings.name,  # CloudTrail shows it with each call
    }
