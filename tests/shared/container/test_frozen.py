"""A process that stands still (SIGSTOP, a laptop's lid, a paused machine) starts no work on a lease that has ended meanwhile."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.shared.container.test_process import running
from tests.sqs_server.running import SqsServer
from tests.waiting import until


@pytest.mark.guarantee("R8")
@pytest.mark.slow
async def test_what_came_while_the_process_stood_still_is_not_started_once_somebody_else_may_have_it(
    server: SqsServer, tmp_path: Path
) -> None:
    url, dead_letter_url = server.make_pair("uploads")
    effects = tmp_path / "effects"
    environment = {
        **server.environment,
        "UPLOADS_QUEUE_URL": url,
        "UPLOADS_DLQ_URL": dead_letter_url,
        "EFFECTS": str(effects),
        "WORK_SECONDS": "0",
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "3",
        "VISIBILITY_SECONDS": "5",
        "PATH": os.environ["PATH"],
    }

    def in_flight() -> bool:
        return bool(server.control.stats()["queues"]["uploads"]["in_flight"] == 1)

    async with running(environment) as made:
        await made.port()
        await until(lambda: server.control.stats()["queues"]["uploads"]["open_polls"] == 1, what="an open poll")
        made.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.to_thread(server.sqs.send_message, QueueUrl=url, MessageBody="a")
            await until(in_flight, what="the frozen process's poll to take it")
            rival = await asyncio.to_thread(
                server.sqs.receive_message, QueueUrl=url, WaitTimeSeconds=10, VisibilityTimeout=60
            )
        finally:
            made.process.send_signal(signal.SIGCONT)
        [message] = rival["Messages"]
        await asyncio.to_thread(server.sqs.delete_message, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        await asyncio.to_thread(server.sqs.send_message, QueueUrl=url, MessageBody="b")
        await until(effects.exists, what="the work that comes afterwards")
        assert effects.read_text() == "b\n", "a was somebody else's"
