"""qualification-registry in this process, behind its real doors, with its database, its officers and a front door."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from instance_profile.model import Profile
from operator_command.instance_certificates import InstanceCertificates
from qualification_registry.domain.proof import ProofKey
from qualification_registry.jobs import work
from qualification_registry.password_hashing import PasswordHashing
from qualification_registry.servicer import QualificationRegistry
from refusals.status import from_rpc_error
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.credentials import channel_credentials
from servicekit.database import Database
from tests.support.example_profile import CITY, PREFECTURE, WORKS, example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import free_address
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.certificate.v1 import service_pb2_grpc as certificate_service_pb2_grpc
from toroku.qualification.v1 import resources_pb2, service_pb2
from toroku.qualification.v1.service_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryAsyncStub

SERVICE = service_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
NAME = "qualification-registry"
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD = sha256(b"card").digest()
PIECE = 512 * 1024
OPTIONS = (("grpc.ssl_target_name_override", NAME), ("grpc.max_receive_message_length", 64 * 1024 * 1024))

# The columns of the example mappings, in the file's own words.
HEADER = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了"
WITH_IDS = "with-ids"
# The same file in another encoding.
WITH_IDS_CP932 = "with-ids-cp932"
# Has no bidder ids: they are assigned, by 法人番号.
WITHOUT_IDS = "without-ids"
# Another roster without bidder ids.
OTHER_WITHOUT_IDS = "other-without-ids"


def mapping(name: str, **changes: Any) -> dict[str, Any]:
    """A roster mapping of the example columns, as a profile writes it."""
    return {
        "name": name,
        "title": {"ja": name, "en": name},
        "category": WORKS,
        "encoding": "utf-8",
        "corporate_number": "法人番号",
        "company_name": "商号",
        "address": "所在地",
        "representative_name": "代表者",
        "telephone": "電話番号",
        "grades": [{"kind": "土木", "column": "等級"}],
        **changes,
    }


def roster_profile(**changes: Any) -> Profile:
    """The example profile with rosters: with bidder ids and agencies of each line, and without either."""
    listed = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "valid_from": "期間開始",
        "valid_until": "期間終了",
    }
    mappings = [
        mapping(WITH_IDS, **listed, most_bytes=4 * 1024 * 1024),
        mapping(WITH_IDS_CP932, **listed, encoding="cp932"),
        mapping(WITHOUT_IDS, agencies=[PREFECTURE, CITY]),
        mapping(OTHER_WITHOUT_IDS, agencies=[CITY]),
    ]
    label = {"ja": "業者番号", "en": "bidder number"}
    bidder_id = {"label": label, "pattern": "[0-9]{10}", "assigned_prefix": "90", "assigned_length": 10}
    return example_profile(**({"bidder_id": bidder_id, "roster_mappings": mappings} | changes))


def row(
    bidder_id: str = "1000000001",
    name: str = "株式会社見本建設",
    *,
    corporate_number: str = "",
    address: str = "例示県例示市一丁目",
    representative: str = "見本　太郎",
    telephone: str = "03-0000-0000",
    grade: str = "A",
    agencies: str = "例示県、例示市",
    valid_from: str = "2025-04-01",
    valid_until: str = "2027-03-31",
) -> str:
    """A line of the example file."""
    cells = (bidder_id, corporate_number, name, address, representative, telephone, grade, agencies)
    return ",".join((*cells, valid_from, valid_until))


def roster(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> bytes:
    """A whole example file."""
    return "".join(f"{line}\r\n" for line in (header, *rows)).encode(encoding)


class Officer:
    """An officer's program: streams in both directions, refusals read back.

    It is a synchronous client, as the officer's command is: an asynchronous one of grpcio 1.85 that still sends when
    the server refuses tells an internal error instead of the refusal.
    """

    def __init__(self, stub: QualificationRegistryStub, asynchronous: "QualificationRegistryAsyncStub") -> None:
        self._stub = stub
        self.asynchronous = asynchronous

    async def preview(
        self, content: bytes, mapping_name: str = WITH_IDS, *, file_name: str = "roster.csv"
    ) -> resources_pb2.RosterPreview:
        """Sends a file; gives the preview. Raises Refusal."""
        header = service_pb2.RosterHeader(mapping=mapping_name, file_name=file_name)
        requests = (
            service_pb2.PreviewRosterRequest(content=content[start : start + PIECE])
            for start in range(0, len(content), PIECE)
        )
        *progress, last = await self.preview_messages(
            chain([service_pb2.PreviewRosterRequest(header=header)], requests)
        )
        assert all(message.HasField("progress") for message in progress)
        return last.preview

    async def preview_messages(
        self, requests: Iterable[service_pb2.PreviewRosterRequest]
    ) -> list[service_pb2.PreviewRosterResponse]:
        """All answers to a stream of requests."""
        return await self._all(lambda: self._stub.PreviewRoster(iter(requests)))

    async def commit(
        self, import_id: str, *, decisions: Iterable[tuple[int, str]] = (), accept_suggestions: bool = False
    ) -> service_pb2.RosterCommit:
        """Commits a preview. Raises Refusal."""
        request = service_pb2.CommitRosterRequest(
            import_id=import_id,
            decisions=[resources_pb2.RowDecision(row=number, bidder_id=bidder_id) for number, bidder_id in decisions],
            accept_suggestions=accept_suggestions,
        )
        *_, last = await self._all(lambda: self._stub.CommitRoster(request))
        commit: service_pb2.RosterCommit = last.commit
        return commit

    async def import_roster(self, content: bytes, mapping_name: str = WITH_IDS) -> service_pb2.RosterCommit:
        """Previews a file and commits it as suggested."""
        preview = await self.preview(content, mapping_name)
        assert not preview.error_count, preview.errors
        return await self.commit(preview.import_id, accept_suggestions=True)

    async def issue(
        self, *bidder_ids: str, reissue: bool = False, category: str = WORKS
    ) -> dict[str, resources_pb2.PasswordLetter]:
        """Issues passwords; gives the letters by bidder id. Raises Refusal."""
        request = service_pb2.IssuePasswordsRequest(category=category, bidder_ids=bidder_ids, reissue=reissue)
        answers = await self._all(lambda: self._stub.IssuePasswords(request))
        letters = [answer.letter for answer in answers if answer.HasField("letter")]
        return {letter.company.bidder_id: letter for letter in letters}

    @staticmethod
    async def _all(call: Callable[[], Iterable[Any]]) -> list[Any]:
        try:
            return await asyncio.to_thread(lambda: list(call()))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None


@dataclass(slots=True)
class QualificationHouse:
    """The service and all that stands around it."""

    dsn: str
    profile: Profile
    database: Database
    proof_key: ProofKey
    front_door: "QualificationRegistryAsyncStub"
    agency_sync: "QualificationRegistryAsyncStub"
    officer: Officer
    other_officer: Officer
    stranger: Officer
    cards: CertificateRegistryPeer
    work: jobs.Work
    now: list[datetime] = field(default_factory=lambda: [MORNING])

    def pass_time(self, duration: timedelta) -> None:
        """Lets the service's clock go on."""
        self.now[0] += duration

    async def find(
        self,
        bidder_id: str = "1000000001",
        name: str = "株式会社見本建設",
        password: str = "",
        *,
        agency: str = PREFECTURE,
        category: str = WORKS,
        card: bytes = CARD,
        company_on_card: str | None = None,
    ) -> service_pb2.FindBidderResponse:
        """Searches as the front door does. Raises Refusal."""
        return await self.front_door.FindBidder(
            service_pb2.FindBidderRequest(
                agency=agency,
                category=category,
                certificate_sha256=card,
                name=name,
                bidder_id=bidder_id,
                password=password,
                certificate_company_name=company_on_card,
            )
        )

    async def qualified(self, *bidder_ids: str, category: str = WORKS) -> dict[str, list[str]]:
        """The agencies of each bidder, as agency-sync is told."""
        response = await self.agency_sync.ListQualifiedAgencies(
            service_pb2.ListQualifiedAgenciesRequest(category=category, bidder_ids=bidder_ids)
        )
        return {bidder.bidder_id: list(bidder.agencies) for bidder in response.bidders}

    async def tell(self) -> None:
        """Does the waiting jobs that tell of bidders, as the worker would."""
        query = "SELECT id, args FROM jobs.procrastinate_jobs WHERE status = 'todo' ORDER BY id LIMIT 1"
        while waiting := await self.rows(query):
            ((number, arguments),) = waiting
            await self.work.tasks["tell_certificate_registry"][0](arguments["arguments"])
            async with self.database.transaction() as connection:
                # As a worker's session has it: the table's triggers name others without their schema.
                await connection.execute(text("SET LOCAL search_path = public, jobs"))
                await connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": number})

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with self.database.read() as connection:
            return [tuple(found) for found in await connection.execute(text(query))]


@asynccontextmanager
async def qualification_house(
    dsn: str, folder: Path, profile: Profile | None = None, *, pooled: bool = False
) -> AsyncIterator[QualificationHouse]:
    """Opens the house on a fresh database; `pooled`: the address leads through a transaction pooler."""
    profile = profile or roster_profile()
    authority = Authority(folder, profile.id)
    clock = [MORNING]
    cards = CertificateRegistryPeer()  # type: ignore[abstract]  # It is told of bidders, and asked for nothing.
    proof_key = ProofKey(Ed25519PrivateKey.generate())
    hashing = PasswordHashing()
    async with AsyncExitStack() as stack:
        stack.callback(hashing.close)
        database = await stack.enter_async_context(Database.open(dsn, pool=8, pooled=pooled))
        servicer = QualificationRegistry(
            database=database, profile=profile, proof_key=proof_key, hashing=hashing, clock=lambda: clock[0]
        )
        services = {SERVICE: partial(add_QualificationRegistryServicer_to_server, servicer)}
        addresses = {
            listener: await stack.enter_async_context(
                serving(authority, NAME, services, instance=profile.id, listener=listener)
            )
            for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY)
        }
        card_services = {
            certificate_service_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                certificate_service_pb2_grpc.add_CertificateRegistryServicer_to_server, cards
            )
        }
        card_address = await stack.enter_async_context(
            serving(authority, "certificate-registry", card_services, instance=profile.id)
        )
        own = await stack.enter_async_context(calling(authority.service(NAME), certificate_registry=card_address))
        stubs = {}
        for name in ("front-door", "agency-sync"):
            peers = await stack.enter_async_context(
                calling(authority.service(name), qualification_registry=addresses[ListenerKind.INTERNAL])
            )
            stubs[name] = peers.stub(NAME, QualificationRegistryStub)
        officers = {}
        for name, roles in (("hanako", ("roster", "password")), ("jiro", ("roster",)), ("saburo", ())):
            files = authority.officer(f"{PREFECTURE}/{name}", *roles)
            target = (addresses[ListenerKind.AGENCY], channel_credentials(files), OPTIONS)
            channel = stack.enter_context(grpc.secure_channel(*target))
            asynchronous = await stack.enter_async_context(grpc.aio.secure_channel(*target))
            officers[name] = Officer(QualificationRegistryStub(channel), QualificationRegistryStub(asynchronous))
        certificates: CertificateRegistryAsyncStub = own.stub(
            "certificate-registry", certificate_service_pb2_grpc.CertificateRegistryStub
        )
        yield QualificationHouse(
            dsn=dsn,
            profile=profile,
            database=database,
            proof_key=proof_key,
            front_door=stubs["front-door"],
            agency_sync=stubs["agency-sync"],
            officer=officers["hanako"],
            other_officer=officers["jiro"],
            stranger=officers["saburo"],
            cards=cards,
            work=work(database=database, certificates=certificates, clock=lambda: clock[0]),
            now=clock,
        )


def process_settings(
    folder: Path, certificates: InstanceCertificates, dsn: str, *, doors: Sequence[str]
) -> dict[str, str]:
    """What a process of the service is told; its doors and its one peer are at free addresses."""
    profile = folder / "example.yaml"
    profile.write_text(yaml.safe_dump(roster_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    own = certificates.services[NAME]
    found = {
        "PROFILE": profile,
        "DATABASE": dsn,
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "AGENCY_CLIENTS_CA": certificates.agency_clients_authorities,
        "CALLERS": certificates.callers,
        "BIDDER_PROOF_KEY": certificates.bidder_proof_private,
        "CERTIFICATE_REGISTRY_ENDPOINT": free_address(),
    } | {f"{door}_LISTEN": free_address() for door in doors}
    return {f"TOROKU_{name}": str(value) for name, value in found.items()}
