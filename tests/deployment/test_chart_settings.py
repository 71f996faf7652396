"""The settings, files and Secrets of pods exist, and private keys are mounted by their owners only."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest
import yaml

from operator_command.topology import SERVICES
from servicekit.settings import EnvironmentSettings, MigrationSettings
from tests.deployment.chart import (
    PROFILE,
    SERVERS,
    VARIANTS,
    Document,
    Release,
    containers,
    environment,
    own_containers,
    services,
    stateful_services,
    values_of,
    variant,
)

every_variant = pytest.mark.parametrize("name", VARIANTS)
PACKAGES = {service.name: service.package for service in SERVICES}
SEALING = {service.name for service in SERVICES if service.has_history}
# Secrets and ConfigMaps of CAs, which have no private key.
BUNDLES = (
    *("agency-clients", "agency-clients-ca", "officer-clients", "officer-clients-ca"),
    *("database-ca", "mail-ca"),
)
# Read before the settings, or by libpq.
READ_WITHOUT_SETTINGS = {
    "TOROKU_LOG_FORMAT",
    *("PGSSLMODE", "PGSSLROOTCERT"),
}


def settings_of(service: str, command: str = "serve") -> type[EnvironmentSettings]:
    """The settings class of a service's servers, or of its workers."""
    module = import_module(f"{PACKAGES[service]}.settings")
    name = "Settings"
    if service == "user-lookup":
        name = "LookupSettings"
    elif command == "worker":
        name = "WorkerSettings"
    elif service in ("certificate-registry", "contact-notification"):
        name = "ServerSettings"
    found: type[EnvironmentSettings] = getattr(module, name)
    return found


@every_variant
def test_settings_are_those_of_the_services_class(name: str) -> None:
    seen = set()
    for service, command, container in own_containers(variant(name)):
        seen.add((service, command))
        model = settings_of(service, command) if command in (*SERVERS, "worker") else MigrationSettings
        fields = {f"TOROKU_{field.upper()}": own for field, own in model.model_fields.items()}
        variables = environment(container)
        further = set(values_of(name).get("defaults", {}).get("environment", ())) | {"NODE_NAME"}
        unknown = set(variables) - set(fields) - READ_WITHOUT_SETTINGS - further
        assert unknown == set(), f"{service} {command}"
        required = {variable for variable, field in fields.items() if field.is_required()}
        # A worker opens no listener; only the front door's is required.
        assert required <= set(variables), f"{service} {command}"
        # Literal texts are values that the class accepts.
        values = {
            variable.removeprefix("TOROKU_").lower(): value if isinstance(value, str) else "from-a-secret"
            for variable, value in variables.items()
            if variable in fields
        }
        model.model_validate(values)
    commands = {"serve", "worker", "migrate", "migrate-after"} if name != "small" else {"serve", "worker", "migrate"}
    stateful = {(service, command) for service in stateful_services() for command in commands}
    assert seen == stateful | {("front-door", "serve"), ("user-lookup", "serve-lookup")}


def test_bounds_of_the_listeners_are_the_defaults_of_the_settings() -> None:
    names = ("connections", "streams_per_connection", "concurrent_calls")
    common = {*names, "handshake_timeout", "idle_timeout"}
    public = {f"public_{name}" for name in (*names, "silent_calls")}
    for service, command, container in own_containers(variant("small")):
        told = environment(container)
        bounds = common | public if service == "front-door" else common
        if service == "portal":
            bounds = common | {"public_connections", "public_concurrent_calls"}
        found = {name: told.get(f"TOROKU_{name.upper()}") for name in common | public}
        fields = settings_of(service).model_fields
        expected = {name: str(fields[name].default) for name in bounds} if command in SERVERS else {}
        assert {name: value for name, value in found.items() if value is not None} == expected, service


def test_what_has_a_public_listener_is_told_whose_address_it_sees() -> None:
    for name, expected in (("small", "none"), ("every-option", "direct")):
        told = {
            service: environment(container)["TOROKU_SOURCE_ADDRESS"]
            for service, _, container in own_containers(variant(name))
            if "TOROKU_SOURCE_ADDRESS" in environment(container)
        }
        assert told == {"front-door": expected, "portal": expected}


def test_servers_use_the_configured_pooler() -> None:
    pooled = {}
    for service, command, container in own_containers(variant("pooled-gateway")):
        if command in SERVERS:
            variables = environment(container)
            pooled[service] = variables.get("TOROKU_DATABASE_POOLED"), variables.get("TOROKU_DATABASE")
    address = "postgresql://toroku@{}.pool.example:6432/toroku"
    assert pooled == {
        "qualification-registry": ("true", address.format("qualification")),
        "certificate-registry": ("true", address.format("certificate")),
        "user-lookup": ("true", address.format("certificate")),
        "contact-notification": ("true", address.format("contact")),
        "agency-sync": (None, "postgresql://toroku@sync.db.example:5432/toroku"),
        "front-door": (None, None),
        "portal": (None, "postgresql://toroku@portal.db.example/toroku"),
    }
    made = variant("cloudnative-pg-pooler")
    (server,) = made.named("Deployment", "saitama-agency-sync")["spec"]["template"]["spec"]["containers"]
    variables = environment(server)
    pooler = made.named("Pooler", "saitama-agency-sync-db-pool")
    assert variables["TOROKU_DATABASE"] == "postgresql://agency_sync@saitama-agency-sync-db-pool:5432/agency_sync"
    cluster = made.named("Cluster", pooler["spec"]["cluster"]["name"])
    assert cluster["spec"]["bootstrap"]["initdb"] == {
        **{"database": "agency_sync", "owner": "agency_sync", "encoding": "UTF8"}
    }
    # The pooler has the cluster's certificate, and the servers check its name.
    assert variables["PGSSLMODE"] == "verify-full"
    assert pooler["metadata"]["name"] in cluster["spec"]["certificates"]["serverAltDNSNames"]


@every_variant
def test_addresses_inside_lead_to_ports_of_ready_pods(name: str) -> None:
    release = variant(name)
    found = set()
    for service, _, container in own_containers(release):
        for variable, value in environment(container).items():
            if not variable.endswith("_ENDPOINT") or variable == "TOROKU_OTLP_ENDPOINT":
                continue
            scheme, _, address = value.partition(":///")
            host, _, port = address.partition(":")
            assert (scheme, port) == ("dns", "8443"), service
            target = release.named("Service", host)
            callee = variable.removeprefix("TOROKU_").removesuffix("_ENDPOINT").lower().replace("_", "-")
            assert target["spec"]["selector"]["app.kubernetes.io/name"] == callee
            # One address for each ready pod, so that a client's calls are distributed.
            assert target["spec"]["clusterIP"] == "None"
            assert target["spec"]["publishNotReadyAddresses"] is False
            assert [entry["targetPort"] for entry in target["spec"]["ports"]] == ["internal"]
            found.add(callee)
    assert found == set(services()) - {"portal", "user-lookup"}


def test_lookups_use_image_and_database_of_the_registry_with_a_certificate_of_their_own() -> None:
    release = variant("cloudnative-pg-pooler")
    registry, lookup = (
        release.named("Deployment", f"saitama-{service}")["spec"]["template"]["spec"]
        for service in ("certificate-registry", "user-lookup")
    )
    assert lookup["containers"][0]["image"] == registry["containers"][0]["image"]
    of_registry, of_lookup = environment(registry["containers"][0]), environment(lookup["containers"][0])
    for variable in ("TOROKU_DATABASE", "TOROKU_DATABASE_PASSWORD_FILE", "PGSSLMODE", "PGSSLROOTCERT"):
        assert of_lookup[variable] == of_registry[variable]
    secrets = [
        {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        for spec in (registry, lookup)
    ]
    assert "saitama-user-lookup-tls" in secrets[1] - secrets[0]
    assert "saitama-bidder-proof" in secrets[0] - secrets[1]
    (scaler,) = (
        scaler
        for scaler in release.of_kind("HorizontalPodAutoscaler")
        if scaler["metadata"]["name"] == "saitama-user-lookup"
    )
    assert scaler["spec"]["maxReplicas"] == 8


def test_lookups_may_have_a_database_role_of_their_own() -> None:
    release = variant("given-secrets")
    pod = release.named("Deployment", "saitama-user-lookup")["spec"]["template"]
    (lookup,) = containers(pod)
    assert environment(lookup)["TOROKU_DATABASE"] == "postgresql://reader@certificate.db.example/toroku"
    assert password_secret(pod, lookup) == ("user-lookup-database", "password")


def password_secret(pod: Document, container: Document) -> tuple[str, str] | None:
    """The name and key of the Secret whose file a container reads its database's password from."""
    file = environment(container).get("TOROKU_DATABASE_PASSWORD_FILE")
    if file is None:
        return None
    folder, _, name = file.rpartition("/")
    (mount,) = (mount for mount in container["volumeMounts"] if mount["mountPath"] == folder)
    # As a whole folder: the kubelet never updates a file that is mounted by subPath.
    assert "subPath" not in mount
    assert mount["readOnly"]
    (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == mount["name"])
    (item,) = volume["secret"]["items"]
    assert item["path"] == name
    assert volume["secret"]["defaultMode"] == 0o440
    return volume["secret"]["secretName"], item["key"]


@every_variant
def test_passwords_of_databases_are_mounted_files_and_no_variables(name: str) -> None:
    """A variable keeps its value until the process ends, and a mounted Secret is updated while it runs."""
    for where, pod in variant(name).pods():
        for container in containers(pod):
            variables = environment(container)
            assert "PGPASSWORD" not in variables, where
            assert ("TOROKU_DATABASE" in variables) == ("TOROKU_DATABASE_PASSWORD_FILE" in variables), where
            # The address is no secret, and so holds none.
            assert isinstance(variables.get("TOROKU_DATABASE", ""), str), where
            assert (password_secret(pod, container) is not None) == ("TOROKU_DATABASE" in variables), where


def test_each_process_reads_the_password_of_the_address_that_it_uses() -> None:
    """Behind a pooler a server's pod has two: its migration uses the database's own address."""
    release = variant("pooled-gateway")
    found = {}
    for role in ("certificate-registry", "certificate-registry-worker", "user-lookup"):
        pod = release.named("Deployment", f"saitama-{role}")["spec"]["template"]
        found[role] = [password_secret(pod, container) for container in containers(pod)]
    direct, pooled = ("certificate-db", "password"), ("certificate-pool", "pool-password")
    assert found["certificate-registry"] == [direct, pooled]
    assert found["certificate-registry-worker"] == [direct, direct]
    assert found["user-lookup"] == [pooled]
    made = variant("cloudnative-pg-pooler")
    for role in ("certificate-registry", "certificate-registry-worker", "user-lookup"):
        pod = made.named("Deployment", f"saitama-{role}")["spec"]["template"]
        of_cluster = ("saitama-certificate-registry-db-app", "password")
        assert {password_secret(pod, container) for container in containers(pod)} == {of_cluster}


def provided(release: Release, name: str) -> dict[tuple[str, str], set[str] | None]:
    """The keys of everything that pods may mount, by kind and name; None for supplied objects."""
    found: dict[tuple[str, str], set[str] | None] = {}
    for document in release.of_kind("ConfigMap"):
        found["ConfigMap", document["metadata"]["name"]] = set(document["data"])
    for document in release.of_kind("Certificate"):
        found["Secret", document["spec"]["secretName"]] = {"tls.crt", "tls.key", "ca.crt"}
    for document in release.of_kind("Cluster"):
        cluster = document["metadata"]["name"]
        found["Secret", f"{cluster}-app"] = {"username", "password", "dbname", "host", "port", "uri", "pgpass"}
        found["Secret", f"{cluster}-ca"] = {"ca.crt", "ca.key"}
    for key, text in given(values_of(name)):
        kind = "ConfigMap" if key == "configMapName" else "Secret"
        if key in ("secretName", "publicSecretName", "configMapName", "name"):
            found.setdefault((kind, text), None)
    return found


def given(values: Any) -> Iterator[tuple[str, str]]:
    """Every text in the values, with its key."""
    if isinstance(values, dict):
        for key, value in values.items():
            if isinstance(value, str):
                yield key, value
            yield from given(value)
    elif isinstance(values, list):
        for value in values:
            yield from given(value)


@every_variant
def test_all_mounted_and_referenced_objects_exist(name: str) -> None:
    release = variant(name)
    there = provided(release, name)
    if name == "every-option":
        there["ConfigMap", "roots"] = None
    for where, pod in release.pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounted = set()
        for container in containers(pod):
            for mount in container["volumeMounts"]:
                assert mount["name"] in volumes, where
                # A file mounted by subPath would never be updated.
                assert "subPath" not in mount, where
                mounted.add(mount["name"])
            for variable, source in environment(container).items():
                if isinstance(source, dict) and "secretKeyRef" in source:
                    reference = source["secretKeyRef"]
                    keys = there["Secret", reference["name"]]
                    assert keys is None or reference["key"] in keys, f"{where} {variable}"
            files = mounted_files(container, volumes, there)
            for variable, value in environment(container).items():
                if isinstance(value, str) and value.startswith("/"):
                    folder, _, file = value.rpartition("/")
                    assert folder in files, f"{where}: nothing is mounted for {variable}"
                    held = files[folder]
                    assert held is None or file in held, f"{where}: {variable} names {value}"
        assert mounted == set(volumes), where


def mounted_files(
    container: Document, volumes: Mapping[str, Document], there: Mapping[tuple[str, str], set[str] | None]
) -> dict[str, set[str] | None]:
    """The files of each folder; None where the mounted object is supplied."""
    found: dict[str, set[str] | None] = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            continue
        kind = "Secret" if "secret" in volume else "ConfigMap"
        source = volume["secret"] if kind == "Secret" else volume["configMap"]
        keys = there[kind, source["secretName" if kind == "Secret" else "name"]]
        items = source.get("items")
        if items is not None:
            assert keys is None or {item["key"] for item in items} <= keys
            keys = {item["path"] for item in items}
        found[mount["mountPath"]] = keys
    return found


@every_variant
def test_private_keys_are_mounted_by_their_owners_only(name: str) -> None:
    release = variant(name)
    owners: dict[str, set[tuple[str, str]]] = {}
    for _, pod in release.pods():
        labels = pod["metadata"]["labels"]
        owner = labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]
        for volume in pod["spec"]["volumes"]:
            if "secret" not in volume:
                continue
            items = volume["secret"].get("items")
            keys = {item["key"] for item in items} if items else {"tls.key"}
            if keys & {"tls.key", "key.pem", "ca.key"}:
                owners.setdefault(volume["secret"]["secretName"], set()).add(owner)
            # Readable by the pod's group only.
            assert volume["secret"]["defaultMode"] == 0o440
    made = {
        certificate["spec"]["commonName"]: certificate["spec"]["secretName"]
        for certificate in release.of_kind("Certificate")
        if certificate["spec"]["privateKey"]["algorithm"] == "Ed25519"
    }
    proof, history, mailed = (made.get(key, key) for key in ("bidder-proof", "history", "mailed-secrets"))
    assert owners[made.get("feed", "feed")] == {("agency-sync", "worker")}
    officer_proof, act_proof = (made.get(key, key) for key in ("officer-proof", "act-proof"))
    for secret in set(owners) - {history, mailed}:
        if secret not in BUNDLES:
            assert len({service for service, _ in owners[secret]}) == 1, secret
    assert owners[proof] == {("qualification-registry", component) for component in ("server", "worker")}
    # Servers have no key by which they could rewrite a history.
    assert owners[history] == {(service, "worker") for service in SEALING}
    assert owners[officer_proof] == {("certificate-registry", "server")}
    assert owners[act_proof] == {("certificate-registry", "server")}
    assert owners[mailed] == {("certificate-registry", "server"), ("contact-notification", "worker")}


@every_variant
def test_servers_that_officers_call_trust_their_cas_and_no_other_pod_does(name: str) -> None:
    trusting = {
        (service, command)
        for service, command, container in own_containers(variant(name))
        if "TOROKU_OFFICER_CLIENTS_CA" in environment(container)
    }
    has_agency_listeners = values_of(name).get("agency", {}).get("enabled", True)
    admitting = {service.name for service in SERVICES if service.admits_officers}
    assert trusting == ({(service, "serve") for service in admitting} if has_agency_listeners else set())


def cut(name: str) -> str:
    """The prefix of a variant's names."""
    return "a-rather-long-name-of-an-instance-that-has-to-be-cut" if name == "every-option" else "saitama"


def test_certificates_identify_their_service() -> None:
    release = variant("pooled-gateway")
    for service in services():
        spec = release.named("Certificate", f"saitama-{service}-tls")["spec"]
        assert spec["uris"] == [f"spiffe://saitama/service/{service}"]
        assert spec["dnsNames"][0] == service
        assert {"server auth", "client auth"} <= set(spec["usages"])
    assert "cards.saitama.example" in release.named("Certificate", "saitama-user-lookup-tls")["spec"]["dnsNames"]
    for key in ("bidder-proof", "officer-proof", "act-proof", "history", "feed", "mailed-secrets"):
        spec = release.named("Certificate", f"saitama-{key}")["spec"]
        assert spec["privateKey"] == {"algorithm": "Ed25519", "encoding": "PKCS8", "rotationPolicy": "Never"}
        # It cannot be mistaken for a service's certificate.
        assert spec["uris"] == [f"spiffe://saitama/key/{key}"]
        assert "dnsNames" not in spec
        assert spec["usages"] == ["digital signature"]


def test_profile_is_mounted_unchanged_and_a_change_restarts_the_pods() -> None:
    release = variant("small")
    text = release.named("ConfigMap", "saitama-profile")["data"]["profile.yaml"]
    assert text == PROFILE.read_text("utf-8")
    sums = {
        deployment["spec"]["template"]["metadata"]["annotations"]["checksum/profile"]
        for deployment in release.of_kind("Deployment")
    }
    assert len(sums) == 1


def test_callers_file_is_valid_for_services() -> None:
    text = variant("every-option").named("ConfigMap", f"{cut('every-option')}-callers")["data"]["callers.yaml"]
    assert yaml.safe_load(text) == values_of("every-option")["callers"]
