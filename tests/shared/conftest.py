"""The fault-injecting SQS server for all tests of this folder; property tests judge values, not a shared machine's speed."""

from hypothesis import HealthCheck, settings

from tests.sqs_server.conftest import server, server_process

__all__ = ["server", "server_process"]

settings.register_profile("fleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fleet")
