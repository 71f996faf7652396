"""Pods are restricted by Pod Security, probed at the health port, and matched by their own selectors."""

from collections.abc import Mapping
from typing import Any

import pytest

from servicekit.readiness import LIVE
from tests.deployment.chart import (
    NEWEST,
    OLDEST,
    SERVERS,
    VARIANTS,
    containers,
    environment,
    own_containers,
    selects,
    services,
    stateful_services,
    values_of,
    variant,
)

every_variant = pytest.mark.parametrize("name", VARIANTS)
USER = 10001
PORTS = {"internal": 8443, "agency": 8444, "public": 8445, "health": 8081, "metrics": 9090}


@every_variant
def test_every_pod_is_restricted(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, the profile `restricted`."""
    kinds = set()
    for where, pod in variant(name).pods():
        kinds.add(where.partition(" ")[0])
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, where
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (USER, USER, USER), where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec), where
        allowed = {"name", "emptyDir", "configMap", "secret"}
        assert all(set(volume) <= allowed for volume in spec["volumes"]), where
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, where
            assert own["capabilities"] == {"drop": ["ALL"]}, where
            assert own["runAsNonRoot"] is True, where
            assert own["seccompProfile"] == {"type": "RuntimeDefault"}, where
            # Beyond the profile: only /tmp is writable.
            assert own["readOnlyRootFilesystem"] is True, where
            written = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
            assert written == ["/tmp"], where
    assert kinds == ({"Deployment"} if name == "small" else {"Deployment", "Job", "Pod"})


@every_variant
def test_pods_have_no_token_and_no_service_variables(name: str) -> None:
    release = variant(name)
    accounts = {account["metadata"]["name"]: account for account in release.of_kind("ServiceAccount")}
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    for where, pod in release.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, where
        assert pod["spec"]["enableServiceLinks"] is False, where
        assert pod["spec"]["serviceAccountName"] in accounts, where


@every_variant
def test_servers_listen_at_the_agreed_ports_and_workers_at_none(name: str) -> None:
    for service, command, container in own_containers(variant(name)):
        variables = environment(container)
        listens = {
            variable.removeprefix("TOROKU_").removesuffix("_LISTEN").lower(): int(value.rpartition(":")[2])
            for variable, value in variables.items()
            if variable.endswith("_LISTEN")
        }
        assert listens.items() <= PORTS.items()
        if command in (*SERVERS, "worker"):
            assert listens == {port["name"]: port["containerPort"] for port in container["ports"]}, service
        if command == "worker":
            assert set(listens) <= {"health", "metrics"}
        assert ("metrics" in listens) == (name != "small" and command in (*SERVERS, "worker"))


@every_variant
def test_probes_use_the_health_port_and_a_database_failure_restarts_no_pod(name: str) -> None:
    for service, command, container in own_containers(variant(name)):
        probes = {
            kind: container[kind] for kind in ("startupProbe", "livenessProbe", "readinessProbe") if kind in container
        }
        if command not in (*SERVERS, "worker"):
            assert probes == {}
            continue
        assert {kind: probe["grpc"] for kind, probe in probes.items()} == {
            "startupProbe": {"port": PORTS["health"], "service": LIVE},
            "livenessProbe": {"port": PORTS["health"], "service": LIVE},
            # No service name: the process as a whole, including its database and schema.
            "readinessProbe": {"port": PORTS["health"]},
        }, service


@every_variant
@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_pod_has_enough_time_to_stop(name: str, kubernetes: str) -> None:
    for where, pod in variant(name, kubernetes).pods():
        if not where.startswith("Deployment"):
            continue
        (container,) = pod["spec"]["containers"]
        waits = 5 if "lifecycle" in container else 0
        grace = float(environment(container)["TOROKU_STOP_GRACE"])
        assert pod["spec"]["terminationGracePeriodSeconds"] >= grace + waits + 5, where
        # A load balancer still sends calls for a moment after the stop was requested.
        reached = {"agency", "public"} & {port["name"] for port in container["ports"]}
        assert bool(waits) == bool(reached), where


@every_variant
def test_first_pods_migrate_with_the_direct_address(name: str) -> None:
    release = variant(name)
    for document in release.of_kind("Deployment"):
        pod = document["spec"]["template"]
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        initial = pod["spec"].get("initContainers", [])
        assert [container["args"] for container in initial] == ([["migrate"]] if service in stateful_services() else [])
        for container in initial:
            assert container["image"] == pod["spec"]["containers"][0]["image"]
    for service, command, container in own_containers(release):
        variables = environment(container)
        if "TOROKU_DATABASE_POOLED" in variables:
            assert variables["TOROKU_DATABASE_POOLED"] == "true"
            assert command in SERVERS, service
        address = str(variables.get("TOROKU_DATABASE", ""))
        if command not in SERVERS:
            assert "pool" not in address, f"{service} {command}"


@every_variant
def test_selectors_find_their_own_pods_and_no_others(name: str) -> None:
    release = variant(name)
    pods = [(where, pod["metadata"]["labels"]) for where, pod in release.pods()]
    for document in release.documents:
        kind, spec = document["kind"], document.get("spec", {})
        if kind == "Service":
            selector: Mapping[str, Any] = {"matchLabels": spec["selector"]}
        elif kind in ("Deployment", "PodDisruptionBudget"):
            selector = spec["selector"]
        else:
            continue
        # Hooks and the check serve no calls, so no selector may match them.
        found = [where for where, labels in pods if selects(selector, labels)]
        own = document["metadata"]["labels"]
        (deployment,) = (
            f"Deployment {candidate['metadata']['name']}"
            for candidate in release.of_kind("Deployment")
            if all(
                candidate["metadata"]["labels"][f"app.kubernetes.io/{key}"] == own[f"app.kubernetes.io/{key}"]
                for key in ("name", "component")
            )
        )
        assert found == [deployment], f"{kind} {document['metadata']['name']}"
        if kind == "Deployment":
            assert set(selector["matchLabels"]) == {
                f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")
            }
    for scaler in release.of_kind("HorizontalPodAutoscaler"):
        target = release.named("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        assert target["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
        assert "replicas" not in target["spec"]
        (container,) = target["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["cpu"]


@every_variant
def test_hooks_come_after_what_they_need(name: str) -> None:
    release = variant(name)
    jobs = {job["metadata"]["name"]: job for job in release.of_kind("Job")}
    if name == "small":
        assert jobs == {}
        return
    assert len(jobs) == 2 * len(stateful_services())
    for job in jobs.values():
        annotations = job["metadata"]["annotations"]
        command = job["metadata"]["labels"]["app.kubernetes.io/component"]
        assert (
            annotations["helm.sh/hook"]
            == {
                # Never at an installation, when neither Secrets nor databases exist.
                "migrate": "pre-upgrade",
                "migrate-after": "post-install,post-upgrade",
            }[command]
        )
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        assert job["spec"]["activeDeadlineSeconds"] > 0
    (check,) = release.of_kind("Pod")
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_pod_values_of_the_platform_team_are_applied() -> None:
    release = variant("every-option")
    cards = next(
        deployment
        for deployment in release.of_kind("Deployment")
        if deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "certificate-registry"
        and deployment["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
    )
    digest = values_of("every-option")["services"]["certificate-registry"]["image"]["digest"]
    spec = cards["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == f"images.saitama.example/e-bidding/mirror/cards:1.2.3@{digest}"
    # The processes of lookups are of the same image, so that the two are never of different versions.
    (lookups,) = (
        pod["spec"]["containers"][0]
        for where, pod in release.pods()
        if where.startswith("Deployment") and pod["metadata"]["labels"]["app.kubernetes.io/name"] == "user-lookup"
    )
    assert lookups["image"] == container["image"]
    assert container["imagePullPolicy"] == "Always"
    assert cards["spec"]["replicas"] == 6
    assert spec["terminationGracePeriodSeconds"] == 80
    for where, pod in release.pods():
        assert pod["spec"]["imagePullSecrets"] == [{"name": "image-registry"}], where
        assert pod["spec"]["priorityClassName"] == "important", where
        assert pod["spec"]["runtimeClassName"] == "sandboxed", where
        assert pod["spec"]["nodeSelector"]["pool"] == "general", where
        assert pod["spec"]["tolerations"][0]["key"] == "dedicated", where
        assert pod["metadata"]["labels"]["team"] == "platform", where
        # The labels of the selectors cannot be overridden.
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] in (*services(), "operator"), where
        if not where.startswith("Pod"):
            assert pod["metadata"]["labels"]["cost-centre"] == "4711", where
            assert pod["metadata"]["annotations"]["example/scrape"] == "false", where
    variables = environment(container)
    assert (variables["HTTPS_PROXY"], variables["TOROKU_DATABASE_POOL"]) == ("http://proxy.saitama.example:3128", "6")
    assert variables["NODE_NAME"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    for deployment in release.of_kind("Deployment"):
        own = deployment["spec"]
        assert own["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert (own["revisionHistoryLimit"], own["minReadySeconds"]) == (3, 5)
        spread = {
            constraint["topologyKey"]: constraint["whenUnsatisfiable"]
            for constraint in own["template"]["spec"]["topologySpreadConstraints"]
        }
        assert spread == {"topology.kubernetes.io/zone": "DoNotSchedule", "kubernetes.io/hostname": "ScheduleAnyway"}
    public = next(service for service in release.of_kind("Service") if service["spec"]["ports"][0]["name"] == "public")
    assert public["spec"]["loadBalancerSourceRanges"] == ["192.0.2.0/24"]
    assert public["spec"]["externalTrafficPolicy"] == "Local"
