"""An SQS as a process of its own, with real semantics, faults on demand, and a ledger of all that happened.

    with sqs_server() as server:                              # tests.sqs_server.running; ends with this process
        url, dead_url = server.make_pair("uploads", receives=5, VisibilityTimeout=10)
        environment = {**server.environment, "UPLOADS_QUEUE_URL": url, "UPLOADS_DLQ_URL": dead_url}
        server.control.fault("throttled", "DeleteMessageBatch", probability=0.2, seed=7)
        server.control.fault("reset", "ReceiveMessage", count=3, after=True)
        ...                                                   # handlers: `async with control.handling(message_id):`
        server.control.heal()
        server.control.advance(43_200)                        # hours pass for leases, delays and retention
        assert check(server.control.ledger()).faults == {}    # tests.sqs_server.checker

`python -m tests.sqs_server --port 9324` serves by hand; `python -m tests.sqs_server.load` measures it.
"""
