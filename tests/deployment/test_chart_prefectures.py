"""Three instances in one cluster share nothing, and a further service is one more entry of data."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from instance_profile.load import load_profile
from tests.deployment.chart import (
    KUBERNETES,
    PROFILE,
    ROOT,
    VARIANTS,
    Release,
    environment,
    render,
    schema_errors,
)
from tests.deployment.test_chart_policies import INTERNAL, labels, passes

EXAMPLE = ROOT / "charts" / "examples" / "three-prefectures"
PREFECTURES = ("saitama", "aomori", "nagano")


@cache
def instance(prefecture: str) -> Release:
    folder = EXAMPLE / prefecture
    return render(
        [folder / "values.yaml"],
        release=prefecture,
        namespace=f"toroku-{prefecture}",
        overlay=folder / "overlay.yaml",
    )


def authorities(prefecture: str) -> list[Any]:
    """The CAs that `install` creates in the instance's namespace."""
    text = (EXAMPLE / "certificate-authorities.yaml").read_text("utf-8").replace("PREFECTURE", prefecture)
    return list(yaml.safe_load_all(text))


def texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of an object, with its key path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, path)
    elif isinstance(value, str):
        yield path, value


def belongings(prefecture: str) -> dict[str, set[str]]:
    """The objects and names of an instance, by kind."""
    found: dict[str, set[str]] = {
        key: set() for key in ("names", "namespaces", "Secrets", "issuers", "hosts", "SPIFFE ids", "addresses")
    }
    for document in [*authorities(prefecture), *instance(prefecture).documents]:
        metadata = document["metadata"]
        found["names"].add(metadata["name"])
        found["namespaces"].add(metadata.get("namespace", f"toroku-{prefecture}"))
        if document["kind"] in ("Cluster", "Pooler", "ConfigMap"):
            continue
        for path, text in texts(document):
            if path[-1] == "secretName" or path[-2:] == ("secretKeyRef", "name"):
                found["Secrets"].add(text)
            if text.startswith("spiffe://"):
                found["SPIFFE ids"].add(text)
            if text.endswith(".example"):
                found["hosts"].add(text)
            if text.startswith("dns:///"):
                found["addresses"].add(text)
        if document["kind"] == "Certificate":
            found["issuers"].add(document["spec"]["issuerRef"]["name"])
    return found


def test_three_instances_share_no_objects() -> None:
    own = {prefecture: belongings(prefecture) for prefecture in PREFECTURES}
    for prefecture in PREFECTURES:
        assert own[prefecture]["namespaces"] == {f"toroku-{prefecture}"}
        assert len(own[prefecture]["SPIFFE ids"]) == 14
        assert f"toroku.{prefecture}.example" in own[prefecture]["hosts"]
        for kind, mine in own[prefecture].items():
            assert mine, f"{prefecture}: no {kind} were found, so there is nothing to compare"
            for other in PREFECTURES:
                if other != prefecture:
                    assert mine & own[other][kind] == set(), f"{kind} of {prefecture} and {other}"


def test_issuers_of_an_instance_are_in_its_namespace() -> None:
    for prefecture in PREFECTURES:
        made = {document["metadata"]["name"] for document in authorities(prefecture) if document["kind"] == "Issuer"}
        for document in instance(prefecture).of_kind("Certificate"):
            issuer = document["spec"]["issuerRef"]
            # A ClusterIssuer would be shared.
            assert issuer["kind"] == "Issuer"
            assert issuer["name"] in made


def test_pods_of_one_instance_do_not_reach_another_even_in_one_namespace() -> None:
    mine, theirs = labels("front-door", "server"), labels("certificate-registry", "server")
    theirs["app.kubernetes.io/instance"] = "aomori"
    assert passes(instance("saitama"), mine, theirs, INTERNAL)[0] is False
    assert passes(instance("aomori"), mine, theirs, INTERNAL)[1] is False


@pytest.mark.parametrize("prefecture", PREFECTURES)
def test_profile_and_overlay_are_valid_and_mounted(prefecture: str) -> None:
    overlay = EXAMPLE / prefecture / "overlay.yaml"
    profile = load_profile(PROFILE, overlay)
    assert profile.id == prefecture
    assert profile.help_desk.mail_address == f"helpdesk@{prefecture}.example"
    data = instance(prefecture).named("ConfigMap", f"{prefecture}-profile")["data"]
    assert data == {"profile.yaml": PROFILE.read_text("utf-8"), "overlay.yaml": overlay.read_text("utf-8")}
    for deployment in instance(prefecture).of_kind("Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert environment(container)["TOROKU_PROFILE_OVERLAY"] == "/profile/overlay.yaml"


def test_objects_of_the_three_are_valid() -> None:
    for prefecture in PREFECTURES:
        for document in instance(prefecture).documents:
            assert not schema_errors(document, KUBERNETES[-1])


def test_install_reports_missing_programs_before_it_changes_the_cluster(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", EXAMPLE / "install", "aomori"],
        env={"PATH": "/usr/bin:/bin", "KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == ("aomori/agency-clients-ca.crt is missing: put the CAs of such certificates (agency) there\n")


# A service that does not exist: all that has to be written for a new one.
FURTHER_SERVICE = {
    "services": {
        "application-desk": {
            "listeners": {"internal": True, "agency": True},
            "calls": {"contact-notification": {}, "qualification-registry": {}},
            "database": {"enabled": True},
            "mail": True,
            "worker": {"enabled": True, "replicas": 1, "destinations": ["mail"]},
            "environment": {"TOROKU_SUPPORT_QUEUE": "tickets"},
        },
        "notice-board": {
            "listeners": {"public": True},
            "publicHostname": "notices.saitama.example",
            "calls": {"application-desk": {}},
            "server": {"autoscaling": {"enabled": False}, "replicas": 3},
        },
    }
}


def test_further_services_are_complete(tmp_path: Path) -> None:
    before = render([VARIANTS["cert-manager-cloudnative-pg"]])
    release = render([VARIANTS["cert-manager-cloudnative-pg"], FURTHER_SERVICE], folder=tmp_path)
    for document in release.documents:
        assert not schema_errors(document, KUBERNETES[-1])
    known = {(document["kind"], document["metadata"]["name"]) for document in before.documents}
    added = {(document["kind"], document["metadata"]["name"]) for document in release.documents} - known
    desk, board = "saitama-application-desk", "saitama-notice-board"
    assert added == {
        *(("Deployment", name) for name in (desk, f"{desk}-worker", board)),
        *(("PodDisruptionBudget", name) for name in (desk, f"{desk}-worker", board)),
        ("HorizontalPodAutoscaler", desk),
        *(("Service", name) for name in (desk, f"{desk}-agency", f"{board}-public")),
        *(("ServiceAccount", name) for name in (desk, board)),
        *(("Certificate", name) for name in (f"{desk}-tls", f"{board}-tls", f"{board}-public-tls")),
        *(("NetworkPolicy", f"{desk}-{part}") for part in ("server", "worker", "migrate", "db")),
        ("NetworkPolicy", f"{board}-server"),
        ("Cluster", f"{desk}-db"),
        *(("Job", f"{desk}-{command}") for command in ("migrate", "migrate-after")),
    }
    (server,) = release.named("Deployment", desk)["spec"]["template"]["spec"]["containers"]
    variables = environment(server)
    assert server["image"] == "toroku/application-desk:0.1.0"
    assert variables["TOROKU_CONTACT_NOTIFICATION_ENDPOINT"] == "dns:///saitama-contact-notification:8443"
    assert variables["TOROKU_SMTP_HOST"] == "mail.saitama.example"
    assert variables["TOROKU_SUPPORT_QUEUE"] == "tickets"
    assert release.named("Certificate", f"{desk}-tls")["spec"]["uris"] == ["spiffe://saitama/service/application-desk"]
    public = release.named("Certificate", f"{board}-public-tls")["spec"]
    assert public["dnsNames"] == ["notices.saitama.example"]
    for caller, callee in (
        ("application-desk", "contact-notification"),
        ("application-desk", "qualification-registry"),
        ("notice-board", "application-desk"),
    ):
        assert passes(release, labels(caller, "server"), labels(callee, "server"), INTERNAL) == (True, True)
    assert passes(release, labels("notice-board", "server"), labels("certificate-registry", "server"), INTERNAL) == (
        False,
        False,
    )


def test_disabled_service_has_no_objects(tmp_path: Path) -> None:
    left_out: dict[str, Any] = {"services": {"portal": {"enabled": False}}}
    release = render([VARIANTS["cert-manager-cloudnative-pg"], left_out], folder=tmp_path)
    assert not [
        document["metadata"]["name"]
        for document in release.documents
        if document["metadata"]["labels"]["app.kubernetes.io/name"] == "portal"
    ]
