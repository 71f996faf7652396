"""Every RPC of every service, called by an officer who has every role, but at another agency: nothing is done or told.

A method with officer_roles needs an entry in REQUESTS: a valid request about a record of another agency.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from psycopg import sql

import toroku
from operator_command.instance_certificates import OFFICER, OFFICER_ROLES, Identity
from operator_command.launcher.instance import Instance, running_instance
from refusals.status import from_rpc_error
from tests.support.rosters import write_roster
from tests.support.running_instance import PROFILE
from toroku.access.v1 import access_pb2
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.qualification.v1 import qualification_registry_pb2 as qualification

MAPPING = ROSTER = "saitama-goods"
CATEGORY = "goods"
BIDDERS = 20
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Records:
    """What another agency has: goods bidders with passwords, and previewed rosters, one to commit and one to cancel."""

    agency: str
    roster: bytes
    bidder_id: str
    import_id: str
    cancelled_id: str


def preview_roster(content: bytes) -> list[Message]:
    header = qualification.RosterHeader(mapping=MAPPING, file_name="roster.csv")
    return [qualification.PreviewRosterRequest(header=header), qualification.PreviewRosterRequest(content=content)]


REQUESTS: Mapping[str, Callable[[Records], Sequence[Message]]] = {
    "toroku.qualification.v1.QualificationRegistry.PreviewRoster": lambda records: preview_roster(records.roster),
    "toroku.qualification.v1.QualificationRegistry.ListPreviewLines": lambda records: [
        qualification.ListPreviewLinesRequest(import_id=records.import_id)
    ],
    "toroku.qualification.v1.QualificationRegistry.ListUndecidedRows": lambda records: [
        qualification.ListUndecidedRowsRequest(import_id=records.import_id)
    ],
    "toroku.qualification.v1.QualificationRegistry.CommitRoster": lambda records: [
        qualification.CommitRosterRequest(import_id=records.import_id, accept_suggestions=True)
    ],
    "toroku.qualification.v1.QualificationRegistry.CancelRosterPreview": lambda records: [
        qualification.CancelRosterPreviewRequest(import_id=records.cancelled_id)
    ],
    "toroku.qualification.v1.QualificationRegistry.ListRosterVersions": lambda records: [
        qualification.ListRosterVersionsRequest(roster=ROSTER)
    ],
    "toroku.qualification.v1.QualificationRegistry.ListVersionLines": lambda records: [
        qualification.ListVersionLinesRequest(roster=ROSTER, version=1)
    ],
    "toroku.qualification.v1.QualificationRegistry.ReadRosterFile": lambda records: [
        qualification.ReadRosterFileRequest(roster=ROSTER, version=1)
    ],
    "toroku.qualification.v1.QualificationRegistry.CompareName": lambda records: [
        qualification.CompareNameRequest(
            agency=records.agency, category=CATEGORY, bidder_id=records.bidder_id, name="株式会社見本"
        )
    ],
    "toroku.qualification.v1.QualificationRegistry.ListBidders": lambda records: [
        qualification.ListBiddersRequest(agency=records.agency, category=CATEGORY)
    ],
    "toroku.qualification.v1.QualificationRegistry.IssuePasswords": lambda records: [
        qualification.IssuePasswordsRequest(
            agency=records.agency, category=CATEGORY, bidder_ids=[records.bidder_id], reissue=True
        )
    ],
    "toroku.agencysync.v1.AgencySync.ListPropagations": lambda records: [
        agency_sync_pb2.ListPropagationsRequest(registration_id=str(uuid4()), agency=records.agency)
    ],
}


def every_service() -> list[ServiceDescriptor]:
    """Returns the gRPC services of all proto files."""
    files = {file.relative_to(root.parent) for root in map(Path, toroku.__path__) for file in root.rglob("*_pb2.py")}
    modules = [import_module(".".join(file.with_suffix("").parts)) for file in sorted(files)]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def access_of(method: MethodDescriptor) -> access_pb2.Access:
    return method.GetOptions().Extensions[access_pb2.access]


def officers_methods() -> list[MethodDescriptor]:
    return [method for service in every_service() for method in service.methods if access_of(method).officer_roles]


def test_every_method_for_officers_has_a_request() -> None:
    assert {method.full_name for method in officers_methods()} == set(REQUESTS)
    # The officers of the instance below have every role that there is.
    assert {role for method in officers_methods() for role in access_of(method).officer_roles} == set(OFFICER_ROLES)


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    """A whole instance whose workers are stopped, so that only calls change anything."""
    tmp_path.chmod(0o711)
    async with running_instance(PROFILE, tmp_path / "state", durable=False) as running:
        for service in running.services.values():
            if service.worker is not None:
                await service.worker.stop()
        yield running


@contextmanager
def calling(instance: Instance, officer: str, service: str) -> Iterator[grpc.Channel]:
    """Opens a channel to the agency listener of a service as an officer (`agency/person`)."""
    own: Identity = instance.certificates.officers[officer]
    trusted = instance.certificates.services[service].authority
    credentials = grpc.ssl_channel_credentials(
        trusted.read_bytes(), own.private_key.read_bytes(), own.certificate.read_bytes()
    )
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


def find_listeners(instance: Instance, officer: str) -> dict[str, str]:
    """Returns the service whose agency listener offers each gRPC service, by the gRPC service's full name."""
    listeners: dict[str, str] = {}
    for label in instance.addresses.by_listener:
        service, _, listener = label.partition(" ")
        if listener == "agency":
            with calling(instance, officer, service) as channel:
                offered = ProtoReflectionDescriptorDatabase(channel).get_services()
                listeners |= dict.fromkeys(offered, service)
    return listeners


def describe_state(instance: Instance) -> dict[tuple[str, str, str], tuple[int, str]]:
    """Returns the number of rows and a hash of the content of every table of every database."""
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    state: dict[tuple[str, str, str], tuple[int, str]] = {}
    for name, running in instance.services.items():
        if running.database is None:
            continue
        with psycopg.connect(running.database) as connection:
            for schema, table in connection.execute(tables).fetchall():
                content = sql.SQL(
                    "SELECT count(*), md5(coalesce(string_agg(row::text, '' ORDER BY row::text), '')) FROM {} row"
                ).format(sql.Identifier(schema, table))
                rows, digest = connection.execute(content).fetchone() or (0, "")
                state[name, schema, table] = (rows, digest)
    return state


def import_records(instance: Instance, agency: str, file: Path) -> Records:
    """Imports a roster as an agency's officer and issues its passwords; previews another one."""
    methods = {method.name: method for method in officers_methods()}
    profile = instance.profile
    content = write_roster(file, profile, profile.mapping(MAPPING), BIDDERS).read_bytes()
    with calling(instance, f"{agency}/{OFFICER}", "qualification-registry") as channel:

        def preview(roster: bytes) -> str:
            preview = call(channel, methods["PreviewRoster"], preview_roster(roster))[-1].preview
            assert preview.error_count == 0, preview.errors
            return str(preview.import_id)

        commit = qualification.CommitRosterRequest(import_id=preview(content), accept_suggestions=True)
        call(channel, methods["CommitRoster"], [commit])
        issue = qualification.IssuePasswordsRequest(agency=agency, category=CATEGORY)
        answers = call(channel, methods["IssuePasswords"], [issue])
        bidder_id = next(answer.letter.company.bidder_id for answer in answers if answer.HasField("letter"))
        fewer = b"".join(content.splitlines(keepends=True)[:-1])
        return Records(agency, fewer, bidder_id, preview(fewer), preview(fewer))


async def test_stranger_with_every_role_is_refused_by_every_method(instance: Instance, tmp_path: Path) -> None:
    owner = instance.profile.mapping(MAPPING).responsible_agency
    stranger = next(agency.code for agency in instance.profile.agencies if CATEGORY not in agency.categories)
    records = import_records(instance, owner, tmp_path / "goods.csv")
    listeners = find_listeners(instance, f"{stranger}/{OFFICER}")
    before = describe_state(instance)
    assert before["qualification-registry", "public", "passwords"][0] > 0

    refused = {}
    for service in every_service():
        if service.full_name not in listeners:
            continue
        with calling(instance, f"{stranger}/{OFFICER}", listeners[service.full_name]) as channel:
            for method in service.methods:
                build = REQUESTS.get(method.full_name)
                requests = build(records) if build is not None else [GetMessageClass(method.input_type)()]
                try:
                    refused[method.full_name] = str(call(channel, method, requests))
                except Exception as refusal:
                    refused[method.full_name] = getattr(refusal, "reason", repr(refusal))

    operators = access_pb2.OFFICER_SCOPE_OPERATOR
    of_agencies = {method.full_name for method in officers_methods() if access_of(method).officer_scope != operators}
    # Also a method that no listener offers would be missing here.
    assert {method.full_name for method in officers_methods()} <= set(refused)
    assert refused == {
        method: "AGENCY_NOT_OWN" if method in of_agencies else "CALLER_NOT_ALLOWED" for method in refused
    }
    assert describe_state(instance) == before

    # The same requests are valid: the owner's officer is not refused.
    for method in officers_methods():
        if access_of(method).officer_scope != operators:
            with calling(instance, f"{owner}/{OFFICER}", listeners[method.containing_service.full_name]) as channel:
                call(channel, method, REQUESTS[method.full_name](records))
    assert describe_state(instance) != before
