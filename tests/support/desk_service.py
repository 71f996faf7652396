"""A small service with everything that officers do: a signed act, an act that two decide, an act of a newcomer."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import text

from history.entries import Chain, Entry
from history.tables import create_history
from history.writing import write_history
from officers.acts import find_outcome, save_outcome, take_act
from officers.directory import StoredOfficers
from officers.proposal import Approval, Target
from officers.servicer import Officers, offer_directory
from officers.tables import create_officers
from officers.words import MethodWords, load_words
from refusals import Code, Refusal
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_connection import Connection
from servicekit.identity import caller
from servicekit.signed_statement import VerifyingKeys
from servicekit.statements import Statement
from tests.support.in_process import Authority, serving
from tests.support.officers import Office, office
from toroku.access.v1 import access_pb2

INSTANCE, NAME = "saitama", "desk"
CHAIN = Chain(INSTANCE, NAME)
SERVICE = "toroku.testing.v1.Desk"
SUSPEND, RESUME, JOIN = f"{SERVICE}/Suspend", f"{SERVICE}/Resume", f"{SERVICE}/Join"
AWAY = "agency-sync"
_RESPONSIBLE = access_pb2.OFFICER_SCOPE_RESPONSIBLE_AGENCY
_ACCESS = {
    "Suspend": access_pb2.Access(
        officer_roles=["administrator", "suspension"],
        officer_scope=access_pb2.OFFICER_SCOPE_OWN_AGENCY,
        own_agency_field="agency",
        act=True,
    ),
    "Resume": access_pb2.Access(
        officer_roles=["administrator", "suspension"], officer_scope=_RESPONSIBLE, act=True, four_eyes=True
    ),
    "Join": access_pb2.Access(unregistered_officers=True, act=True),
    "Look": access_pb2.Access(
        services=["front-door"],
        agencies=True,
        officer_roles=["administrator", "registration", "suspension"],
        officer_scope=access_pb2.OFFICER_SCOPE_OWN_AGENCY,
        own_agency_field="agency",
    ),
    "Tell": access_pb2.Access(services=["front-door", "portal"]),
}
_WORDS = {
    SUSPEND: MethodWords(
        ["業者「{bidder_id}」の利用を停止します（{agency}）。", "理由：{reason}"],
        ["Suspend bidder {bidder_id} at {agency}.", "Reason: {reason}"],
    ),
    RESUME: MethodWords(["業者「{bidder_id}」の利用を再開します。"], ["Resume bidder {bidder_id}."]),
    JOIN: MethodWords(["職員として登録を申し込みます。"], ["I join as an officer."]),
}


def _descriptor() -> ServiceDescriptor:
    file = descriptor_pb2.FileDescriptorProto(name="tests/desk.proto", package="toroku.testing.v1", syntax="proto3")
    file.dependency.extend(
        ["toroku/access/v1/access.proto", "toroku/act/v1/signed_purpose.proto", "toroku/officer/v1/proposals.proto"]
    )
    service = file.service.add(name="Desk")
    for name, access in _ACCESS.items():
        request, response = file.message_type.add(name=f"{name}Request"), file.message_type.add(name=f"{name}Response")
        kinds = descriptor_pb2.FieldDescriptorProto
        for number, text_field in enumerate(("agency", "bidder_id", "reason"), 1):
            request.field.add(name=text_field, number=number, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
        if access.act:
            act_type = ".toroku.act.v1.SignedPurpose"
            request.field.add(
                name="act", number=4, type=kinds.TYPE_MESSAGE, type_name=act_type, label=kinds.LABEL_OPTIONAL
            )
        response.field.add(name="answer", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
        record_type = ".toroku.officer.v1.ProposalRecord"
        response.field.add(
            name="proposal", number=2, type=kinds.TYPE_MESSAGE, type_name=record_type, label=kinds.LABEL_OPTIONAL
        )
        method = service.method.add(
            name=name, input_type=f".toroku.testing.v1.{name}Request", output_type=f".toroku.testing.v1.{name}Response"
        )
        method.options.Extensions[access_pb2.access].CopyFrom(access)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


DESCRIPTOR = _descriptor()
_TYPES = {
    method.name: (GetMessageClass(method.input_type), GetMessageClass(method.output_type))
    for method in DESCRIPTOR.methods
}

_FIND = Statement(text("SELECT version FROM suspension WHERE bidder_id = :bidder_id AND is_suspended"))
_SUSPEND = Statement(
    text(
        """
        INSERT INTO suspension AS known (bidder_id, is_suspended, version) VALUES (:bidder_id, :is_suspended, 1)
        ON CONFLICT (bidder_id) DO UPDATE SET is_suspended = excluded.is_suspended, version = known.version + 1
        """
    )
)


def request(name: str, **fields: Any) -> Any:
    """Returns a request of a method."""
    return _TYPES[name][0](**{"agency": "saitama-city", "bidder_id": "1000000001", "reason": "指名停止"} | fields)


class Resumption:
    """A bidder is resumed where two officers say so."""

    method = RESUME

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        # The services that can't be told.
        self.away = [AWAY]
        # What a service refuses that has to be asked for the target.
        self.refusal: Refusal | None = None

    async def find_target(self, connection: Connection, request: Any) -> Target:
        if self.refusal is not None:
            raise self.refusal
        version = await connection.fetch_value(_FIND, bidder_id=request.bidder_id)
        if version is None:
            raise Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)
        return Target(agency="saitama-city", version=str(version), bidder_id=request.bidder_id)

    async def carry_out(self, connection: Connection, request: Any, approval: Approval, now: datetime) -> None:
        await connection.change(_SUSPEND, bidder_id=request.bidder_id, is_suspended=False)
        await write_history(
            connection,
            self._chain,
            [
                Entry(
                    happened_at=now,
                    who=approval.proposed.who,
                    what="bidder active again",
                    request_id=approval.proposed.request_id,
                    bidder_id=request.bidder_id,
                    before={},
                    after={"approved_by": approval.act.who},
                    act=approval.proposed.signed_act,
                )
            ],
        )

    async def tell_others(self, request: Any) -> list[str]:
        return self.away


class DeskServicer:
    """Carries out what officers sign."""

    def __init__(self, database: Database, chain: Chain, officers: Officers, clock: Callable[..., Any]) -> None:
        self._database = database
        self._chain = chain
        self._officers = officers
        self._clock = clock

    async def suspend(self, request: Any, _: Any) -> Any:
        act = self._officers.methods.read(request, caller())
        async with self._database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is None:
                now = await self._clock(connection)
                await take_act(connection, act, now)
                await connection.change(_SUSPEND, bidder_id=request.bidder_id, is_suspended=True)
                entry = Entry(
                    happened_at=now,
                    who=act.who,
                    what="bidder suspended",
                    request_id=act.request_id,
                    bidder_id=request.bidder_id,
                    before={},
                    after={"reason": request.reason},
                    act=act.signed_act,
                )
                await write_history(connection, self._chain, [entry])
                outcome = {"answer": f"suspended by {caller().name}"}
                await save_outcome(connection, act, outcome)
        return _TYPES["Suspend"][1](answer=outcome["answer"])

    async def resume(self, request: Any, _: Any) -> Any:
        return _TYPES["Resume"][1](proposal=await self._officers.proposals.propose(request, caller()))

    async def join(self, request: Any, _: Any) -> Any:
        act = self._officers.methods.read(request, caller())
        async with self._database.transaction() as connection:
            await take_act(connection, act, await self._clock(connection))
        return _TYPES["Join"][1](answer=f"{caller().kind} {caller().name}")

    async def look(self, request: Any, _: Any) -> Any:
        return _TYPES["Look"][1](answer=f"{caller().kind} {caller().name}")

    async def tell(self, request: Any, _: Any) -> Any:
        return _TYPES["Tell"][1](answer=f"{caller().kind} {caller().name}")

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the methods to a server, as generated code does."""
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                getattr(self, name.lower()),
                request_deserializer=types[0].FromString,
                response_serializer=types[1].SerializeToString,
            )
            for name, types in _TYPES.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class DeskStub:
    """The client's side, as generated code has it."""

    Suspend: Any
    Resume: Any
    Join: Any
    Look: Any
    Tell: Any

    def __init__(self, channel: Any) -> None:
        for name, types in _TYPES.items():
            method = channel.unary_unary(
                f"/{SERVICE}/{name}",
                request_serializer=types[0].SerializeToString,
                response_deserializer=types[1].FromString,
            )
            setattr(self, name, method)


@dataclass(slots=True)
class Desk:
    """The running service. `passed` is added to its clock."""

    dsn: str
    internal: str
    agency: str
    authority: Authority
    # Another CA that its TLS trusts, and the file with the officers' own.
    agencies: Authority
    officers_ca: Path
    office: Office
    database: Database
    officers: Officers
    resumption: Resumption
    passed: timedelta = field(default=timedelta())

    async def read_time(self, connection: Connection) -> datetime:
        """Returns the time of the service."""
        return await read_time(connection) + self.passed


def create_tables(dsn: str) -> None:
    """Creates what a migration of the service would."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def execute(statement: str) -> object:
            return connection.execute(statement.encode())

        create_history(execute)
        create_officers(execute)
        execute("CREATE TABLE suspension (bidder_id text PRIMARY KEY, is_suspended boolean, version integer)")


@asynccontextmanager
async def running_desk(folder: Path, dsn: str, *, proof_keys: VerifyingKeys | None = None) -> AsyncIterator[Desk]:
    """Runs the service with its two private listeners until the block ends."""
    create_tables(dsn)
    authority, chain = Authority(folder, INSTANCE), CHAIN
    authority.callers.write_text("agencies: {}\n")
    (folder / "agencies").mkdir()
    agencies, officers_ca = Authority(folder / "agencies", INSTANCE), folder / "officers-ca.pem"
    officers_ca.write_bytes(authority.trusted.read_bytes())
    resumption = Resumption(chain)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(dsn, pool=4))

        async def clock(connection: Connection) -> datetime:
            return await desk.read_time(connection)

        officers = Officers(
            database=database,
            chain=chain,
            services=[DESCRIPTOR],
            handlers=[resumption],
            callers=authority.callers,
            clock=clock,
            words={**load_words(), **_WORDS},
        )
        servicer = DeskServicer(database, chain, officers, clock)
        addresses = [
            await stack.enter_async_context(
                serving(
                    authority,
                    NAME,
                    {DESCRIPTOR: servicer.add_to, **officers.offer(), **offer_directory(database)},
                    instance=INSTANCE,
                    listener=listener,
                    officers=StoredOfficers(database),
                    proof_keys=proof_keys,
                    officers_ca=officers_ca,
                    also_trusted=agencies.trusted,
                )
            )
            for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY)
        ]
        internal, agency = addresses
        opened = await stack.enter_async_context(office(authority, NAME, internal=internal, agency=agency))
        desk = Desk(dsn, internal, agency, authority, agencies, officers_ca, opened, database, officers, resumption)
        yield desk
