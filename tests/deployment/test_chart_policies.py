"""Network policies allow exactly the calls that the proto files allow, at both ends."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from operator_command.topology import SERVICES
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
# The proto package of each service, whose name differs from the service's.
PROTOS = {
    "qualification-registry": "qualification",
    "certificate-registry": "certificate",
    "user-lookup": "certificate",
    "contact-notification": "contact",
    "agency-sync": "agencysync",
    "front-door": "frontdoor",
}
# Has pages and no interface.
PAGES = "portal"
# The interfaces that a service implements, where another one implements the rest of the package.
INTERFACES = {
    "certificate-registry": {"CertificateRegistry", "Cards", "Incidents", "Officers"},
    "user-lookup": {"UserLookup"},
}
# The interfaces that several services implement beside their own, by package, and these services. certificate-registry
# owns the officers, so nobody tells it of them.
DECIDING = {"certificate-registry", "qualification-registry"}
SHARED = {
    "history": {"History": {service.name for service in SERVICES if service.has_history}},
    "officer": {
        "OfficerActs": DECIDING,
        "Proposals": DECIDING,
        "OfficerDirectory": {"qualification-registry", "contact-notification", "agency-sync"},
    },
}


def interfaces(service: str) -> list[ServiceDescriptor]:
    """The gRPC services that a service implements: all of its package, or those named above; and the shared ones."""
    named = INTERFACES.get(service)
    found = [interface for interface in list_interfaces(PROTOS[service]) if named is None or interface.name in named]
    assert found
    return [*found, *list_shared_interfaces(service)]


def list_shared_interfaces(service: str) -> list[ServiceDescriptor]:
    return [
        interface
        for package, implementing in SHARED.items()
        for interface in list_interfaces(package)
        if service in implementing[interface.name]
    ]


def list_interfaces(package: str) -> list[ServiceDescriptor]:
    files = sorted((ROOT / "protos" / "toroku" / package / "v1").glob("*.proto"))
    modules = [import_module(f"toroku.{package}.v1.{file.stem}_pb2") for file in files]
    return [interface for module in modules for interface in module.DESCRIPTOR.services_by_name.values()]


def access_of(service: str) -> list[access_pb2.Access]:
    return [
        method.GetOptions().Extensions[access_pb2.access]
        for interface in interfaces(service)
        for method in interface.methods
    ]


def allowed_calls() -> set[tuple[str, str]]:
    """The pairs (caller, callee) of services in the chart that the access options of all methods allow."""
    pairs = {(caller, callee) for callee in PROTOS for access in access_of(callee) for caller in access.services}
    assert {caller for caller, _ in pairs} <= {*PROTOS, PAGES}
    return pairs


def listeners(service: str) -> dict[str, bool]:
    """The listeners of a service with at least one allowed method, or with pages."""
    if service == PAGES:
        return {"internal": False, "agency": False, "public": True}
    access = access_of(service)
    return {
        "internal": any(entry.services for entry in access),
        "agency": any(entry.agencies or entry.officer_roles for entry in access),
        "public": any(entry.anyone for entry in access),
    }


def labels(service: str, component: str) -> dict[str, str]:
    """The labels of a pod of this release that policies may use."""
    return {
        "app.kubernetes.io/name": service,
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "toroku",
    }


def policies_for(release: Release, pod: Mapping[str, str]) -> list[Document]:
    return [policy for policy in release.of_kind("NetworkPolicy") if selects(policy["spec"]["podSelector"], pod)]


def lets(rules: list[Any] | None, direction: str, port: int, peer: Mapping[str, str]) -> bool:
    """Whether one of the rules admits a pod of the same namespace at a TCP port."""
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
    """Whether both the caller's egress and the callee's ingress rules allow a connection."""
    out = any(lets(policy["spec"].get("egress"), "to", port, callee) for policy in policies_for(release, caller))
    into = any(lets(policy["spec"].get("ingress"), "from", port, caller) for policy in policies_for(release, callee))
    return out, into


def pods(release: Release) -> Iterator[tuple[str, str]]:
    """Service and component of every pod of the release."""
    for _, pod in release.pods():
        own = pod["metadata"]["labels"]
        yield own["app.kubernetes.io/name"], own["app.kubernetes.io/component"]


def test_services_of_the_chart_are_those_of_the_proto_files() -> None:
    files = (ROOT / "protos" / "toroku").glob("*/v1/*.proto")
    packages = {
        file.parent.parent.name for file in files if re.search(r"^service ", file.read_text("utf-8"), re.MULTILINE)
    }
    assert set(services()) == {*PROTOS, PAGES}
    assert packages == {*PROTOS.values(), *SHARED}


def test_interfaces_of_a_shared_package_are_each_implemented_once() -> None:
    package = [service for service in PROTOS if PROTOS[service] == "certificate"]
    shared = {name for implementing in SHARED.values() for name in implementing}
    names = [interface.name for service in package for interface in interfaces(service)]
    implemented = [name for name in names if name not in shared]
    files = (ROOT / "protos" / "toroku" / "certificate" / "v1").glob("*.proto")
    declared = [name for file in files for name in re.findall(r"^service (\w+)", file.read_text("utf-8"), re.MULTILINE)]
    assert sorted(implemented) == sorted(declared)


@pytest.mark.parametrize("service", services())
def test_access_data_of_a_service_match_its_proto_file(service: str) -> None:
    values = default_values()
    own = values["services"][service]
    assert values["defaults"]["listeners"] | own["listeners"] == listeners(service)
    assert {(service, callee) for callee in own["calls"]} == {
        (caller, callee) for caller, callee in allowed_calls() if caller == service
    }


@pytest.mark.parametrize("name", WITH_POLICIES)
def test_policies_allow_exactly_the_calls_of_the_proto_files(name: str) -> None:
    release = variant(name)
    allowed = allowed_calls()
    assert ("front-door", "certificate-registry") in allowed
    everybody = sorted(set(pods(release)))
    passed = set()
    for caller, of_caller in everybody:
        for callee, of_callee in everybody:
            out, into = passes(release, labels(caller, of_caller), labels(callee, of_callee), INTERNAL)
            # Servers and workers are one caller; migrations and the check call no internal listener.
            expected = (caller, callee) in allowed and of_callee == "server" and of_caller in ("server", "worker")
            assert (out, into) == (expected, expected), f"{caller} {of_caller} to {callee} {of_callee}"
            if out and into:
                passed.add((caller, callee))
    assert passed == allowed


@pytest.mark.parametrize("name", WITH_POLICIES)
def test_policies_deny_by_default(name: str) -> None:
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
                # A rule without peers or without ports would admit all of them.
                assert rule[peers], policy["metadata"]["name"]
                assert rule["ports"], policy["metadata"]["name"]
    # Other pods in the namespace are not affected.
    assert policies_for(release, {"app.kubernetes.io/name": "somebody-else"}) == []


def taken_in(release: Release, service: str, component: str) -> dict[int, list[Any]]:
    """The admitted peers by port."""
    found: dict[int, list[Any]] = {}
    for policy in policies_for(release, labels(service, component)):
        for rule in policy["spec"].get("ingress") or ():
            for port in rule["ports"]:
                found.setdefault(port["port"], []).extend(rule["from"])
    return found


def let_out(release: Release, service: str, component: str) -> dict[int, list[Any]]:
    """The allowed destinations by port."""
    found: dict[int, list[Any]] = {}
    for policy in policies_for(release, labels(service, component)):
        for rule in policy["spec"].get("egress") or ():
            for port in rule["ports"]:
                if port["protocol"] == "TCP":
                    found.setdefault(port["port"], []).extend(rule["to"])
    return found


@pytest.mark.parametrize("service", services())
def test_outsiders_are_admitted_from_configured_networks_only(service: str) -> None:
    release = variant("pooled-gateway")
    into = taken_in(release, service, "server")
    gateways = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}
    assert (AGENCY in into) == listeners(service)["agency"]
    assert (PUBLIC in into) == listeners(service)["public"]
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


def test_no_agency_is_admitted_without_configured_networks() -> None:
    release = variant("cloudnative-pg-pooler")
    for service in services():
        peers = taken_in(release, service, "server").get(AGENCY, [])
        # Only the pod of helm test, which calls as an agency in this variant.
        assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers] == (
            ["check"] if listeners(service)["agency"] else []
        )


def test_egress_is_open_for_the_intended_pods_only() -> None:
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
def test_database_is_reachable_by_its_own_service_and_its_lookups_only(name: str) -> None:
    release = variant(name)
    clusters = {
        document["metadata"]["labels"]["app.kubernetes.io/name"]: document["metadata"]["name"]
        for document in release.of_kind("Cluster")
    }
    assert set(clusters) == set(services()) - {"front-door", "user-lookup"}
    for service, component in set(pods(release)):
        for owner, cluster in clusters.items():
            expected = owner == service or (service, owner) == ("user-lookup", "certificate-registry")
            out, into = passes(release, labels(service, component), {"cnpg.io/cluster": cluster}, 5432)
            assert (out, into) == (expected, expected), f"{service} {component} to {cluster}"


def test_pooler_is_reachable_by_its_service_and_reaches_the_database() -> None:
    release = variant("cloudnative-pg-pooler")
    pool, cluster = {"cnpg.io/poolerName": "saitama-agency-sync-db-pool"}, {"cnpg.io/cluster": "saitama-agency-sync-db"}
    release.named("Pooler", "saitama-agency-sync-db-pool")
    out, _ = passes(release, labels("agency-sync", "server"), pool, 5432)
    _, into = passes(release, pool, cluster, 5432)
    other, _ = passes(release, labels("front-door", "server"), pool, 5432)
    assert (out, into, other) == (True, True, False)


def test_external_databases_are_open_for_services_with_a_database_only() -> None:
    release = variant("given-secrets")
    for service, component in set(pods(release)):
        keeps = service in services() and service != "front-door"
        assert let_out(release, service, component).get(5432) == (
            [{"ipBlock": {"cidr": "10.20.0.0/24"}}] if keeps else None
        )


def test_check_reaches_the_listeners_that_it_calls() -> None:
    release = variant("cloudnative-pg-pooler")
    check = labels("operator", "check")
    assert passes(release, check, labels("front-door", "server"), PUBLIC) == (True, True)
    assert passes(release, check, labels("user-lookup", "server"), AGENCY) == (True, True)
    assert passes(release, check, labels("front-door", "server"), AGENCY) == (False, False)
    assert passes(release, check, labels("certificate-registry", "server"), AGENCY)[0] is False
    assert passes(release, check, labels("qualification-registry", "server"), AGENCY)[0] is False


def test_removed_call_is_denied_at_both_ends(tmp_path: Path) -> None:
    values = {"services": {"front-door": {"calls": {"agency-sync": None}}}}
    release = render([VARIANTS["cert-manager-cloudnative-pg"], values], folder=tmp_path)
    ends = labels("front-door", "server"), labels("agency-sync", "server")
    assert passes(release, *ends, INTERNAL) == (False, False)
