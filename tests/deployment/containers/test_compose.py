"""`docker compose up` starts an instance that is ready, and a card is registered through it.

Every part is the real one, but for PostgreSQL's packaging and the collector.
"""

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from instance_profile.name_pieces import spell_out
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.instance_overlay import card_authority, write_overlay
from tests.deployment.containers.conftest import ROOT, Images, run_docker
from tests.support.contractor import contact_of
from tests.support.infrastructure.compose_instance import ComposeInstance, free_ports, value_in_letter

BIDDER = "1100000001"  # The first bidder of the example roster, qualified at 川越市.
AGENCY = "kawagoe-city"
PIN = "246810"
MOMENTS = 30.0
PROJECT = "toroku-tests"


@pytest.fixture(scope="module")
def card_ca() -> CertificateAuthority:
    return CertificateAuthority.create("Toroku Test Issuing CA", parent=CertificateAuthority.create())


@pytest.fixture(scope="module")
def instance(
    images: Images,
    stand_ins: Mapping[str, str],
    card_ca: CertificateAuthority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ComposeInstance]:
    """The instance started by `compose up`, which has returned."""
    folder = tmp_path_factory.mktemp("compose")
    lists = folder / "lists"
    lists.mkdir()
    assert card_ca.parent is not None
    (lists / "issuing.crl").write_bytes(card_ca.crl())
    (lists / "root.crl").write_bytes(card_ca.parent.crl())
    urls = ("http://lists:8080/issuing.crl", "http://lists:8080/root.crl")
    overlay = write_overlay(folder / "overlay.yaml", [card_authority(card_ca, urls)])
    # The containers' user is not pytest's, whose folders are closed to others.
    for path in (overlay, lists, *lists.iterdir(), *folder.parents):
        if path.is_relative_to(tmp_path_factory.getbasetemp().parent):
            path.chmod(path.stat().st_mode | 0o055)
    found = ComposeInstance(
        PROJECT,
        (ROOT / "compose.yaml", Path(__file__).with_name("compose.tests.yaml")),
        {
            "TAG": images.options.tag,
            "POSTGRES_IMAGE": stand_ins["postgresql"],
            "COLLECTOR_IMAGE": stand_ins["collector"],
            "LISTS_IMAGE": stand_ins["web-server"],
            "LISTS_FOLDER": str(lists),
            "OVERLAY": str(overlay),
            **free_ports(),
        },
    )
    try:
        found.compose("up", "-d")
        yield found
    finally:
        found.compose("down", "--volumes", check=False)


def containers(*words: str) -> list[str]:
    named = run_docker("ps", "--quiet", f"--filter=label=com.docker.compose.project={PROJECT}", *words)
    return named.stdout.split()


def is_healthy(container: str) -> bool:
    return run_docker("inspect", "--format", "{{.State.Health.Status}}", container).stdout.strip() == "healthy"


def until(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + MOMENTS
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def page(instance: ComposeInstance, path: str) -> str:
    with urllib.request.urlopen(f"http://{instance.address('INBOX_PORT')}{path}", timeout=10) as answer:
        content: bytes = answer.read()
    return content.decode()


def test_up_imports_the_roster_and_prints_the_next_steps(instance: ComposeInstance) -> None:
    (last,) = instance.compose("ps", "--quiet", "ready").stdout.split()
    assert run_docker("wait", last).stdout.strip() == "0"
    said = run_docker("logs", last).stdout
    assert "埼玉県電子入札共同システム (saitama)" in said
    assert f"front door (TLS)        {instance.address('FRONT_DOOR_PORT')}\n" in said
    assert "docker compose run --rm toroku roster issue-passwords" in said
    request = json.dumps({"agency": "saitama-prefecture", "category": "works"})
    listed = json.loads(instance.toroku("call", "qualification-registry", "ListBidders", request))
    assert BIDDER in {bidder["bidder_id"] for bidder in listed["bidders"]}


def test_containers_are_restricted_and_published_on_loopback_only(instance: ComposeInstance) -> None:
    ours = containers("--all")
    assert len(ours) > 20
    for found in json.loads(run_docker("inspect", *ours).stdout):
        name, host_config = found["Name"], found["HostConfig"]
        if "lists" in name:  # Containers of the tests.
            continue
        assert host_config["ReadonlyRootfs"], name
        assert host_config["CapDrop"] == ["ALL"], name
        assert host_config["CapAdd"] is None, name
        assert host_config["SecurityOpt"] == ["no-new-privileges:true"], name
        assert found["Config"]["User"] == "10001:10001", name
        hosts = {at["HostIp"] for ports in host_config["PortBindings"].values() for at in ports}
        assert hosts <= {"127.0.0.1"}, name


def test_service_has_only_its_own_keys(instance: ComposeInstance) -> None:
    shown = "import os; print({n: oct(os.stat('/secrets/' + n).st_mode)[-3:] for n in sorted(os.listdir('/secrets'))})"
    held = {}
    for service in (
        *("front-door", "qualification-registry", "certificate-registry", "certificate-registry-worker"),
        "user-lookup",
    ):
        listed = instance.compose("exec", "-T", service, "/toroku/bin/python", "-c", shown).stdout
        held[service] = set(json.loads(listed.replace("'", '"')).items())
    assert {mode for files in held.values() for _, mode in files} == {"600"}
    of_registries = {"tls.crt", "tls.key", "ca.crt", "database.password"}
    of_agency_listeners = of_registries | {"agency-clients-ca.crt", "callers.yaml"}
    proofs = {"bidder-proof.pub", "officer-proof.pub", "officer-clients-ca.crt"}
    assert {service: {name for name, _ in files} for service, files in held.items()} == {
        "front-door": {"tls.crt", "tls.key", "ca.crt", "public.crt", "public.key"},
        "qualification-registry": of_agency_listeners | proofs | {"bidder-proof.key"},
        "certificate-registry": of_agency_listeners | proofs,
        "certificate-registry-worker": of_agency_listeners | proofs,
        "user-lookup": of_agency_listeners,
    }


def test_engine_shows_no_password(instance: ComposeInstance) -> None:
    read = "print(open('/secrets/database.password').read().strip())"
    password = instance.compose("exec", "-T", "agency-sync", "/toroku/bin/python", "-c", read).stdout.strip()
    assert len(password) > 20
    assert password not in run_docker("inspect", *containers("--all")).stdout
    assert password not in instance.compose("logs", "--no-color").stdout


def test_password_of_a_database_is_changed_without_a_restart(instance: ComposeInstance) -> None:
    """The steps of docs/howto/change-a-database-password.md."""
    shown = "{{.State.StartedAt}} {{.RestartCount}}"
    processes = [
        container
        for service in ("agency-sync", "agency-sync-worker")
        for container in instance.compose("ps", "--quiet", service).stdout.split()
    ]
    started = run_docker("inspect", "--format", shown, *processes).stdout
    read = "print(open('/secrets/database.password').read())"
    before = instance.compose("exec", "-T", "agency-sync", "/toroku/bin/python", "-c", read).stdout
    instance.compose("run", "--rm", "-T", "--entrypoint", "rm", "passwords", "/secrets/agency-sync/database.password")
    instance.compose("run", "--rm", "-T", "passwords")
    instance.compose("run", "--rm", "-T", "databases")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agency_sync'"
    psql = ("psql", "--host=/var/run/postgresql", "--username=postgres", "--command")
    instance.compose("exec", "-T", "postgresql", *psql, end)
    request = json.dumps({"agency": "saitama-prefecture", "registration_id": str(uuid4())})
    assert json.loads(instance.toroku("call", "agency-sync", "ListPropagations", request)) == {}
    assert instance.compose("exec", "-T", "agency-sync", "/toroku/bin/python", "-c", read).stdout != before
    assert run_docker("inspect", "--format", shown, *processes).stdout == started


def register(instance: ComposeInstance, card: IssuedCard, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs `card-agent register` at the published front door, with a PKCS#12 file and a letter's password."""
    instance.toroku(
        *("roster", "issue-passwords", "--category", "works", "--bidder-id", BIDDER, "--letters", "/letters", "--yes"),
    )
    letter = instance.file(f"/letters/works-{BIDDER}.txt").decode()
    contact = contact_of("土木 一郎")
    typed = {field.name: value for field, value in contact.ListFields()} | {"mail_address_again": contact.mail_address}
    form = {
        "agency": AGENCY,
        "category": "works",
        "search": {"name": spell_out(value_in_letter(letter, "商号又は名称")), "bidder_id": BIDDER},
        "card_contact": typed,
        "representative_contact": typed,
    }
    (folder / "card.p12").write_bytes(card.pkcs12(PIN.encode()))
    (folder / "ca.crt").write_bytes(instance.file("/people/certificates/public/ca.crt"))
    password = value_in_letter(letter, "パスワード")
    for name, content in (("form.yaml", yaml.safe_dump(form)), ("pin", PIN), ("password", password)):
        (folder / name).write_text(content, "utf-8")
    files = {"--form": "form.yaml", "--pin-file": "pin", "--password-file": "password", "--receipt": "receipt.txt"}
    files |= {"--pkcs12": "card.p12", "--trust": "ca.crt", "--state-directory": "state"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "card_agent", "register", "--yes"),
            *("--endpoint", instance.address("FRONT_DOOR_PORT")),
            *(word for option, file in files.items() for word in (option, str(folder / file))),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def registered(
    instance: ComposeInstance, card_ca: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> IssuedCard:
    """A card registered through the front door."""
    card = card_ca.issue(company="株式会社見本建設", holder="見本　太郎")
    done = register(instance, card, tmp_path_factory.mktemp("desk"))
    assert done.returncode == 0, done.stderr
    return card


@pytest.fixture(scope="module")
def agency(instance: ComposeInstance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the agency's certificate and key and the services' CA."""
    folder = tmp_path_factory.mktemp("agency")
    for name, path in (
        ("agency.crt", f"agencies/{AGENCY}.crt"),
        ("agency.key", f"agencies/{AGENCY}.key"),
        ("ca.crt", "services/ca.crt"),
    ):
        (folder / name).write_bytes(instance.file(f"/people/certificates/{path}"))
    return folder


def resolve(instance: ComposeInstance, card: IssuedCard, folder: Path) -> dict[str, str]:
    """Runs `toroku call` at the published agency port, with the agency's certificate."""
    request = {
        "agency": AGENCY,
        "category": "works",
        "certificate_sha256": base64.b64encode(card.sha256).decode(),
        "possession_verified": True,
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "operator_command", "call", "user-lookup", "ResolveUser"),
            *(json.dumps(request), "--endpoint", instance.address("USER_LOOKUP_PORT")),
            *("--client-certificate", str(folder / "agency.crt"), "--client-key", str(folder / "agency.key")),
            *("--trust", str(folder / "ca.crt")),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def test_registered_card_is_good_for_the_agency(
    instance: ComposeInstance, registered: IssuedCard, card_ca: CertificateAuthority, agency: Path
) -> None:
    answer = resolve(instance, registered, agency)
    assert (answer["verdict"], answer["bidder_id"]) == ("VERDICT_GOOD", BIDDER)
    assert resolve(instance, card_ca.issue(), agency)["verdict"] == "VERDICT_NOT_REGISTERED"


def test_registration_mail_is_shown_by_the_inbox_page(instance: ComposeInstance, registered: IssuedCard) -> None:
    assert until(lambda: "koji@contractor.example" in page(instance, "/"))
    listed = page(instance, "/")
    assert "利用者登録のお知らせ" in listed
    path = listed.partition('href="/mail/')[2].partition('"')[0]
    assert "株式会社見本建設" in page(instance, f"/mail/{path}")


def test_spans_of_the_services_arrive_at_the_collector(instance: ComposeInstance, registered: IssuedCard) -> None:
    def services() -> set[str]:
        (collector,) = instance.compose("ps", "--quiet", "collector").stdout.split()
        return {line.split()[1] for line in run_docker("logs", collector).stdout.splitlines()}

    wanted = {"front-door", "certificate-registry", "qualification-registry", "contact-notification"}
    assert until(lambda: wanted <= services()), services()


def test_restarted_instance_keeps_its_data(instance: ComposeInstance, registered: IssuedCard, agency: Path) -> None:
    instance.compose("down")
    assert containers("--all") == []
    # Only these two and their dependencies; starting all would take longer and show no more.
    instance.compose("up", "-d", "user-lookup", "inbox")
    for service in ("user-lookup", "inbox"):
        (found,) = instance.compose("ps", "--quiet", service).stdout.split()
        assert until(partial(is_healthy, found)), service
    assert resolve(instance, registered, agency)["verdict"] == "VERDICT_GOOD"
    assert "利用者登録のお知らせ" in page(instance, "/")


def test_down_with_volumes_leaves_nothing(instance: ComposeInstance) -> None:
    instance.compose("down", "--volumes")
    ours = f"--filter=label=com.docker.compose.project={PROJECT}"
    assert containers("--all") == []
    assert run_docker("volume", "ls", "--quiet", ours).stdout == ""
    assert run_docker("network", "ls", "--quiet", ours).stdout == ""
