"""Every variant renders without lint errors and is valid for Kubernetes 1.28 to 1.36 and for further kinds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.chart import (
    CHART,
    KUBERNETES,
    NEWEST,
    OLDEST,
    PROFILE,
    VARIANTS,
    Document,
    HelmFailed,
    helm,
    schema_errors,
    variant,
)

every_variant = pytest.mark.parametrize("name", VARIANTS)


def missing(of: Any, *keys: str) -> list[str]:
    """The keys that are missing or empty in a map."""
    return [key for key in keys if not (of or {}).get(key)]


def certificate(document: Document) -> list[str]:
    spec = document["spec"]
    wrong = missing(spec, "secretName", "issuerRef", "privateKey", "usages", "duration", "renewBefore")
    wrong += missing(spec["issuerRef"], "name", "kind", "group")
    if not spec.get("uris") and not spec.get("dnsNames"):
        wrong.append("no name at all")
    if spec["privateKey"]["algorithm"] not in ("RSA", "ECDSA", "Ed25519") or spec["privateKey"]["encoding"] != "PKCS8":
        wrong.append("key")
    if spec["privateKey"]["rotationPolicy"] not in ("Never", "Always"):
        wrong.append("rotationPolicy")
    if len(spec.get("commonName", "")) > 64:
        wrong.append("commonName is longer than 64 characters")
    return wrong


def cluster(document: Document) -> list[str]:
    spec = document["spec"]
    wrong = missing(spec, "instances", "storage", "bootstrap") + missing(spec["storage"], "size")
    wrong += missing(spec["bootstrap"]["initdb"], "database", "owner")
    if not all(isinstance(value, str) for value in spec["postgresql"]["parameters"].values()):
        wrong.append("parameters have to be texts")
    if len(document["metadata"]["name"]) > 50:
        wrong.append("name is longer than 50 characters")
    if document["metadata"]["annotations"].get("helm.sh/resource-policy") != "keep":
        wrong.append("an uninstall would take the data along")
    return wrong


def pooler(document: Document) -> list[str]:
    spec = document["spec"]
    wrong = missing(spec, "cluster", "instances", "pgbouncer") + missing(spec["cluster"], "name")
    if (spec["type"], spec["pgbouncer"]["poolMode"]) != ("rw", "transaction"):
        wrong.append("not a pooler for transactions to the primary")
    if not all(isinstance(value, str) for value in spec["pgbouncer"]["parameters"].values()):
        wrong.append("parameters have to be texts")
    return wrong


def tls_route(document: Document) -> list[str]:
    spec = document["spec"]
    wrong = missing(spec, "parentRefs", "hostnames", "rules")
    for rule in spec["rules"]:
        wrong += missing(rule, "backendRefs")
        for backend in rule["backendRefs"]:
            wrong += missing(backend, "name", "port")
    return wrong


def pod_monitor(document: Document) -> list[str]:
    spec = document["spec"]
    wrong = missing(spec, "selector", "podMetricsEndpoints")
    for endpoint in spec["podMetricsEndpoints"]:
        wrong += missing(endpoint, "port", "path")
        if {relabeling["targetLabel"] for relabeling in endpoint["relabelings"]} != {"service", "component"}:
            wrong.append("the alert rules need other labels")
    return wrong


# Kinds of operators, without a schema in Kubernetes: the minimal content of each.
FURTHER_KINDS: dict[tuple[str, str], Callable[[Document], list[str]]] = {
    ("cert-manager.io/v1", "Certificate"): certificate,
    ("postgresql.cnpg.io/v1", "Cluster"): cluster,
    ("postgresql.cnpg.io/v1", "Pooler"): pooler,
    ("gateway.networking.k8s.io/v1", "TLSRoute"): tls_route,
    ("gateway.networking.k8s.io/v1alpha2", "TLSRoute"): tls_route,
    ("monitoring.coreos.com/v1", "PodMonitor"): pod_monitor,
}


@every_variant
def test_lint_reports_nothing(name: str) -> None:
    said = helm("lint", "--strict", CHART, "--set-file", f"profile={PROFILE}", "--values", VARIANTS[name])
    assert "[WARNING]" not in said
    assert "[ERROR]" not in said


@every_variant
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_objects_are_valid_in_every_version(name: str, kubernetes: str) -> None:
    release = variant(name, OLDEST if kubernetes < "1.30" else NEWEST)
    checked = 0
    for document in release.documents:
        kind = (document["apiVersion"], document["kind"])
        errors = schema_errors(document, kubernetes)
        if errors is None:
            assert kind in FURTHER_KINDS, f"neither Kubernetes {kubernetes} nor this test knows {kind}"
            errors = [f"{kind}: {wrong}" for wrong in FURTHER_KINDS[kind](document)]
        else:
            assert kind not in FURTHER_KINDS
            checked += 1
        assert errors == []
    assert checked > 10


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_only_the_wait_before_a_stop_depends_on_the_version(kubernetes: str) -> None:
    name = "cert-manager-cloudnative-pg"
    assert variant(name, kubernetes) == variant(name, OLDEST if kubernetes < "1.30" else NEWEST)
    (server,) = variant(name, kubernetes).named("Deployment", "saitama-front-door")["spec"]["template"]["spec"][
        "containers"
    ]
    waits = server["lifecycle"]["preStop"]
    if kubernetes < "1.30":
        assert waits == {"exec": {"command": ["python", "-c", "import time; time.sleep(5)"]}}
    else:
        assert waits == {"sleep": {"seconds": 5}}


def test_old_kubernetes_is_refused() -> None:
    with pytest.raises(HelmFailed, match=r"kubeVersion: >=1\.28\.0"):
        variant("small", "1.27")


def test_every_kind_without_a_schema_was_rendered() -> None:
    seen = {(document["apiVersion"], document["kind"]) for name in VARIANTS for document in variant(name).documents}
    assert set(FURTHER_KINDS) <= seen


@every_variant
def test_names_are_unique_short_and_contain_the_release(name: str) -> None:
    begin = "a-rather-long-name-of-an-instance-that-has-to-be-cut" if name == "every-option" else "saitama"
    seen = set()
    for document in variant(name).documents:
        metadata = document["metadata"]
        key = (document["kind"], metadata["name"])
        assert key not in seen
        seen.add(key)
        # CloudNativePG accepts 50 characters only.
        assert metadata["name"].startswith(begin[:40])
        assert len(metadata["name"]) <= 63
        assert metadata["namespace"] == "toroku-saitama"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "saitama"
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "toroku"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert all(len(value) <= 63 for value in metadata["labels"].values())


def test_truncated_names_remain_distinct() -> None:
    release = variant("every-option")
    for kind in ("Deployment", "Service", "Job", "NetworkPolicy", "Cluster"):
        names = [document["metadata"]["name"] for document in release.of_kind(kind)]
        assert len(names) == len(set(names))
        assert any(len(name) >= 50 for name in names)


def notes(tmp_path: Path, *variants: str) -> str:
    """The notes after an installation, which Helm prints only with a cluster; here they are rendered as an object."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text("utf-8")
    (chart / "templates" / "NOTES.txt").unlink()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}\n' + text + "{{- end -}}", "utf-8")
    (chart / "templates" / "notes.yaml").write_text('notes: {{ include "notes" . | quote }}\n', "utf-8")
    arguments: list[str | Path] = [
        "template",
        "saitama",
        chart,
        "--namespace",
        "toroku-saitama",
        "--kube-version",
        "1.30.0",
    ]
    arguments += ["--set-file", f"profile={PROFILE}", "--show-only", "templates/notes.yaml"]
    for name in variants:
        arguments += ["--values", VARIANTS[name]]
    return str(yaml.safe_load(helm(*arguments))["notes"])


def test_notes_explain_the_next_steps(tmp_path: Path) -> None:
    said = notes(tmp_path, "given-secrets")
    assert "toroku.saitama.example (contractors) -> Service saitama-front-door-public, port 443" in said
    assert "cards.saitama.example (agencies, officers) -> Service saitama-user-lookup-agency, port 8444" in said
    assert "spiffe://saitama/officer/<agency>/<person>" in said
    assert "toroku roster import" in said
    assert "helm test saitama --namespace toroku-saitama --logs" in said
    # The profile alone trusts no card CA, and these values allow neither revocation lists nor the mail server.
    assert "no card CA is trusted yet" in said
    assert "networkPolicy.destinations.revocation.to is empty" in said
    assert "networkPolicy.destinations.mail.to is empty" in said


def test_notes_omit_completed_steps(tmp_path: Path) -> None:
    said = notes(tmp_path, "cert-manager-cloudnative-pg")
    assert "networkPolicy" not in said
