"""What containers are given: own keys, own passwords, and a folder with which people call."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from operator_command.client.connection import connection_of
from operator_command.containers.certificate_volumes import hand_out, hand_out_to_people
from operator_command.containers.server_databases import keepers, make_passwords, provide_databases
from operator_command.database_roles import provide_database, provide_role
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.topology import SERVICES, host_and_port, remembered_addresses
from refusals import Refusal


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "authorities",
        instance="saitama",
        services=[service.name for service in SERVICES],
        agencies=["city", "town"],
        officers={"city/officer": ("roster",)},
        now=datetime.now(UTC),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_each_service_gets_its_own_key_and_no_other(tmp_path: Path, certificates: InstanceCertificates) -> None:
    hand_out(certificates, tmp_path / "out")
    files = contents(tmp_path / "out")
    for service in SERVICES:
        assert files[f"{service.name}/tls.key"] == certificates.services[service.name].private_key.read_bytes()
    keys = [content for content in files.values() if b"PRIVATE KEY" in content]
    # Every service's, the front door's public one, and that which signs bidder proofs.
    assert len(set(keys)) == len(keys) == len(SERVICES) + 2
    assert {name for name in files if name.endswith("bidder-proof.key")} == {"qualification-registry/bidder-proof.key"}


def test_nobody_is_given_the_key_of_a_ca(tmp_path: Path, certificates: InstanceCertificates) -> None:
    hand_out(certificates, tmp_path / "out")
    hand_out_to_people(certificates, tmp_path / "people")
    given = {*contents(tmp_path / "out").values(), *contents(tmp_path / "people").values()}
    authorities = list((tmp_path / "authorities").glob("*/ca.key"))
    assert len(authorities) == 4
    assert not given & {key.read_bytes() for key in authorities}


def test_what_is_handed_out_is_closed_and_stays_as_it_is(tmp_path: Path, certificates: InstanceCertificates) -> None:
    for _ in range(2):
        hand_out(certificates, tmp_path / "out")
        hand_out_to_people(certificates, tmp_path / "people")
        seen = {
            path: (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns, path.stat().st_ino)
            for folder in ("out", "people")
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        }
        assert {mode for mode, _, _ in seen.values()} == {0o600}
    assert seen == {path: (0o600, path.stat().st_mtime_ns, path.stat().st_ino) for path in seen}


def test_people_call_with_their_folder_alone(tmp_path: Path, certificates: InstanceCertificates) -> None:
    people = tmp_path / "people"
    hand_out_to_people(certificates, people)
    assert remembered_addresses(people).of("front-door", "public") == "front-door:8445"
    to = connection_of(("agencies", "town"), "certificate-registry", None, None, None, None, people)
    assert to.endpoint == "certificate-registry:8444"
    assert to.private_key.read_bytes() == certificates.agencies["town"].private_key.read_bytes()
    assert to.trusted.read_bytes() == certificates.services["certificate-registry"].authority.read_bytes()
    # The only officer need not be named.
    officers = connection_of(None, "qualification-registry", "127.0.0.1:1", None, None, None, people)
    assert officers.endpoint == "127.0.0.1:1"
    assert officers.certificate.read_bytes() == certificates.officers["city/officer"].certificate.read_bytes()


def test_passwords_are_made_once_and_differ(tmp_path: Path) -> None:
    make_passwords(tmp_path)
    made = contents(tmp_path)
    make_passwords(tmp_path)
    assert contents(tmp_path) == made
    assert len(set(made.values())) == len(made) == len(keepers()) + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()} == {0o600}


def test_service_reaches_its_database_by_the_file_that_it_was_given(
    tmp_path: Path, postgresql: EmbeddedPostgreSQL
) -> None:
    make_passwords(tmp_path)
    file = tmp_path / "agency-sync" / "database.pgpass"
    password = file.read_text().strip().rpartition(":")[2]
    host = postgresql.dsn("postgres", "toroku_administrator").partition("?host=")[2]
    with postgresql.connect() as administrator:
        for _ in range(2):
            provide_role(administrator, "agency_sync", password)
            provide_database(administrator, "given_by_file", "agency_sync")
        try:
            address = f"postgresql://agency_sync@/given_by_file?host={host}&passfile={file}"
            with psycopg.connect(address) as own:
                assert own.execute("SELECT current_user").fetchone() == ("agency_sync",)
        finally:
            administrator.execute("DROP DATABASE given_by_file")
            administrator.execute("DROP ROLE agency_sync")


def test_server_that_does_not_answer_is_said_with_its_address(tmp_path: Path) -> None:
    make_passwords(tmp_path)
    with pytest.raises(Refusal, match="DATABASE_SERVER_SILENT") as raised:
        provide_databases("127.0.0.1", 1, tmp_path, within=0, said=print)
    assert raised.value.metadata["server"] == "127.0.0.1:1"


def test_missing_password_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="PASSWORD_FILE_UNREADABLE"):
        provide_databases("127.0.0.1", 1, tmp_path, within=0, said=print)


@pytest.mark.parametrize("address", ["", "8025", ":8025", "host:", "host:x", "host:65536"])
def test_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Refusal, match="ADDRESS_WRONG"):
        host_and_port(address)
