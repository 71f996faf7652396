"""Files and databases of an instance in containers: separate keys, separate passwords, and a folder for callers."""

import stat
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest

from operator_command.client.connection import resolve_connection
from operator_command.containers.certificate_volumes import fill_callers_folder, fill_service_folders
from operator_command.containers.server_databases import make_passwords, provide_databases
from operator_command.database_roles import allow_reading, provide_database, provide_role
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.topology import DATABASE_SERVICES, READING_SERVICES, SERVICES, read_addresses, split_address
from refusals import Refusal
from servicekit.database_password import read_password


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "authorities",
        instance="saitama",
        services=[service.name for service in SERVICES],
        agencies=["city", "town"],
        officers=["city/officer", "operator/officer"],
        now=datetime.now(UTC),
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_each_service_gets_its_own_key_and_no_other(tmp_path: Path, certificates: InstanceCertificates) -> None:
    fill_service_folders(certificates, tmp_path / "out")
    files = contents(tmp_path / "out")
    for service in SERVICES:
        assert files[f"{service.name}/tls.key"] == certificates.services[service.name].private_key.read_bytes()
    keys = [content for content in files.values() if b"PRIVATE KEY" in content]
    # One for every service, the public ones of front door and portal, those of bidder, officer and act proofs,
    # histories, snapshots, mailed secrets and drafts.
    assert len(set(keys)) == len(keys) == len(SERVICES) + 9
    assert {name for name in files if name.endswith("bidder-proof.key")} == {"qualification-registry/bidder-proof.key"}
    # No service's folder has it, since a server would then have it too.
    assert files["history/history.key"] == certificates.history_private.read_bytes()
    assert files["feed/feed.key"] == certificates.feed_private.read_bytes()
    assert files["officer-proof/officer-proof.key"] == certificates.officer_proof_private.read_bytes()
    assert files["act-proof/act-proof.key"] == certificates.act_proof_private.read_bytes()
    assert files["contact-notification/act-proof.pub"] == certificates.act_proof_public.read_bytes()
    assert files["mailed-secrets/mailed-secrets.key"] == certificates.mailed_secret_key.read_bytes()


def test_no_folder_contains_the_key_of_a_ca(tmp_path: Path, certificates: InstanceCertificates) -> None:
    fill_service_folders(certificates, tmp_path / "out")
    fill_callers_folder(certificates, tmp_path / "people")
    written = {*contents(tmp_path / "out").values(), *contents(tmp_path / "people").values()}
    authorities = list((tmp_path / "authorities").glob("*/ca.key"))
    assert len(authorities) == 4
    assert not written & {key.read_bytes() for key in authorities}


def test_files_are_private_and_untouched_by_a_second_run(tmp_path: Path, certificates: InstanceCertificates) -> None:
    def write_and_look() -> dict[Path, tuple[int, int, int]]:
        fill_service_folders(certificates, tmp_path / "out")
        fill_callers_folder(certificates, tmp_path / "people")
        return {
            path: (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns, path.stat().st_ino)
            for folder in ("out", "people")
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        }

    files = write_and_look()
    assert {mode for mode, _, _ in files.values()} == {0o600}
    assert write_and_look() == files


def test_callers_folder_is_enough_to_call_with(tmp_path: Path, certificates: InstanceCertificates) -> None:
    people = tmp_path / "people"
    fill_callers_folder(certificates, people)
    assert read_addresses(people).of("front-door", "public") == "front-door:8445"
    resolve = partial(resolve_connection, certificate=None, private_key=None, authority=None, state=people)
    connection = resolve("user-lookup", ("agencies", "town"), endpoint=None)
    assert connection.endpoint == "user-lookup:8444"
    assert connection.private_key.read_bytes() == certificates.agencies["town"].private_key.read_bytes()
    assert connection.authority.read_bytes() == certificates.services["certificate-registry"].authority.read_bytes()
    assert (people / "certificates" / "history.pub").read_bytes() == certificates.history_public.read_bytes()
    assert (people / "certificates" / "feed.pub").read_bytes() == certificates.feed_public.read_bytes()
    # The only officer of an agency need not be named.
    connection = resolve("qualification-registry", None, endpoint="127.0.0.1:1")
    assert connection.endpoint == "127.0.0.1:1"
    assert connection.certificate.read_bytes() == certificates.officers["city/officer"].certificate.read_bytes()


def test_passwords_are_made_once_and_differ(tmp_path: Path) -> None:
    make_passwords(tmp_path)
    passwords = contents(tmp_path)
    make_passwords(tmp_path)
    assert contents(tmp_path) == passwords
    assert len(set(passwords.values())) == len(passwords) == len(DATABASE_SERVICES) + len(READING_SERVICES) + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()} == {0o600}


def test_service_reaches_its_database_with_its_password_file(tmp_path: Path, postgresql: EmbeddedPostgreSQL) -> None:
    make_passwords(tmp_path)
    password = read_password(tmp_path / "agency-sync" / "database.password")
    host = postgresql.dsn("postgres", "toroku_administrator").partition("?host=")[2]
    with postgresql.connect() as administrator:
        for _ in range(2):
            provide_role(administrator, "agency_sync", password)
            provide_database(administrator, "with_password_file", "agency_sync")
        try:
            address = f"postgresql://agency_sync@/with_password_file?host={host}"
            with psycopg.connect(address, password=password) as connection:
                assert connection.execute("SELECT current_user").fetchone() == ("agency_sync",)
        finally:
            administrator.execute("DROP DATABASE with_password_file")
            administrator.execute("DROP ROLE agency_sync")


def test_reading_role_reads_one_database_and_changes_nothing(postgresql: EmbeddedPostgreSQL) -> None:
    host = postgresql.dsn("postgres", "toroku_administrator").partition("?host=")[2]
    with postgresql.connect() as administrator:
        try:
            for role in ("owner_of_it", "reader_of_it"):
                provide_role(administrator, role, "secret")
            for database in ("read_by_it", "not_read_by_it"):
                provide_database(administrator, database, "owner_of_it")
            for _ in range(2):
                allow_reading(administrator, "read_by_it", "reader_of_it")
            with psycopg.connect(f"postgresql://owner_of_it:secret@/read_by_it?host={host}") as owner:
                owner.execute("CREATE TABLE made_later (number int)")
                owner.execute("INSERT INTO made_later VALUES (1)")
            address = f"postgresql://reader_of_it:secret@/read_by_it?host={host}"
            with psycopg.connect(address, autocommit=True) as reader:
                assert reader.execute("SELECT number FROM made_later").fetchall() == [(1,)]
                for change in ("INSERT INTO made_later VALUES (2)", "DROP TABLE made_later", "CREATE TABLE x ()"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        reader.execute(change.encode())
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(address.replace("read_by_it?", "not_read_by_it?"))
        finally:
            for database in ("read_by_it", "not_read_by_it"):
                administrator.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())
            for role in ("owner_of_it", "reader_of_it"):
                administrator.execute(f"DROP ROLE IF EXISTS {role}".encode())


def test_silent_server_is_refused_with_its_address(tmp_path: Path) -> None:
    make_passwords(tmp_path)
    with pytest.raises(Refusal, match="DATABASE_SERVER_SILENT") as raised:
        provide_databases("127.0.0.1", 1, tmp_path, timeout=0, report=print)
    assert raised.value.metadata["server"] == "127.0.0.1:1"


def test_missing_password_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="PASSWORD_FILE_UNREADABLE"):
        provide_databases("127.0.0.1", 1, tmp_path, timeout=0, report=print)


@pytest.mark.parametrize("address", ["", "8025", ":8025", "host:", "host:x", "host:65536"])
def test_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(Refusal, match="ADDRESS_WRONG"):
        split_address(address)
