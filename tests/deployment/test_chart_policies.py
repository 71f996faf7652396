"""Network policies let through exactly the calls that the proto files allow, as rendered and from both ends."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from tests.deployment.chart import (
    RELEASE,
    ROOT,
    VARIANTS,
    Document,
    Release,
    default_values,
    render,
    selects,
    services,
    variant,
)
from toroku.access.v1 import access_pb2

INTERNAL, AGENCY, PUBLIC, HEALTH, METRICS = 8443, 8444, 8445, 8081, 9090
WITH_POLICIES = [name for name in VARIANTS if name != "small"]
# The package of each service's proto file; the names differ from the services' own.
PROTOS = {
    "qualification-registry": "qualification",
    "certificate-registry": "certificate",
    "contact-notification": "contact",
    "agency-sync": "agencysync",
    "front-door": "frontdoor",
}


def interfaces(service: str) -> list[ServiceDescriptor]:
    """The gRPC services that a service implements: all of its package."""
    package = ROOT / "protos" / "toroku" / PROTOS[service] / "v1"
    modules = [
        import_module(f"toroku.{PROTOS[service]}.v1.{file.stem}_pb2") for file in sorted(package.glob("*.proto"))
    ]
    found = [interface for module in modules for interface in module.DESCRIPTOR.services_by_name.values()]
    assert found
    return found


def access_of(service: str) -> list[access_pb2.Access]:
    return [
        method.GetOptions().Extensions[access_pb2.access]
        for interface in interfaces(service)
        for method in interface.methods
    ]


def allowed_calls() -> set[tuple[str, str]]:
    """(caller, callee), as the options of all methods say it."""
    return {(caller, callee) for callee in PROTOS for access in access_of(callee) for caller in access.services}


def doors(service: str) -> dict[str, bool]:
    """The listeners that somebody may call anything at."""
    access = access_of(service)
    return {
        "internal": any(entry.services for entry in access),
        "agency": any(entry.agencies or entry.officer_roles for entry in access),
        "public": any(entry.anyone for entry in access),
    }


def labels(service: str, component: str) -> dict[str, str]:
    """The labels of a pod of this release, as far as policies may look at them."""
    return {
        "app.kubernetes.io/name": service,
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "toroku",
    }


def policies_for(release: Release, pod: Mapping[str, str]) -> list[Document]:
    return [policy for policy in release.of_kind("NetworkPolicy") if selects(policy["spec"]["podSelector"], pod)]


def lets(rules: list[Any] | None, direction: str, port: int, peer: Mapping[str, str]) -> bool:
    """Whether one of the rules lets a pod of the same namespace through at a TCP port."""
    for rule in rules or ():
        ports = rule.get("ports")
        if ports is not None and not any(entry["port"] == port and entry["protocol"] == "TCP" for entry in ports):
            continue
        if not rule.get(direction):
            return True
        if any("podSelector" in entry and selects(entry["podSelector"], peer) for entry in rule[direction]):
            return True
    return False


def passes(release: Release, caller: Mapping[str, str], callee: Mapping[str, str], port: int) -> tuple[bool, bool]:
    """Whether the caller may go out to, and the callee may take in, a connection; both have to."""
    out = any(lets(policy["spec"].get("egress"), "to", port, callee) for policy in policies_for(release, caller))
    into = any(lets(policy["spec"].get("ingress"), "from", port, caller) for policy in policies_for(release, callee))
    return out, into


def pods(release: Release) -> Iterator[tuple[str, str]]:
    """Service and component of every pod that the release makes."""
    for _, pod in release.pods():
        own = pod["metadata"]["labels"]
        yield own["app.kubernetes.io/name"], own["app.kubernetes.io/component"]


def test_services_and_proto_files_are_the_same() -> None:
    files = (ROOT / "protos" / "toroku").glob("*/v1/*.proto")
    packages = {
        file.parent.parent.name for file in files if re.search(r"^service ", file.read_text("utf-8"), re.MULTILINE)
    }
    assert set(services()) == set(PROTOS)
    assert packages == set(PROTOS.values())


@pytest.mark.parametrize("service", services())
def test_data_of_a_service_is_what_its_proto_file_says(service: str) -> None:
    values = default_values()
    own = values["services"][service]
    assert values["defaults"]["doors"] | own["doors"] == doors(service)
    assert {(service, callee) for callee in own["calls"]} == {
        (caller, callee) for caller, callee in allowed_calls() if caller == service
    }


@pytest.mark.parametrize("name", WITH_POLICIES)
def test_calls_between_services_pass_where_the_proto_files_allow_them_and_nowhere_else(name: str) -> None:
    release = variant(name)
    allowed = allowed_calls()
    assert ("front-door", "certificate-registry") in allowed
    everybody = sorted(set(pods(release)))
    passed = set()
    for caller, of_caller in everybody:
        for callee, of_callee in everybody:
            out, into = passes(release, labels(caller, of_caller), labels(callee, of_callee), INTERNAL)
            # Servers and workers are one caller; migrations and the check call nobody's internal listener.
            expected = (caller, callee) in allowed and of_callee == "server" and of_caller in ("server", "worker")
            assert (out, into) == (expected, expected), f"{caller} {of_caller} to {callee} {of_callee}"
            if out and into:
                passed.add((caller, callee))
    assert passed == allowed


@pytest.mark.parametrize("name", WITH_POLICIES)
def test_everything_is_closed_that_nothing_opens(name: str) -> None:
    release = variant(name)
    for service, component in set(pods(release)):
        closing = [
            policy
            for policy in policies_for(release, labels(service, component))
            if not policy["spec"].get("ingress") and not policy["spec"].get("egress")
        ]
        assert len(closing) == 1, f"{service} {component}"
        assert closing[0]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for policy in release.of_kind("NetworkPolicy"):
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction) or ():
                # A rule without peers or without ports would let everybody or everything through.
                assert rule[peers], policy["metadata"]["name"]
                assert rule["ports"], policy["metadata"]["name"]
    # Others in the namespace are left alone.
    assert policies_for(release, {"app.kubernetes.io/name": "somebody-else"}) == []


def taken_in(release: Release, service: str, component: str) -> dict[int, list[Any]]:
    """Port → who is let in there."""
    found: dict[int, list[Any]] = {}
    for policy in policies_for(release, labels(service, component)):
        for rule in policy["spec"].get("ingress") or ():
            for port in rule["ports"]:
                found.setdefault(port["port"], []).extend(rule["from"])
    return found


def let_out(release: Release, service: str, component: str) -> dict[int, list[Any]]:
    """Port → where a pod may go."""
    found: dict[int, list[Any]] = {}
    for policy in policies_for(release, labels(service, component)):
        for rule in policy["spec"].get("egress") or ():
            for port in rule["ports"]:
                if port["protocol"] == "TCP":
                    found.setdefault(port["port"], []).extend(rule["to"])
    return found


@pytest.mark.parametrize("service", services())
def test_outsiders_come_in_at_their_own_doors_from_the_configured_networks(service: str) -> None:
    release = variant("pooled-gateway")
    into = taken_in(release, service, "server")
    gateways = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}
    assert (AGENCY in into) == doors(service)["agency"]
    assert (PUBLIC in into) == doors(service)["public"]
    if AGENCY in into:
        assert into[AGENCY] == [gateways]
    if PUBLIC in into:
        check = {
            "podSelector": {
                "matchLabels": {
                    key: value
                    for key, value in labels("operator", "check").items()
                    if key != "app.kubernetes.io/part-of"
                }
            }
        }
        assert into[PUBLIC] == [*default_values()["networkPolicy"]["public"]["from"], check]
    assert into[METRICS] == default_values()["networkPolicy"]["metrics"]["from"]
    assert into[HEALTH] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]


def test_without_configured_networks_no_agency_gets_in() -> None:
    release = variant("cloudnative-pg-pooler")
    for service in services():
        peers = taken_in(release, service, "server").get(AGENCY, [])
        # Only helm test's own pod, which asks as an agency in this variant.
        assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers] == (
            ["check"] if doors(service)["agency"] else []
        )


def test_each_way_out_is_open_for_whom_it_is_meant() -> None:
    release = variant("cert-manager-cloudnative-pg")
    revocation, mail = {"ipBlock": {"cidr": "198.51.100.0/24"}}, {"ipBlock": {"cidr": "203.0.113.25/32"}}
    for service, component in set(pods(release)):
        out = let_out(release, service, component)
        assert out[53] == default_values()["networkPolicy"]["dns"]["to"]
        fetches = (service, component) == ("certificate-registry", "worker")
        assert (out.get(80), out.get(443)) == (([revocation], [revocation]) if fetches else (None, None))
        assert out.get(25) == ([mail] if (service, component) == ("contact-notification", "worker") else None)
        assert 4317 not in out
    traced = variant("pooled-gateway")
    for service, component in set(pods(traced)):
        assert (4317 in let_out(traced, service, component)) == (component in ("server", "worker"))


@pytest.mark.parametrize("name", ["cert-manager-cloudnative-pg", "cloudnative-pg-pooler"])
def test_a_database_is_reached_by_its_own_service_alone(name: str) -> None:
    release = variant(name)
    clusters = {
        document["metadata"]["labels"]["app.kubernetes.io/name"]: document["metadata"]["name"]
        for document in release.of_kind("Cluster")
    }
    assert set(clusters) == set(services()) - {"front-door"}
    for service, component in set(pods(release)):
        for owner, cluster in clusters.items():
            expected = owner == service
            out, into = passes(release, labels(service, component), {"cnpg.io/cluster": cluster}, 5432)
            assert (out, into) == (expected, expected), f"{service} {component} to {cluster}"


def test_a_poolers_pods_pass_from_the_service_and_on_to_the_database() -> None:
    release = variant("cloudnative-pg-pooler")
    pool, cluster = {"cnpg.io/poolerName": "saitama-agency-sync-db-pool"}, {"cnpg.io/cluster": "saitama-agency-sync-db"}
    release.named("Pooler", "saitama-agency-sync-db-pool")
    out, _ = passes(release, labels("agency-sync", "server"), pool, 5432)
    _, into = passes(release, pool, cluster, 5432)
    other, _ = passes(release, labels("front-door", "server"), pool, 5432)
    assert (out, into, other) == (True, True, False)


def test_external_databases_are_open_only_for_services_that_keep_one() -> None:
    release = variant("given-secrets")
    for service, component in set(pods(release)):
        keeps = service in services() and service != "front-door"
        assert let_out(release, service, component).get(5432) == (
            [{"ipBlock": {"cidr": "10.20.0.0/24"}}] if keeps else None
        )


def test_the_check_reaches_the_doors_that_it_asks() -> None:
    release = variant("cloudnative-pg-pooler")
    check = labels("operator", "check")
    assert passes(release, check, labels("front-door", "server"), PUBLIC) == (True, True)
    assert passes(release, check, labels("certificate-registry", "server"), AGENCY) == (True, True)
    assert passes(release, check, labels("qualification-registry", "server"), AGENCY)[0] is False


def test_a_call_that_is_taken_out_of_the_data_is_closed_at_both_ends(tmp_path: Path) -> None:
    values = {"services": {"front-door": {"calls": {"agency-sync": None}}}}
    release = render([VARIANTS["cert-manager-cloudnative-pg"], values], folder=tmp_path)
    ends = labels("front-door", "server"), labels("agency-sync", "server")
    assert passes(release, *ends, INTERNAL) == (False, False)
