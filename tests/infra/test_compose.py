"""docker-compose.yml, checked where there is no Docker: its schema, its images, its commands, its names.

The schema is the Compose Specification's own, as shipped by docker-compose 1.29.2 (Apache License 2.0).
"""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from fleet import cli
from shared.settings import Settings, read_settings
from tests.aws import Aws
from workers.roster import WORKERS

ROOT = Path(__file__).parents[2]
FLEET: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FLEET["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "localstack"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_it_is_a_compose_file() -> None:
    schema = json.loads((Path(__file__).parent / "compose" / "schema.json").read_text())
    faults = [fault.message for fault in jsonschema.Draft201909Validator(schema).iter_errors(FLEET)]
    assert faults == []


def test_the_schema_would_notice_a_fault() -> None:
    schema = json.loads((Path(__file__).parent / "compose" / "schema.json").read_text())
    broken = {**FLEET, "services": {"localstack": {**SERVICES["localstack"], "port": []}}}
    assert not jsonschema.Draft201909Validator(schema).is_valid(broken)


def test_every_worker_is_a_service_and_nothing_else_is() -> None:
    assert set(SERVICES) == {"localstack", "stand-ins", *WORKERS}


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_runs_under_its_own_name(name: str) -> None:
    assert OURS[name]["command"] == ["fleet", "run", name]


@pytest.mark.parametrize("name", OURS)
def test_a_services_command_exists_and_takes_its_arguments(name: str) -> None:
    program, command, *arguments = OURS[name]["command"]
    found = cli.fleet.get_command(click.Context(cli.fleet), command)
    assert program == "fleet"
    assert found is not None
    found.make_context(command, arguments)


def test_images_are_pinned_and_the_emulators_is_the_last_free_one() -> None:
    assert SERVICES["localstack"]["image"].split("@")[0] == "localstack/localstack:4.14.0"
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - stages
    assert bases
    assert all(re.fullmatch(r"python:\$\{PYTHON\}-slim-bookworm(@sha256:[0-9a-f]{64})?", base) for base in bases)


def test_workers_run_the_image_that_ships_and_only_the_stand_ins_the_one_for_development() -> None:
    built = {name: (service["image"], service["build"]) for name, service in OURS.items()}
    assert built.pop("stand-ins") == ("sqs-worker-fleet:dev", {"context": ".", "target": "dev"})
    assert set(built.values()) == {("sqs-worker-fleet:local", ".")}


def test_the_image_that_ships_is_the_last_stage_and_copies_nothing_for_development() -> None:
    stages = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert stages[-1].strip() == "FROM production"
    holders = [re.findall(r"^FROM \S+ AS (\S+)", stage)[0] for stage in stages if "COPY fleet/dev" in stage]
    assert holders == ["dev"]


def test_the_emulator_runs_no_functions() -> None:
    opened = SERVICES["localstack"]["environment"]["SERVICES"].split(",")
    assert "lambda" not in opened
    assert {"cloudformation", "dynamodb", "events", "s3", "ses", "sqs"} <= {*opened}
    assert "/var/run/docker.sock" not in str(SERVICES["localstack"]["volumes"])


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits_and_time_to_drain(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert SERVICES[name]["stop_grace_period"] == "30s"


@pytest.mark.parametrize("name", OURS)
def test_our_processes_have_no_privilege_and_write_nowhere_but_tmp(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"^USER (?!0|root)", DOCKERFILE, re.MULTILINE)


def test_what_is_mounted_into_the_emulator_exists() -> None:
    sources = [volume.split(":")[0] for volume in SERVICES["localstack"]["volumes"]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert all(volume.endswith(":ro") for volume in SERVICES["localstack"]["volumes"])


def test_workers_wait_for_the_topology_not_only_for_the_emulator() -> None:
    assert "/_localstack/init/ready" in SERVICES["localstack"]["healthcheck"]["test"][1]
    for service in OURS.values():
        assert service["depends_on"]["localstack"] == {"condition": "service_healthy"}


def test_names_are_the_topologys(aws: Aws) -> None:
    variables = OURS["upload-notification"]["environment"]
    deployed = {
        name: value.replace(f"{aws.project}-", "fleet-").replace(aws.url, "http://localstack:4566")
        for name, value in aws.names.items()
    }
    left_out = {"EVENTS_UNDELIVERED_QUEUE_URL"}  # no worker reads it
    wanted = {name for name in deployed if not name.endswith("_ARN")} - left_out
    assert {name: variables.get(name) for name in wanted} == {name: deployed[name] for name in wanted}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_a_process_needs_is_given_and_valid(name: str) -> None:
    module = import_module(WORKERS.get(name, "fleet.dev.stand_ins.server"))
    models = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Settings)]
    assert models
    for model in models:
        read_settings(model, OURS[name]["environment"])  # raises, naming every variable that is missing or wrong


def test_the_image_is_run_in_the_exec_form() -> None:
    commands = re.findall(r"^\s*(?:CMD|ENTRYPOINT) (.+)$", DOCKERFILE, re.MULTILINE)
    assert commands
    assert all(isinstance(json.loads(command), list) for command in commands)


def test_the_builder_is_sent_what_the_image_copies() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from|\. )(.+) \S+$", DOCKERFILE, re.MULTILINE)
    wanted = {source for line in copied for source in line.split()}
    assert [source for source in wanted if not any(f"{source}/".startswith(f"{each}/") for each in sent)] == []
    assert [source for source in sent if not (ROOT / source).exists()] == []
