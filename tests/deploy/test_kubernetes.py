"""deploy/kubernetes against the published schemas, the "restricted" pod security standard, and itself."""

import copy
import json
import subprocess

import pytest

from harness.service import ROOT, evently

yaml = pytest.importorskip("yaml")

FILES = ("evently.yaml", "migrate.yaml", "secret.example.yaml")
FOLDER = ROOT / "deploy" / "kubernetes"
OBJECTS = [one for name in FILES for one in yaml.safe_load_all((FOLDER / name).read_text())]
needs_schemas = pytest.mark.skipif(
    not (ROOT / "node_modules" / "kubernetes-models").is_dir() or not (ROOT / "node_modules" / "typescript").is_dir(),
    reason="npm packages kubernetes-models and typescript are not there",
)


def faults(objects):
    done = subprocess.run(
        ["node", ROOT / "tests" / "deploy" / "kubernetes.cjs"], input=json.dumps(objects), capture_output=True, text=True, timeout=120
    )
    assert not done.stderr, done.stderr
    return done.stdout


def the(kind, name=None):
    found = [one for one in OBJECTS if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


@needs_schemas
def test_every_object_is_as_its_schema_says():
    kinds = {one["kind"] for one in OBJECTS}
    assert kinds >= {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Job", "NetworkPolicy"}
    assert faults(OBJECTS) == ""


@needs_schemas
def test_the_check_sees_a_wrong_type_a_missing_field_and_a_typo():
    broken = copy.deepcopy(the("Deployment"))
    broken["spec"]["replicas"] = "three"
    assert "replicas" in faults([broken])
    broken = copy.deepcopy(the("Deployment"))
    del broken["spec"]["selector"]
    assert "selector" in faults([broken])
    broken = copy.deepcopy(the("Deployment"))
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert "readynessProbe" in faults([broken])


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_meet_the_restricted_standard(kind):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only root besides."""
    pod = the(kind)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context and "hostPort" not in str(container)
        assert "memory" in container["resources"]["limits"]


def test_names_and_labels_meet():
    deployment = the("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert the("Service")["spec"]["selector"].items() <= labels.items()
    assert the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert the("NetworkPolicy", "evently-in")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    migration = the("Job")["spec"]["template"]["metadata"]["labels"]
    assert not the("Service")["spec"]["selector"].items() <= migration.items(), "the Service would send requests to the Job"
    assert the("NetworkPolicy", "evently-out")["spec"]["podSelector"]["matchLabels"].items() <= migration.items()
    assert the("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    ports = {port["name"]: port["containerPort"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
    settings = the("ConfigMap")["data"]
    assert ports == {"http": 8001, "metrics": int(settings["METRICS_PORT"])}


def test_the_grace_period_is_longer_than_the_drain():
    settings = the("ConfigMap")["data"]
    grace = the("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > int(settings["DRAIN_DELAY_SECONDS"]) + int(settings["DRAIN_TIMEOUT_SECONDS"])


def test_the_settings_are_settings(tmp_path):
    """The binary itself reads them; what the files of the Secret hold is made up here."""
    settings = dict(the("ConfigMap")["data"])
    for key in the("Secret")["stringData"]:
        (tmp_path / key).write_text("x" * 40)
    for name, value in settings.items():
        if value.startswith("/run/secrets/evently/"):
            key = value.rsplit("/", 1)[1]
            assert key in the("Secret")["stringData"], f"{name} is not in the Secret"
            settings[name] = str(tmp_path / key)
    shown = evently("config", settings=settings).stdout.decode()
    for name in settings:
        assert name.removesuffix("_FILE") in shown or name in shown
