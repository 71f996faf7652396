"""変更 of contacts in a fake contact-notification; the proof is read and not verified."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal
from uuid import UUID

from google.protobuf.json_format import MessageToDict, Parse
from typing_extensions import override

from instance_profile.field_rules import check_contact, refuse_violations
from instance_profile.model import ContactField, Profile
from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.fake_peer import FakePeer
from toroku.certificate.v1 import act_proof_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc, contact_pb2
from toroku.frontdoor.v1 import change_pb2
from toroku.qualification.v1 import bidder_pb2

Section = Literal["card_contact", "representative_contact"]
SECTIONS: tuple[Section, Section] = ("card_contact", "representative_contact")
_MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)

# A card or a bidder, in a category.
Owner = tuple[bytes | str, str]


@dataclass(kw_only=True)
class ContactChangesPeer(FakePeer, contact_notification_pb2_grpc.ContactNotificationServicer):
    """Keeps versions of contacts and committed changes in memory. `before_answer` runs in CommitChange too."""

    profile: Profile
    # All versions, oldest first, by card or bidder in a category.
    versions: dict[Owner, list[contact_pb2.ContactVersion]] = field(default_factory=dict)
    changes: dict[tuple[bytes, str], contact_notification_pb2.CommittedChange] = field(default_factory=dict)
    # What GetRegisteredContacts says of every card.
    agencies_with_earlier_contacts: list[str] = field(default_factory=list)
    # The requests of CommitChange as they came, repetitions too.
    commits: list[contact_notification_pb2.CommitChangeRequest] = field(default_factory=list)

    def add_version(self, owner: Owner, contact: contact_pb2.Contact, *, brought_by: bytes) -> None:
        """Makes this the newest contact of a card or bidder in a category."""
        known = self.versions.setdefault(owner, [])
        counts_from = write_timestamp(_MORNING + timedelta(minutes=len(known)))
        known.append(
            contact_pb2.ContactVersion(
                contact=contact, version=len(known) + 1, counts_from=counts_from, brought_by=brought_by
            )
        )

    def find_newest(
        self, certificate_sha256: bytes, bidder_id: str, category: str
    ) -> dict[Section, contact_pb2.ContactVersion]:
        """Returns the newest versions that there are, by section."""
        owners: dict[Section, Owner] = dict(
            zip(SECTIONS, [(certificate_sha256, category), (bidder_id, category)], strict=True)
        )
        return {section: self.versions[owner][-1] for section, owner in owners.items() if self.versions.get(owner)}

    @override
    async def GetRegisteredContacts(
        self, request: contact_notification_pb2.GetRegisteredContactsRequest, context: Context
    ) -> contact_notification_pb2.GetRegisteredContactsResponse:
        self.receive("GetRegisteredContacts")
        newest = self.find_newest(request.certificate_sha256, request.bidder_id, request.category)
        return contact_notification_pb2.GetRegisteredContactsResponse(
            card_contact=newest.get("card_contact"),
            representative_contact=newest.get("representative_contact"),
            agencies_with_earlier_contacts=self.agencies_with_earlier_contacts,
        )

    @override
    async def CheckChange(
        self, request: contact_notification_pb2.CheckChangeRequest, context: Context
    ) -> contact_notification_pb2.CheckChangeResponse:
        self.receive("CheckChange")
        newest = self.find_newest(request.certificate_sha256, request.bidder_id, request.category)
        fields = self._check(request.category, request.certificate_sha256, request.change, newest)
        return contact_notification_pb2.CheckChangeResponse(
            changed_fields=fields,
            card_contact=newest.get("card_contact"),
            representative_contact=newest.get("representative_contact"),
        )

    @override
    async def CommitChange(
        self, request: contact_notification_pb2.CommitChangeRequest, context: Context
    ) -> contact_notification_pb2.CommitChangeResponse:
        self.receive("CommitChange")
        self.commits.append(request)
        statement = act_proof_pb2.ActStatement.FromString(request.proof.statement)
        key = (statement.certificate_sha256, statement.request_id)
        if key not in self.changes:
            if sha256(request.form).digest() != statement.request_sha256:
                raise Refusal("REQUEST_SHA256_INVALID", Code.INVALID_ARGUMENT)
            form = Parse(request.form, change_pb2.ChangeForm())
            self.changes[key] = self._commit(form, statement, request.company)
        elif self.changes[key].request_sha256 != statement.request_sha256:
            raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
        await self.run_before_answer()
        return contact_notification_pb2.CommitChangeResponse(change=self.changes[key])

    @override
    async def GetChange(
        self, request: contact_notification_pb2.GetChangeRequest, context: Context
    ) -> contact_notification_pb2.GetChangeResponse:
        self.receive("GetChange")
        change = self.changes.get((request.certificate_sha256, request.request_id))
        if change is None:
            raise Refusal("CHANGE_NOT_FOUND", Code.NOT_FOUND)
        return contact_notification_pb2.GetChangeResponse(change=change)

    def _commit(
        self,
        form: change_pb2.ChangeForm,
        statement: act_proof_pb2.ActStatement,
        company: bidder_pb2.CompanyProfile,
    ) -> contact_notification_pb2.CommittedChange:
        change = contact_pb2.ContactChange(
            card_contact_version=form.card_contact_version,
            representative_contact_version=form.representative_contact_version,
        )
        for section in SECTIONS:
            if form.HasField(section):
                contact: contact_pb2.Contact = getattr(form, section)
                typed = contact_pb2.ContactForm(contact=contact, mail_address_again=contact.mail_address)
                getattr(change, section).CopyFrom(typed)
        newest = self.find_newest(form.certificate_sha256, form.bidder_id, form.category)
        fields = self._check(form.category, form.certificate_sha256, change, newest)
        owners: tuple[Owner, Owner] = (form.certificate_sha256, form.category), (form.bidder_id, form.category)
        for section, owner in zip(SECTIONS, owners, strict=True):
            if any(name.startswith(f"{section}.") for name in fields):
                self.add_version(owner, getattr(form, section), brought_by=form.certificate_sha256)
        after = self.find_newest(form.certificate_sha256, form.bidder_id, form.category)
        return contact_notification_pb2.CommittedChange(
            agency=form.agency,
            category=form.category,
            bidder_id=form.bidder_id,
            request_sha256=statement.request_sha256,
            company=company,
            card_contact=_contact(after, "card_contact"),
            representative_contact=_contact(after, "representative_contact"),
            changed_fields=fields,
            counts_from=write_timestamp(_MORNING),
            propagate=form.propagate,
            history_digest=sha256(b"entry of " + form.request_id.encode()).digest(),
            change_id=str(UUID(bytes=sha256(b"change of " + form.request_id.encode()).digest()[:16])),
        )

    def _check(
        self,
        category: str,
        certificate_sha256: bytes,
        change: contact_pb2.ContactChange,
        newest: dict[Section, contact_pb2.ContactVersion],
    ) -> list[str]:
        """Returns the fields that a change changes; raises the refusals of CheckChange."""
        if not newest:
            raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
        fields, violations = [], []
        for section in SECTIONS:
            if not change.HasField(section):
                continue
            form: contact_pb2.ContactForm = getattr(change, section)
            known = newest.get(section, contact_pb2.ContactVersion())
            if known.version != getattr(change, f"{section}_version"):
                is_own = known.brought_by == certificate_sha256
                raise Refusal(
                    "CONTACT_CHANGED_MEANWHILE",
                    Code.ABORTED,
                    {
                        "section": section,
                        "changed_at": known.counts_from.ToJsonString(),
                        "changed_by": "this_card" if is_own else "another_card",
                    },
                )
            values = MessageToDict(form.contact, preserving_proto_field_name=True)
            violations += check_contact(
                self.profile.category(category), values, mail_address_again=form.mail_address_again, path=section
            )
            fields += [
                f"{section}.{name}"
                for name in ContactField
                if getattr(form.contact, name) != getattr(known.contact, name)
            ]
        refuse_violations(violations)
        if not fields:
            raise Refusal("NOTHING_CHANGED", Code.FAILED_PRECONDITION)
        return fields


def _contact(versions: dict[Section, contact_pb2.ContactVersion], section: Section) -> contact_pb2.Contact | None:
    return versions[section].contact if section in versions else None
