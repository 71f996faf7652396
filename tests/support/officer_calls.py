"""Calls of every method of a running instance by any officer, over the agency listeners."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from psycopg import sql

import toroku
from operator_command.client.connection import locate_key_files
from operator_command.instance_certificates import locate_identity
from operator_command.launcher.instance import Instance
from operator_command.officer.acts.key import read_key_file
from operator_command.officer.preparation import name_person
from operator_command.speech import Language, Speech
from refusals.status import from_rpc_error
from tests.support.officer_requests import CATEGORY, MAPPING, Records, preview_roster
from tests.support.rosters import write_roster
from toroku.access.v1 import access_pb2
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm, SignedPurpose
from toroku.officer.v1 import officer_acts_pb2
from toroku.qualification.v1 import bidders_pb2
from toroku.qualification.v1 import qualification_registry_pb2 as qualification

BIDDERS = 20
SECONDS = 60


def every_service() -> list[ServiceDescriptor]:
    """Returns the gRPC services of all proto files."""
    files = {file.relative_to(root.parent) for root in map(Path, toroku.__path__) for file in root.rglob("*_pb2.py")}
    modules = [import_module(".".join(file.with_suffix("").parts)) for file in sorted(files)]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def access_of(method: MethodDescriptor) -> access_pb2.Access:
    return method.GetOptions().Extensions[access_pb2.access]


def officers_methods() -> list[MethodDescriptor]:
    return [method for service in every_service() for method in service.methods if access_of(method).officer_roles]


@contextmanager
def calling(instance: Instance, officer: str, service: str) -> Iterator[grpc.Channel]:
    """Opens a channel to the agency listener of a service as an officer (`agency/person`)."""
    certificate, key = locate_key_files("officers", officer, instance.state)
    trusted = instance.certificates.services[service].authority
    credentials = grpc.ssl_channel_credentials(trusted.read_bytes(), key.read_bytes(), certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", service)]
    with grpc.secure_channel(instance.addresses.of(service, "agency"), credentials, options) as channel:
        yield channel


def call(channel: grpc.Channel, method: MethodDescriptor, requests: Sequence[Message]) -> list[Any]:
    """Calls any method; returns its answers. Raises Refusal."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    codecs: tuple[Any, Any] = (
        lambda message: message.SerializeToString(),
        GetMessageClass(method.output_type).FromString,
    )
    try:
        if method.client_streaming and method.server_streaming:
            return list(channel.stream_stream(path, *codecs)(iter(requests), timeout=SECONDS))
        if method.client_streaming:
            return [channel.stream_unary(path, *codecs)(iter(requests), timeout=SECONDS)]
        (request,) = requests
        if method.server_streaming:
            return list(channel.unary_stream(path, *codecs)(request, timeout=SECONDS))
        return [channel.unary_unary(path, *codecs)(request, timeout=SECONDS)]
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def sign(instance: Instance, officer: str, channel: grpc.Channel, method: MethodDescriptor, request: Any) -> None:
    """Has the service ask for an act for a request, and signs it as the officer. Raises Refusal."""
    asked = officer_acts_pb2.CreateActChallengeRequest(
        method=f"{method.containing_service.full_name}/{method.name}",
        request_id=str(uuid4()),
        request=request.SerializeToString(),
    )
    challenge = officer_acts_pb2.DESCRIPTOR.services_by_name["OfficerActs"].methods_by_name["CreateActChallenge"]
    (created,) = call(channel, challenge, [asked])
    key = read_key_file(*locate_key_files("officers", officer, instance.state), Speech(Language.JAPANESE))
    signed = key.sign(created.purpose)
    algorithm = SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{signed.algorithm.value}")
    request.act.CopyFrom(SignedPurpose(purpose=signed.purpose, algorithm=algorithm, signature=signed.signature))


def sign_and_call(instance: Instance, officer: str, service: str, method: MethodDescriptor, request: Any) -> list[Any]:
    """Calls any method that needs an act with one. Raises Refusal."""
    with calling(instance, officer, service) as channel:
        sign(instance, officer, channel, method, request)
        return call(channel, method, [request])


def find_listeners(instance: Instance, officer: str) -> dict[str, list[str]]:
    """Returns the services whose agency listeners offer each gRPC service, by the gRPC service's full name."""
    listeners: dict[str, list[str]] = {}
    for label in instance.addresses.by_listener:
        service, _, listener = label.partition(" ")
        # It has nothing for officers, and knows none.
        if listener == "agency" and service != "user-lookup":
            with calling(instance, officer, service) as channel:
                for offered in ProtoReflectionDescriptorDatabase(channel).get_services():
                    listeners.setdefault(offered, []).append(service)
    return listeners


async def stop_workers(instance: Instance) -> None:
    """Stops the workers of all services, so that only calls change anything."""
    for service in instance.services.values():
        if service.worker is not None:
            await service.worker.stop()


def describe_state(instance: Instance) -> dict[tuple[str, str, str], tuple[int, str]]:
    """Returns the number of rows and a hash of the content of every table of every database."""
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    state: dict[tuple[str, str, str], tuple[int, str]] = {}
    for name, running in instance.services.items():
        if running.database is None:
            continue
        with psycopg.connect(running.database) as connection:
            for schema, table in connection.execute(tables).fetchall():
                # What somebody is asked to sign is nothing yet.
                if table == "officer_challenge":
                    continue
                content = sql.SQL(
                    "SELECT count(*), md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM {} row"
                ).format(sql.Identifier(schema, table))
                rows, digest = connection.execute(content).fetchone() or (0, "")
                state[name, schema, table] = (rows, digest)
    return state


def make_records(instance: Instance, officer: str, file: Path) -> Records:
    """Imports a roster as an agency's officer and issues its passwords; previews another one; proposes something."""
    methods = {method.full_name.rpartition(".")[2]: method for method in officers_methods()}
    service, agency = "qualification-registry", officer.partition("/")[0]
    profile = instance.profile
    content = write_roster(file, profile, profile.mapping(MAPPING), BIDDERS).read_bytes()

    def preview(roster: bytes) -> str:
        with calling(instance, officer, service) as channel:
            preview = call(channel, methods["PreviewRoster"], preview_roster(roster))[-1].preview
        assert preview.error_count == 0, preview.errors
        return str(preview.import_id)

    commit = qualification.CommitRosterRequest(import_id=preview(content), accept_suggestions=True)
    sign_and_call(instance, officer, service, methods["CommitRoster"], commit)
    issue = qualification.IssuePasswordsRequest(agency=agency, category=CATEGORY)
    answers = sign_and_call(instance, officer, service, methods["IssuePasswords"], issue)
    bidder_ids = [answer.letter.company.bidder_id for answer in answers if answer.HasField("letter")]
    suspended = {"agency": agency, "category": CATEGORY, "bidder_id": bidder_ids[1], "reason": "-"}
    suspend, resume = bidders_pb2.SuspendBidderRequest(**suspended), bidders_pb2.ResumeBidderRequest(**suspended)
    sign_and_call(instance, officer, service, methods["SuspendBidder"], suspend)
    (proposed,) = sign_and_call(instance, officer, service, methods["ResumeBidder"], resume)
    fewer = b"".join(content.splitlines(keepends=True)[:-1])
    return Records(
        agency=agency,
        roster=fewer,
        bidder_id=bidder_ids[0],
        import_id=preview(fewer),
        cancelled_id=preview(fewer),
        person_id=name_person(officer),
        proposal_id=proposed.proposal.proposal.proposal_id,
        proposal_sha256=proposed.proposal.proposal_sha256,
    )


def issue_officer(instance: Instance, officer: str, lifetime: timedelta) -> None:
    """Issues the certificate of a further person (`agency/person`), by the instance's CA of officers."""
    identity = locate_identity(instance.state / "certificates", "officers", officer)
    authority = x509.load_pem_x509_certificate(identity.authority.read_bytes())
    authority_key = serialization.load_pem_private_key(identity.authority.with_suffix(".key").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.UniformResourceIdentifier(f"spiffe://{instance.profile.id}/officer/{officer}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    identity.certificate.parent.mkdir(exist_ok=True)
    identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    identity.private_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
