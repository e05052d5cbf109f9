"""The Kubernetes manifests, checked where there is no cluster: schemas cut down to the fields in use, and names that agree with the fleet's.

The schemas are written after the API reference of Kubernetes 1.31 and KEDA 2.16; an unknown field is a fault.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from shared.settings import variable
from tests.infra.template import stack
from workers import roster

ROOT = Path(__file__).parents[3]
BASE = ROOT / "kubernetes" / "base"
OVERLAY = ROOT / "kubernetes" / "overlays" / "example"
SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parent / "schemas.json").read_text())
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text())
MANIFESTS: list[dict[str, Any]] = [
    one for name in KUSTOMIZATION["resources"] for one in yaml.safe_load_all((BASE / name).read_text())
]


def of(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


def faults(manifest: dict[str, Any]) -> list[str]:
    schema = SCHEMAS[manifest["kind"]] | {"definitions": SCHEMAS["definitions"]}
    return [fault.message for fault in jsonschema.Draft7Validator(schema).iter_errors(manifest)]


def test_every_manifest_is_one_that_the_cluster_would_take() -> None:
    for manifest in MANIFESTS:
        assert faults(manifest) == [], manifest["metadata"]["name"]


def test_the_schemas_would_notice_a_fault() -> None:
    deployment = of("Deployment")["audit-archive"]
    assert faults(deployment | {"spec": deployment["spec"] | {"replica": 2}})
    scaled = of("ScaledObject")["audit-archive"]
    assert faults(scaled | {"spec": scaled["spec"] | {"minReplicaCount": "0"}})


def test_all_files_are_in_the_kustomization() -> None:
    assert {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"} == {*KUSTOMIZATION["resources"]}


def test_each_worker_of_the_roster_runs_and_is_scaled_on_each_of_its_queues() -> None:
    assert of("Deployment").keys() == of("ScaledObject").keys() == of("ServiceAccount").keys() == roster.WORKERS.keys()
    for name in roster.WORKERS:
        pod = of("Deployment")[name]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert container["command"] == ["fleet", "run", name]
        assert pod["serviceAccountName"] == name
        spec = of("ScaledObject")[name]["spec"]
        assert spec["scaleTargetRef"] == {"name": name, "envSourceContainerName": container["name"]}
        watched = {trigger["metadata"]["queueURLFromEnv"] for trigger in spec["triggers"]}
        assert watched == {f"{variable(queue)}_QUEUE_URL" for queue in roster.app(name).queues}
        assert all(trigger["authenticationRef"]["name"] in of("TriggerAuthentication") for trigger in spec["triggers"])


def test_a_pod_has_time_to_drain_may_do_little_and_is_asked_for_its_health() -> None:
    for name, deployment in of("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        given = {each["name"]: each["value"] for each in container["env"]}
        assert 30 <= pod["terminationGracePeriodSeconds"] - int(given["DRAIN_SECONDS"]) <= 120, name
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert given["HEALTH_HOST"] == "0.0.0.0"
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]
        assert "replicas" not in deployment["spec"], "KEDA decides"


def test_the_overlay_names_what_the_base_leaves_open() -> None:
    overlay = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())
    [image] = overlay["images"]
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in of("Deployment").values()}
    assert images == {image["name"]}
    assert image["digest"].startswith("sha256:")
    [generated] = overlay["configMapGenerator"]
    assert {
        each["configMapRef"]["name"]
        for one in of("Deployment").values()
        for each in one["spec"]["template"]["spec"]["containers"][0]["envFrom"]
        if "configMapRef" in each
    } == {generated["name"]}
    assert {patch["target"]["name"] for patch in overlay["patches"]} == roster.WORKERS.keys()
    named = {line.partition("=")[0] for line in (OVERLAY / "names.env").read_text().splitlines() if "=" in line}
    queues = {queue for name in roster.WORKERS for queue in roster.app(name).queues}
    assert named >= {f"{variable(queue)}_{kind}_URL" for queue in queues for kind in ("QUEUE", "DLQ")}


def test_a_pod_is_told_every_name_that_a_function_is_told() -> None:
    """A worker without the bucket of large bodies would bury messages that a function handles."""
    named = {line.partition("=")[0] for line in (OVERLAY / "names.env").read_text().splitlines() if "=" in line}
    functions = stack("workers", "prod").resources("AWS::Lambda::Function").values()
    told = {name for each in functions for name in each["Properties"]["Environment"]["Variables"]}
    # What a secret or a setting of one worker stands for, and what says who calls; the README tells of the first.
    own = {"AUDIT_HASH_KEYS_SECRET_ARN", "EXPO_ACCESS_TOKEN_SECRET_ARN", "EMAIL_SENDER", "SETTINGS_PATH"}
    assert told - own - {"AWS_SDK_UA_APP_ID"} - named == set()
    readme = (ROOT / "kubernetes" / "README.md").read_text()
    assert [name for name in sorted(own) if name.removesuffix("_SECRET_ARN") not in readme] == []
