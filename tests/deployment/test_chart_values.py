"""Invalid values are refused with key and remedy, and the schema and values.yaml have the same keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.chart import CHART, PROFILE, ROOT, VARIANTS, HelmFailed, default_values, render

BASE = VARIANTS["cert-manager-cloudnative-pg"]
EXTERNAL = VARIANTS["pooled-gateway"]


def under(path: str, value: Any) -> dict[str, Any]:
    """The value nested below the keys of a dotted path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


# Key, invalid value, and Helm's error, from the schema, which names the key and the valid values.
BY_SCHEMA = [
    ("mail.prot", 25, "mail: Additional property prot is not allowed"),
    ("servces", {}, "(root): Additional property servces is not allowed"),
    ("services.user-lookup.of", "Cards", "services.user-lookup.of: Does not match pattern"),
    ("services.user-lookup.command", "serve lookup", "services.user-lookup.command: Does not match pattern"),
    ("services.agency-sync.replicas", 3, "services.agency-sync: Additional property replicas is not allowed"),
    ("services.agency-sync.listeners.outside", True, "services.agency-sync.listeners: Additional property outside"),
    ("services.Agency_Sync", {}, 'Property name of "Agency_Sync" does not match'),
    ("services.agency-sync.worker.replicas", -1, "worker.replicas: Must be greater than or equal to 0"),
    ("services.agency-sync.worker.replicas", "two", "worker.replicas: Invalid type. Expected: integer, given: string"),
    ("services.agency-sync.bidderProof", "both", "bidderProof must be one of the following"),
    ("services.agency-sync.history", "public", 'history must be one of the following: "none", "private"'),
    ("services.agency-sync.mailedSecrets", "private", "mailedSecrets must be one of the following"),
    ("services.agency-sync.feed", "public", 'feed must be one of the following: "none", "private"'),
    ("certificates.history.publicKeys", "x", "certificates.history: Additional property publicKeys is not allowed"),
    ("services.agency-sync.image.digest", "latest", "image.digest: Does not match pattern '^(sha256:[0-9a-f]{64})?$'"),
    ("services.agency-sync.environment.TOROKU_X", 5, "environment.TOROKU_X: Invalid type. Expected: string"),
    ("services.agency-sync.topologySpread.zones", "Always", "topologySpread.zones must be one of the following"),
    ("defaults.bounds.idleTimeout", 0, "defaults.bounds.idleTimeout: Must be greater than or equal to 1"),
    ("services.front-door.bounds.public.streams", 5, "bounds.public: Additional property streams is not allowed"),
    ("public.sourceAddress", "forwarded", "public.sourceAddress must be one of the following"),
    ("defaults.stopGrace", 0, "defaults.stopGrace: Must be greater than or equal to 1"),
    ("database.mode", "sqlite", 'database.mode must be one of the following: "external", "cloudnative-pg"'),
    ("database.cloudnativePG.storage.size", "20 GB", "storage.size: Does not match pattern"),
    ("database.cloudnativePG.parameters.max_connections", 200, "max_connections: Invalid type. Expected: string"),
    ("certificates.duration", "90d", "certificates.duration: Does not match pattern"),
    ("certificates.issuer.nmae", "x", "certificates.issuer: Additional property nmae is not allowed"),
    ("public.hostname", "https://toroku.example", "public.hostname: Does not match pattern"),
    ("public.service.type", "ExternalName", "public.service.type must be one of the following"),
    ("public.gateway.apiVersion", "v1", "public.gateway.apiVersion must be one of the following"),
    ("agencyClients.certificates", "agency-clients.pem", "agencyClients.certificates: Does not match pattern"),
    ("officerClients.certificates", "officers.pem", "officerClients.certificates: Does not match pattern"),
    ("callers.agencies.kawagoe-city.key_sha256", ["AB:CD"], "key_sha256.0: Does not match pattern '^[0-9a-f]{64}$'"),
    ("callers.officers.yamada", {"roles": [], "key_sha256": []}, 'Property name of "yamada" does not match'),
    ("callers.officers.a/b", {"key_sha256": ["0" * 64]}, "callers.officers.a/b: roles is required"),
    ("callers.officers.a/b", {"roles": ["roster"], "key_sha256": ["0" * 64]}, "roles.0 must be one of the following"),
    ("callers.officers", {name: {} for name in ("a/b", "a/c", "a/d")}, "Must have at most 2 properties"),
    ("mail.security", "ssl", 'mail.security must be one of the following: "none", "starttls", "tls"'),
    ("mail.port", 70000, "mail.port: Must be less than or equal to 65535"),
    ("mail.sender", "toroku", "mail.sender: Does not match pattern"),
    ("telemetry.traceSampling", 5, "telemetry.traceSampling: Must be less than or equal to 1"),
    ("telemetry.otlpEndpoint", "collector:4317", "telemetry.otlpEndpoint: Does not match pattern"),
    ("networkPolicy.agency.from", [{"ipBlock": {"cidr": "gateway.example"}}], "ipBlock.cidr: Does not match pattern"),
    ("networkPolicy.agency.from", [{}], "agency.from.0: Must have at least 1 properties"),
    ("networkPolicy.agency.from", [{"host": "x"}], "agency.from.0: Additional property host is not allowed"),
    ("networkPolicy.destinations.mail", {"to": [], "ports": []}, "mail.ports: Array must have at least 1 items"),
    ("check.trust", "nobody", "check.trust must be one of the following"),
    ("images.registry", "https://images example", "images.registry: Does not match pattern"),
    ("fullnameOverride", "Saitama", "fullnameOverride: Does not match pattern"),
    ("profile", 5, "profile: Invalid type. Expected: string, given: integer"),
]

# The same for contradictory values: from the chart, in a sentence with the remedy.
BY_CHART = [
    (BASE, "profile", "id: [", "profile is no YAML"),
    (BASE, "profile", "id: Saitama Prefecture", 'the profile\'s id "Saitama Prefecture" is not usable'),
    (BASE, "profile", "", "profile is empty: add --set-file profile=profiles/<prefecture>.yaml"),
    (BASE, "overlay", "a: b: c", "overlay is no YAML"),
    (BASE, "services.agency-sync.calls.nobody", {}, "services.agency-sync.calls names nobody, which is no service"),
    (BASE, "services.agency-sync.calls.portal", {}, "portal, which has no internal listener: set services."),
    (BASE, "services.agency-sync.enabled", False, "certificate-registry calls agency-sync, which is not enabled"),
    (BASE, "services.user-lookup.of", "nobody", "services.user-lookup.of names nobody, which is no enabled service"),
    (BASE, "services.user-lookup.of", "front-door", "uses the database of front-door, which has none: set services."),
    (BASE, "services.user-lookup.of", "user-lookup", "of names user-lookup, which is no enabled service of its own"),
    (BASE, "services.agency-sync.server.autoscaling.minReplicas", 9, "minReplicas 9 is more than maxReplicas 4"),
    (BASE, "services.agency-sync.worker.destinations", ["moon"], "destinations names moon, which is not under"),
    (BASE, "certificates.issuer.name", "", "agency-sync has no certificate: set certificates.issuer.name"),
    (BASE, "certificates.issuer.name", "", "there is no key for bidder proofs: set certificates.bidderProof"),
    (BASE, "certificates.issuer.name", "", "there is no key that seals histories: set certificates.history"),
    (BASE, "certificates.issuer.name", "", "there is no key that signs snapshots of the feeds: set certificates.feed"),
    (BASE, "certificates.issuer.name", "", "there is no key for officer proofs: set certificates.officerProof"),
    (BASE, "certificates.issuer.name", "", "there is no key for act proofs: set certificates.actProof"),
    (BASE, "certificates.issuer.name", "", "there is no key of mailed secrets: set certificates.mailedSecrets"),
    (BASE, "certificates.issuer.name", "", "there is no key of the portal's drafts: set certificates.drafts"),
    (BASE, "services.portal.publicHostname", "", "services.portal.publicHostname is empty, or that of the front door"),
    (
        BASE,
        "services.front-door.history",
        "private",
        "without a worker nobody seals it: set services.front-door",
    ),
    (BASE, "certificates.public.issuer.name", "", "front-door has no public certificate: set certificates.public"),
    (BASE, "public.hostname", "", "public.hostname is empty: set the name that contractors' PCs call"),
    (BASE, "public.sourceAddress", "direct", "public.sourceAddress is direct, but callers have another address here"),
    (BASE, "public.gateway.enabled", True, "public.gateway.parentRefs is empty: name the Gateway"),
    (BASE, "agencyClients.configMapName", "", "agency listeners have no CA to trust: add --set-file agencyClients"),
    (BASE, "officerClients.configMapName", "", "there is no CA of officers to trust: add --set-file officerClients"),
    (BASE, "mail.host", "", "mail.host is empty: set the mail server"),
    (BASE, "check.trust", "configMap", "check.trust is configMap: name it in check.configMapName"),
    (BASE, "check.agency.code", "kawagoe-city", "name its Secret in check.agency.secretName"),
    (BASE, "database.mode", "external", "services.agency-sync.database.direct is empty: give its address"),
    (BASE, "database.mode", "external", "networkPolicy.destinations.database.to is empty, so no service would reach"),
    (EXTERNAL, "database.tls.mode", "verify-full", "verify-full needs the CA of the databases: set database.tls.ca"),
    (
        EXTERNAL,
        "services.agency-sync.database.direct.address",
        "postgresql://toroku:hidden@db.example/toroku",
        "services.agency-sync.database.direct.address holds a password",
    ),
    (
        EXTERNAL,
        "services.agency-sync.database.direct.address",
        "postgresql://toroku@contact.db.example:5432/toroku",
        "is also that of agency-sync: give every service a database of its own",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), BY_SCHEMA)
def test_schema_error_names_the_key_and_the_valid_values(path: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(HelmFailed) as refused:
        # An invalid profile is given in the values, because a file on the command line would override it.
        render([BASE, under(path, value)], folder=tmp_path, profile=None if path == "profile" else PROFILE)
    assert message in str(refused.value)


@pytest.mark.parametrize(("base", "path", "value", "message"), BY_CHART)
def test_contradictions_are_reported_with_a_remedy(
    base: Path, path: str, value: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(HelmFailed) as refused:
        render([base, under(path, value)], folder=tmp_path, profile=None if path == "profile" else PROFILE)
    assert "The values do not fit together:" in str(refused.value)
    assert message in str(refused.value)
    # A password in the values is not repeated.
    assert "hidden" not in str(refused.value)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(HelmFailed) as refused:
        render([], profile=None)
    for part in ("profile is empty", "public.hostname is empty", "mail.host is empty", "no certificate", "no CA"):
        assert part in str(refused.value)


def schema() -> Any:
    return json.loads((CHART / "values.schema.json").read_text("utf-8"))


def objects(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every part of the schema that describes a map."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield where, part
        for key, value in part.items():
            yield from objects(value, f"{where}/{key}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from objects(value, f"{where}/{number}")


def test_schema_refuses_unknown_keys() -> None:
    # Values of Kubernetes or of another chart are free; all others are closed.
    for where, part in objects(schema(), ""):
        if "properties" in part:
            assert part["additionalProperties"] is False, where


def resolved(part: Any) -> Any:
    while "$ref" in part:
        part = schema()["definitions"][part["$ref"].rpartition("/")[2]]
    return part


def test_values_and_schema_have_the_same_keys() -> None:
    def compare(values: Any, part: Any, where: str) -> None:
        part = resolved(part)
        if "properties" not in part or not isinstance(values, dict):
            return
        known = set(part["properties"]) - ({"global"} if not where else set())
        assert set(values) <= known, where
        # A service has only its differences, and resources have the form of Kubernetes.
        if not where.startswith("services") and not where.endswith("resources") and "destinations" not in where:
            assert known - set(values) <= {"configMapName", "secretName"} & known, where
        for key, value in values.items():
            compare(value, part["properties"][key], f"{where}.{key}".strip("."))

    compare(default_values(), schema(), "")
    for name, service in default_values()["services"].items():
        compare(service, {"$ref": "#/definitions/service"}, f"services.{name}")


def test_every_section_of_the_values_begins_with_an_explanation() -> None:
    blocks = (CHART / "values.yaml").read_text("utf-8").split("\n\n")
    sections = [block.splitlines() for block in blocks if any(line[0] not in "# " for line in block.splitlines())]
    assert len(sections) > 10
    for lines in sections:
        # Before the section, or at its beginning.
        first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
        assert first > 0 or lines[1].lstrip().startswith("#"), lines[0]


def test_values_of_the_how_to_are_complete(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "howto" / "deploy-on-kubernetes.md").read_text("utf-8")
    block = text.split("<<'VALUES'\n")[1].split("\nVALUES\n")[0]
    own = yaml.safe_load(block.replace("<your registry>", "images.example"))
    bundle = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n"
    given = {kind: {"certificates": bundle} for kind in ("agencyClients", "officerClients")}
    release = render([own, given], folder=tmp_path)
    for kind in ("agency", "officer"):
        assert release.named("ConfigMap", f"saitama-{kind}-clients")["data"] == {"ca.crt": bundle}
    (server,) = release.named("Deployment", "saitama-front-door")["spec"]["template"]["spec"]["containers"]
    assert server["image"] == "images.example/toroku/front-door:0.1.0"
    # The check trusts the CA in the Secret of the front door's certificate, and gets nothing else of that Secret.
    (check,) = release.of_kind("Pod")
    (trusted,) = (volume for volume in check["spec"]["volumes"] if volume["name"] == "public-ca")
    assert trusted["secret"]["secretName"] == "saitama-front-door-public-tls"
    assert trusted["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
