"""Celery over SQS, pool of eight threads, gossip and mingle off."""

import base64
import json
import os
import uuid
from urllib.parse import quote, urlsplit

from celery import Celery  # type: ignore[import-not-found]  # only in the peers' environment

from tests.bench.work import Work

THREADS = 8


def envelope(text: str, queue: str) -> str:
    name = str(uuid.UUID(int=0))
    body = base64.b64encode(json.dumps([[text], {}, {}]).encode()).decode()
    headers = {"lang": "py", "task": "order", "id": name, "root_id": name, "argsrepr": "()", "kwargsrepr": "{}"}
    properties = {
        "correlation_id": name,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": name,
    }
    whole = {"body": body, "content-encoding": "utf-8", "content-type": "application/json"}
    return base64.b64encode(json.dumps({**whole, "headers": headers, "properties": properties}).encode()).decode()


def consume(work: Work) -> None:
    queue = work.task.url.rpartition("/")[2]
    key, secret = quote(os.environ["AWS_ACCESS_KEY_ID"]), quote(os.environ["AWS_SECRET_ACCESS_KEY"])
    app = Celery("bench", broker=f"sqs://{key}:{secret}@{urlsplit(work.task.endpoint).netloc}//")
    app.conf.update(
        task_default_queue=queue,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        task_ignore_result=True,
        worker_prefetch_multiplier=10,
        task_acks_late=True,
        broker_transport_options={
            "region": os.environ["AWS_REGION"],
            "is_secure": False,
            "wait_time_seconds": 20,
            "predefined_queues": {queue: {"url": work.task.url}},
        },
    )
    app.task(work.handle, name="order", ignore_result=True)
    flags = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
    app.worker_main(["worker", "-P", "threads", "-c", str(THREADS), *flags])
