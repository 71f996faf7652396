"""A running instance with rosters, a card CA and contractors, for acceptance tests and benchmarks.

Every service is its own processes; PostgreSQL, SMTP, the CA's lists and mTLS are real.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import yaml

from instance_profile.base import OPERATOR
from instance_profile.model import Profile
from operator_command.instance_certificates import OFFICER, Identity
from operator_command.launcher.inbox import wait_for_message
from operator_command.launcher.instance import Instance, running_instance
from operator_command.officer.preparation import prepare_officer
from servicekit.credentials import CertificateFiles
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority, write_overlay
from tests.support.contractor import Contractor
from tests.support.infrastructure.trace_collector import CollectedSpans, trace_collector
from tests.support.officers import SigningOfficer, name_method, sign_request
from tests.support.rosters import write_roster
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import card_pb2, user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub
from toroku.contact.v1 import contact_notification_pb2 as contact_service
from toroku.contact.v1 import contact_pb2 as contact_resources
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub
from toroku.qualification.v1 import bidder_pb2 as bidder_resources
from toroku.qualification.v1 import qualification_registry_pb2 as qualification_service
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub

Answer = TypeVar("Answer")
# Seconds until the effect of background work must be visible.
MOMENTS = 20.0
PIECE = 256 * 1024
QUALIFICATION_REGISTRY = "qualification-registry"
PROFILE = Path(__file__).parents[2] / "profiles" / "saitama.yaml"
# The one agency at which the company of the certificate has to be the roster's.
COMPANY_COMPARED_AT = "kawagoe-city"
# What the test CA says of a blocked card.
UNLOCKING = {
    "ja": "ロックの解除には、登録試験認証局への申請書の郵送が必要です。",
    "en": "To have it unblocked, send the form of Toroku Test CA by post.",
}
# The one category in which one PIN may serve both cards of a renewal.
ONE_PIN_CATEGORY = "goods"
# Rosters of cities' own, empty at first, by the city.
CITY_ROSTERS = {"kawagoe-city": "kawagoe-goods", "kawaguchi-city": "kawaguchi-goods"}
# Roster mapping and number of made-up bidders, by category.
BIDDERS = {"works": ("saitama-standard", 900), "goods": ("saitama-goods", 20)}
# Those of the model-based test, and all that tests name by their numbers.
MODELLED_BIDDERS = range(561, 901)
NAMED_BIDDERS = {*range(260, 321), *MODELLED_BIDDERS}


@dataclass(frozen=True, slots=True)
class Bidder:
    """A qualified bidder with the password of its letter and the agencies where it is qualified."""

    bidder_id: str
    name: str
    password: str = field(repr=False)
    category: str
    agencies: tuple[str, ...]


@asynccontextmanager
async def instance_with_rosters(
    folder: Path,
    bidders: Mapping[str, tuple[str, int]] | None = None,
    *,
    trace_sampling: float = 1,
    further_settings: Mapping[str, str] | None = None,
) -> AsyncIterator["RunningInstance"]:
    """Runs an instance with its files below `folder`; `bidders` is as BIDDERS."""
    root = CertificateAuthority.create()
    ca = CertificateAuthority.create("Toroku Test Issuing CA", parent=root)
    revoked_card = ca.issue()
    ca.revoke(revoked_card)
    with crl_server(ca.crl) as url, crl_server(root.crl) as root_url:
        overlay = write_overlay(
            folder / "overlay.yaml",
            [card_authority(ca, (url, root_url)) | {"unlocking": UNLOCKING}],
            agencies=_list_agencies(),
            categories=_list_categories(),
            roster_mappings=[*_read_profile()["roster_mappings"], *map(_make_city_mapping, CITY_ROSTERS)],
        )
        async with trace_collector() as collected:
            settings = {
                "TOROKU_OTLP_ENDPOINT": collected.endpoint,
                "TOROKU_TRACE_SAMPLING": str(trace_sampling),
            } | dict(further_settings or {})
            async with running_instance(
                PROFILE, folder / "state", overlay=overlay, durable=False, further_settings=settings
            ) as instance:
                officer = officer_at(instance, f"{OPERATOR}/{OFFICER}", QUALIFICATION_REGISTRY)
                trusted = grpc.ssl_channel_credentials(instance.certificates.public.authority.read_bytes())
                yield RunningInstance(
                    launched=instance,
                    profile=instance.profile,
                    front_door=grpc.aio.secure_channel(instance.front_door, trusted),
                    ca=ca,
                    revoked_card=revoked_card,
                    bidders=await _import_rosters(instance.profile, officer, bidders or BIDDERS, folder),
                    collected=collected,
                )


def _read_profile() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(PROFILE.read_text("utf-8"))
    return content


def _make_city_mapping(agency: str) -> dict[str, Any]:
    """Returns the mapping of docs/howto/map-a-roster.md for a city; its roster has the city's name before -goods."""
    return {
        "name": CITY_ROSTERS[agency],
        "roster": CITY_ROSTERS[agency],
        "title": {"ja": "物品等 有資格者名簿", "en": "Goods"},
        "responsible_agency": agency,
        "category": "goods",
        "encoding": "cp932",
        "bidder_id": "業者コード",
        "company_name": "業者名",
        "corporate_number": "法人番号",
        "postal_code": "〒",
        "address": "所在地",
        "representative_name": "代表者",
        "telephone": "電話",
        "agencies_column": "希望先",
        "agencies_separator": "/",
        "valid_from": "認定日",
        "valid_until": "期限",
        "grades": [{"kind": "物品の販売", "column": "販売"}, {"kind": "業務委託", "column": "委託"}],
    }


def _list_agencies() -> list[dict[str, Any]]:
    agencies: list[dict[str, Any]] = _read_profile()["agencies"]
    return [
        agency | {"company_match": "required"} if agency["code"] == COMPANY_COMPARED_AT else agency
        for agency in agencies
    ]


def _list_categories() -> list[dict[str, Any]]:
    categories: list[dict[str, Any]] = _read_profile()["categories"]
    return [
        category | {"renewal": category["renewal"] | {"pins": "one_where_equal"}}
        if category["code"] == ONE_PIN_CATEGORY
        else category
        for category in categories
    ]


async def _import_rosters(
    profile: Profile, officer: SigningOfficer, rosters: Mapping[str, tuple[str, int]], folder: Path
) -> list[Bidder]:
    bidders: list[Bidder] = []
    for category, (name, count) in rosters.items():
        mapping = profile.mapping(name)
        offering = [agency.code for agency in profile.agencies if category in agency.categories]
        file = write_roster(folder / f"{category}.csv", profile, mapping, count)
        await import_roster(officer, file, name)
        issued = await issue_passwords(officer, offering, category)
        for number in range(1, count + 1):
            bidder_id = str(1_000_000_000 + number)
            company, password = issued[bidder_id]
            agencies = dict.fromkeys(offering[(number + step) % len(offering)] for step in range(2 + number % 4))
            bidders.append(Bidder(bidder_id, company, password, category, tuple(agencies)))
    return bidders


def channel_to(instance: Instance, caller: Identity, service: str, *, listener: str = "agency") -> grpc.aio.Channel:
    """Opens a channel to a listener of a service: as an agency or an officer, or as a service to the internal one."""
    trusted = instance.certificates.services[service].authority
    credentials = grpc.ssl_channel_credentials(
        trusted.read_bytes(), caller.private_key.read_bytes(), caller.certificate.read_bytes()
    )
    address = instance.addresses.of(service, listener)
    return grpc.aio.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", service)])


def officer_at(instance: Instance, name: str, service: str) -> SigningOfficer:
    """Returns an officer (`agency/person`) with a connection to the agency listener of a service."""
    own = instance.certificates.officers[name]
    files = CertificateFiles(own.certificate, own.private_key, instance.certificates.services[service].authority)
    return SigningOfficer(name, files, channel_to(instance, own, service))


async def import_roster(
    officer: SigningOfficer,
    file: Path,
    mapping: str,
    *,
    on_step: Callable[[str], None] = lambda step: None,
) -> None:
    """Previews and commits a roster file as an officer who confirms everything would.

    `on_step` gets the step of each message received.
    """

    async def parts() -> Any:
        header = qualification_service.RosterHeader(mapping=mapping, file_name=file.name)
        yield qualification_service.PreviewRosterRequest(header=header)
        content = file.read_bytes()
        for start in range(0, len(content), PIECE):
            yield qualification_service.PreviewRosterRequest(content=content[start : start + PIECE])

    registry: QualificationRegistryAsyncStub = QualificationRegistryStub(officer.channel)
    preview = None
    async for part in registry.PreviewRoster(parts()):
        preview = part.preview
        on_step(part.progress.step or "preview")
    assert preview is not None
    assert preview.error_count == 0, preview.errors
    request = qualification_service.CommitRosterRequest(
        import_id=preview.import_id,
        accept_suggestions=True,
        confirmed=[question.reason for question in preview.questions],
    )
    signed = await sign_request(name_method(registry.CommitRoster), request, officer)
    async for done in registry.CommitRoster(signed):
        on_step("commit" if done.HasField("commit") else "begin to commit")


async def issue_passwords(
    officer: SigningOfficer, agencies: Iterable[str], category: str
) -> dict[str, tuple[str, str]]:
    """Issues a password to every bidder of these agencies; returns company name and password by bidder id."""
    issued = {}
    for agency in agencies:
        request = qualification_service.IssuePasswordsRequest(agency=agency, category=category)
        for letter in await _issue(officer, request):
            issued[letter.company.bidder_id] = (letter.company.name, letter.password)
    return issued


async def reissue_password(instance: Instance, agency: str, category: str, bidder_id: str) -> str:
    """Issues a new password to a bidder, as the operator's officer, and returns it."""
    officer = officer_at(instance, f"{OPERATOR}/{OFFICER}", QUALIFICATION_REGISTRY)
    async with officer.channel:
        request = qualification_service.IssuePasswordsRequest(
            agency=agency,
            category=category,
            bidder_ids=[bidder_id],
            reissue=True,
            reason="紛失",
            document="ユーザID・パスワード再交付申請書",
        )
        (letter,) = await _issue(officer, request)
    return letter.password


async def _issue(
    officer: SigningOfficer, request: qualification_service.IssuePasswordsRequest
) -> list[bidder_resources.PasswordLetter]:
    registry: QualificationRegistryAsyncStub = QualificationRegistryStub(officer.channel)
    signed = await sign_request(name_method(registry.IssuePasswords), request, officer)
    return [part.letter async for part in registry.IssuePasswords(signed) if part.HasField("letter")]


@dataclass(slots=True)
class RunningInstance:
    """The instance as its users see it. Every new contractor is another bidder with another card."""

    launched: Instance
    profile: Profile
    front_door: grpc.aio.Channel
    ca: CertificateAuthority
    revoked_card: IssuedCard
    bidders: list[Bidder]
    collected: CollectedSpans
    # Where it is set, agencies keep their connections here, instead of opening one for each question.
    kept_channels: dict[tuple[str, str], grpc.aio.Channel] | None = None
    _taken: set[tuple[str, str]] = field(default_factory=set)
    # Those who were made officers for a test.
    _officers: set[str] = field(default_factory=set)

    def contractor(
        self,
        *,
        card: IssuedCard | None = None,
        bidder: Bidder | None = None,
        agency: str | None = None,
        category: str = "works",
        like: Contractor | None = None,
    ) -> Contractor:
        """Returns a contractor who has never registered, by default at its bidder's first agency.

        With `like` it is the same contractor again: same card, bidder and request id.
        """
        if like is not None:
            bidder, card, agency, category = self.bidder_of(like), like.card, like.agency, like.category
        bidder = bidder or self._fresh_bidder(agency, category)
        contractor = Contractor(
            channel=self.front_door,
            card=card or self.ca.issue(company=bidder.name),
            agency=agency or bidder.agencies[0],
            category=category,
            company_name=bidder.name,
            bidder_id=bidder.bidder_id,
            password=bidder.password,
        )
        if like is not None:
            contractor.request_id = like.request_id
        return contractor

    def bidder(self, number: int) -> Bidder:
        """Returns the bidder with a number of the works' roster, and gives it to no contractor from now on."""
        bidder = next(each for each in self.bidders if each.bidder_id == str(1_000_000_000 + number))
        self._taken.add((bidder.bidder_id, bidder.category))
        return bidder

    def bidder_of(self, contractor: Contractor) -> Bidder:
        """Returns the bidder of a contractor."""
        return next(
            bidder
            for bidder in self.bidders
            if (bidder.bidder_id, bidder.category) == (contractor.bidder_id, contractor.category)
        )

    def other_agencies(self, contractor: Contractor) -> list[str]:
        """Returns the other agencies where the contractor's bidder is qualified."""
        return [agency for agency in self.bidder_of(contractor).agencies if agency != contractor.agency]

    def agencies_without(self, contractor: Contractor) -> list[str]:
        """Returns the agencies that offer the category and where the bidder is not qualified."""
        qualified = self.bidder_of(contractor).agencies
        return [
            agency.code
            for agency in self.profile.agencies
            if contractor.category in agency.categories and agency.code not in qualified
        ]

    def agency_without(self, category: str) -> str:
        """Returns an agency that does not offer a category."""
        return next(agency.code for agency in self.profile.agencies if category not in agency.categories)

    def agency_name(self, code: str) -> str:
        """Returns the Japanese name of an agency (調達機関)."""
        return self.profile.agency(code).name.ja

    def issue_successor(self, contractor: Contractor) -> IssuedCard:
        """Returns a further card of the contractor's company, of the same CA."""
        return self.ca.issue(company=self.bidder_of(contractor).name)

    async def resolve(
        self, contractor: Contractor, agency: str | None = None, card: IssuedCard | None = None
    ) -> user_lookup_pb2.ResolveUserResponse:
        """Calls ResolveUser as an agency's e-bidding system, by default of the contractor's agency and card."""
        agency = agency or contractor.agency
        request = user_lookup_pb2.ResolveUserRequest(
            agency=agency,
            category=contractor.category,
            certificate_sha256=(card or contractor.card).sha256,
            possession_verified=True,
        )
        answer: user_lookup_pb2.ResolveUserResponse = await self._lookup_of(agency).ResolveUser(request, timeout=10)
        return answer

    async def contact(
        self, contractor: Contractor, purpose: str, agency: str | None = None, as_of: datetime | None = None
    ) -> contact_resources.Contact | None:
        """Calls GetContact as the agency's system, by default the contractor's agency, of now or of an instant.

        Returns None while there is no contact for the purpose.
        """
        agency = agency or contractor.agency
        request = contact_service.GetContactRequest(
            agency=agency,
            category=contractor.category,
            bidder_id=contractor.bidder_id,
            purpose=contact_resources.ContactPurpose.Value(f"CONTACT_PURPOSE_{purpose.upper()}"),
            certificate_sha256=contractor.card.sha256,
        )
        if as_of is not None:
            request.as_of.FromDatetime(as_of)
        try:
            response = await self._contacts_of(agency).GetContact(request, timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        contact: contact_resources.Contact = response.contact
        return contact

    async def mail_to(self, address: str, about: str = "") -> EmailMessage:
        """Waits for a mail to an address, with these words in its subject, and returns it."""
        return await wait_for_message(
            self.launched.inbox,
            lambda message: address in str(message["To"]) and about in str(message["Subject"]),
            within=MOMENTS,
        )

    async def poll(self, ask: Callable[[], Awaitable[Answer]], accept: Callable[[Answer], bool]) -> Answer:
        """Repeats a call until its answer is accepted; raises TimeoutError after MOMENTS."""
        async with asyncio.timeout(MOMENTS):
            while not accept(answer := await ask()):
                await asyncio.sleep(0.05)
        return answer

    def _lookup_of(self, agency: str) -> "UserLookupAsyncStub":
        return UserLookupStub(self._channel_of(agency, "user-lookup"))

    def _contacts_of(self, agency: str) -> "ContactNotificationAsyncStub":
        return ContactNotificationStub(self._channel_of(agency, "contact-notification"))

    def _channel_of(self, agency: str, service: str) -> grpc.aio.Channel:
        if self.kept_channels is not None and (agency, service) in self.kept_channels:
            return self.kept_channels[agency, service]
        channel = channel_to(self.launched, self.launched.certificates.agencies[agency], service)
        if self.kept_channels is not None:
            self.kept_channels[agency, service] = channel
        return channel

    async def propagations(self, registration: card_pb2.Registration) -> dict[str, propagation_pb2.Propagation]:
        """Calls ListPropagations as an officer of the registration's agency; returns what is listed by agency."""
        name = f"{registration.agency}/{OFFICER}"
        if name not in self._officers:
            await asyncio.to_thread(prepare_officer, self.launched.state, name)
            self._officers.add(name)
        officer = officer_at(self.launched, name, "agency-sync")
        stub: AgencySyncAsyncStub = AgencySyncStub(officer.channel)
        request = agency_sync_pb2.ListPropagationsRequest(
            registration_id=registration.registration_id, agency=registration.agency
        )
        response = await stub.ListPropagations(request, timeout=10)
        return {propagation.agency: propagation for propagation in response.propagations}

    @staticmethod
    def read_purpose(purpose: bytes) -> dict[str, Any]:
        """Parses a purpose."""
        content: dict[str, Any] = json.loads(purpose)
        return content

    def _fresh_bidder(self, agency: str | None, category: str) -> Bidder:
        """Returns the next bidder of a category that no contractor has used."""
        for bidder in self.bidders:
            used = (bidder.bidder_id, category) in self._taken
            is_named = int(bidder.bidder_id) - 1_000_000_000 in NAMED_BIDDERS
            if (
                bidder.category == category
                and not used
                and not is_named
                and (agency is None or agency in bidder.agencies)
            ):
                self._taken.add((bidder.bidder_id, category))
                return bidder
        raise LookupError(f"the roster has no further bidder for {category} at {agency}")
