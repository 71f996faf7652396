"""Each page of the portal in each state that looks different, built as the portal builds it, with Saitama's profile."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from instance_profile import load_profile
from portal.domain.browser_session import BrowserSession
from portal.domain.journey import HeldCard, Journey, Operation, Part, Problem, SignRequest, Step
from portal.domain.parts import AdvicePart, ChangePart, RegistrationPart, RenewalPart
from portal.operations.advice import AdviceWay
from portal.operations.change import ChangeWay
from portal.operations.journeys import Draft, Journeys
from portal.operations.registration import RegistrationWay
from portal.operations.renewal import RenewalWay
from portal.operations.way import Way
from portal.pages import words
from portal.pages.entry_pages import EntryPages
from portal.pages.explained import make_trouble_of_refusal
from portal.pages.frames import Frames
from portal.pages.journey_pages import JourneyPages
from portal.pages.views import Link, LogOutPage, RefusalPage, RelayPage, ResultPage, View
from refusals import Code, Refusal
from toroku.act.v1.signed_purpose_pb2 import SignedPurpose
from toroku.agencysync.v1 import propagation_pb2
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1.contact_pb2 import Contact, ContactVersion
from toroku.frontdoor.v1 import advice_pb2, change_pb2, front_door_pb2, registration_pb2, renewal_pb2
from toroku.qualification.v1.bidder_pb2 import CompanyProfile, Grade

PROFILE = load_profile(Path(__file__).parents[2] / "profiles" / "saitama.yaml")
AGENCY, CATEGORY = "saitama-prefecture", "works"
# A Friday morning in Japan, and the night before.
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
NIGHT = NOW - timedelta(hours=8)
REQUEST_ID = "0c9f6a9e-6f0e-4c0a-9a55-0c9f6a9e6f0e"
ACT_ID = "5d6f0d8a-3b52-4a0a-8f65-6f3cb1b1c0de"
INQUIRY = "4bf92f3577b34da6a3ce929d0e0e4736"
# 髙, 﨑 and 𠮷, and 葛 in the form with 人, by an ideographic variation sequence.
COMPANY_NAME = "株式会社髙﨑𠮷川葛\U000e0100城建設"

COMPANY = CompanyProfile(
    bidder_id="1000000001",
    name=COMPANY_NAME,
    postal_code="330-9301",
    address="埼玉県さいたま市浦和区高砂三丁目１５番１号　さいたま浦和高砂ビルディング別館１２階",
    representative_name="髙﨑　𠮷右衛門",
    representative_title="代表取締役",
    telephone="048-000-0000",
    fax="048-000-0001",
    grades=[Grade(kind="土木工事業", grade="Ａ"), Grade(kind="建築工事業", grade="Ｂ"), Grade(kind="電気工事業")],
)
_DAY = Timestamp(seconds=int(datetime(2028, 5, 14, 3, 0, tzinfo=UTC).timestamp()))
_NOW = Timestamp(seconds=int(NOW.timestamp()))
CARD = card_pb2.Card(
    serial_decimal="224231109942",
    serial_hexadecimal="3435373536",
    issuer="OU=Example Certification Authority for Bidders G2,O=Example Certification Services Inc.,C=JP",
    company_name=COMPANY_NAME,
    company_address="埼玉県さいたま市浦和区高砂三丁目15番1号",
    holder_name="髙﨑　𠮷右衛門",
    not_after=_DAY,
)
CONTACT = Contact(
    department="工事部契約管理課",
    postal_code="330-9301",
    address="埼玉県さいたま市浦和区高砂三丁目１５番１号",
    person_name="葛\U000e0100城　花子",
    telephone="048-000-0000",
    fax="048-000-0001",
    mail_address="a-rather-long-address-of-the-contracts-section@takasaki-yoshikawa-kensetsu.example.co.jp",
)
_VERSION = ContactVersion(contact=CONTACT, version=3, counts_from=_NOW)
_REGISTRATION = card_pb2.Registration(registration_id=ACT_ID, registered_at=_NOW)
_DIGEST = bytes(range(32))
_TYPED = {
    f"{section}.{name}": value
    for section in ("card_contact", "representative_contact")
    for name, value in (
        *((field.name, text) for field, text in CONTACT.ListFields()),
        ("mail_address_again", CONTACT.mail_address),
    )
}
_SEARCH = {"name": COMPANY_NAME, "bidder_id": "1000000001"}

FRAMES = Frames(PROFILE, lambda: NOW)
ENTRY = EntryPages(PROFILE, FRAMES, lambda: NOW)
_ENTRY_AT_NIGHT = EntryPages(PROFILE, Frames(PROFILE, lambda: NIGHT), lambda: NIGHT)
# Pages ask neither the front door nor the database.
_NOBODY: Any = None
_WAYS: Mapping[Operation, Way] = {
    Operation.REGISTRATION: RegistrationWay(_NOBODY),
    Operation.CHANGE: ChangeWay(_NOBODY, chooses=True, follows=True),
    Operation.RENEWAL: RenewalWay(_NOBODY, chooses=True, follows=True),
    Operation.ADVICE: AdviceWay(_NOBODY),
}
_JOURNEYS = Journeys(database=_NOBODY, key=_NOBODY, clock=lambda: NOW, ways=_WAYS, incidents=_NOBODY)
_PAGES = JourneyPages(PROFILE, FRAMES, ENTRY, _JOURNEYS)
_HAND_OFF = "h" * 43
_WITHOUT_AGENT = BrowserSession(session_sha256=b"s" * 32)
_SESSION = replace(_WITHOUT_AGENT, port=50000, hand_off=_HAND_OFF, hand_offs=(_HAND_OFF,))
_PARTS: Mapping[Operation, Part] = {
    Operation.REGISTRATION: RegistrationPart(),
    Operation.CHANGE: ChangePart(),
    Operation.RENEWAL: RenewalPart(),
    Operation.ADVICE: AdvicePart(),
}
_HOPS = (
    (Operation.REGISTRATION, Step.CARD),
    (Operation.CHANGE, Step.LOG_IN),
    (Operation.RENEWAL, Step.OLD_CARD),
    (Operation.RENEWAL, Step.OLD_LOG_IN),
    (Operation.RENEWAL, Step.SUCCESSION),
    (Operation.RENEWAL, Step.NEW_CARD),
    (Operation.RENEWAL, Step.NEW_LOG_IN),
    (Operation.REGISTRATION, Step.ACT),
    (Operation.ADVICE, Step.CARD),
)


def start(operation: Operation, step: Step, part: Part | None = None) -> Journey:
    """Returns a journey that stands at a step, with cards that have logged in."""
    held = HeldCard(certificate=b"c", card=CARD, session_token="t", expires_at=NOW + timedelta(minutes=10))
    return Journey(
        operation=operation,
        agency=AGENCY,
        category=CATEGORY,
        request_id=REQUEST_ID,
        step=step,
        part=part or _PARTS[operation],
        cards={"sole": held} if operation is not Operation.RENEWAL else {"old": held, "new": held},
        signing=SignRequest(purpose=b"p" * 200, request=b"r" * 200),
    )


def refuse(
    journey: Journey, reason: str, fields: Mapping[str, str] | None = None, metadata: Mapping[str, str] | None = None
) -> Journey:
    """Returns a journey at which something went wrong."""
    problem = Problem(reason=reason, fields=fields or {}, metadata=metadata or {}, number=INQUIRY)
    return replace(journey, problem=problem)


def show(journey: Journey, session: BrowserSession = _SESSION, *, is_busy: bool = False) -> View:
    """Returns the page at which a journey stands."""
    return _PAGES.build(Draft("YWJjZGVmZ2hpamtsbW5v", 3, journey, is_busy), journey.step, session, "ja")


def _print(journey: Journey) -> View:
    receipt = _PAGES.build_print(Draft("YWJjZGVmZ2hpamtsbW5v", 3, journey))
    if receipt is None:
        raise LookupError("this operation has no receipt")
    return receipt


def _propagate(journey: Journey, *states: tuple[str, propagation_pb2.PropagationState.ValueType, str]) -> View:
    result = show(journey)
    if not isinstance(result, ResultPage):
        raise TypeError("only a result has agencies")
    propagations = [
        propagation_pb2.Propagation(
            registration_id=ACT_ID, agency=agency, state=state, reason=reason, planned_at=_NOW, updated_at=_NOW
        )
        for agency, state, reason in states
    ]
    return _PAGES.add_agencies(result, journey, propagations)


def _list_hops() -> dict[str, View]:
    pages: dict[str, View] = {}
    for operation, step in _HOPS:
        journey = start(operation, step)
        pages[f"{operation}: {step}"] = show(journey)
        pages[f"{operation}: {step}, problem"] = show(refuse(journey, "CARD_REMOVED"))
    return pages


_FOUND = registration_pb2.FindBidderResponse(company=COMPANY, representative_contact_wanted=True)
_STANDING = registration_pb2.FindBidderResponse(company=COMPANY, representative_contact=CONTACT)
_CHECKED = registration_pb2.PrepareRegistrationResponse(
    company=COMPANY,
    card=CARD,
    form=front_door_pb2.RegistrationForm(card_contact=CONTACT, representative_contact=CONTACT),
    representative_contact=CONTACT,
)
_RECEIPT = front_door_pb2.Receipt(
    request_id=REQUEST_ID,
    registration=_REGISTRATION,
    company=COMPANY,
    card=CARD,
    card_contact=CONTACT,
    representative_contact=CONTACT,
    history_digest=_DIGEST,
)
_REGISTERED = change_pb2.GetRegisteredResponse(
    company=COMPANY,
    card=CARD,
    card_contact=_VERSION,
    representative_contact=_VERSION,
    other_agencies=["kawagoe-city"],
    agencies_with_earlier_contacts=["kawagoe-city", "kumagaya-city"],
)
_CHANGED_FIELDS = ["card_contact.telephone", "representative_contact.mail_address"]
_CHANGE_CHECKED = change_pb2.PrepareChangeResponse(company=COMPANY, card=CARD, changed_fields=_CHANGED_FIELDS)
_CHANGE_RECEIPT = change_pb2.ChangeReceipt(
    request_id=REQUEST_ID,
    change_id=ACT_ID,
    company=COMPANY,
    card=CARD,
    card_contact=CONTACT,
    representative_contact=CONTACT,
    changed_fields=_CHANGED_FIELDS,
    counts_from=_NOW,
    propagate=True,
    history_digest=_DIGEST,
)
_RENEWAL_CHECKED = renewal_pb2.PrepareRenewalResponse(company=COMPANY, old_card=CARD, new_card=CARD)
_RENEWAL_RESULT = renewal_pb2.RenewalResult(
    request_id=REQUEST_ID,
    registration=_REGISTRATION,
    old_card=CARD,
    new_card=CARD,
    propagate=True,
    history_digest=_DIGEST,
)


def _say(ja: str, en: str) -> front_door_pb2.Text:
    return front_door_pb2.Text(ja=ja, en=en)


_ADVICE = advice_pb2.GetAdviceResponse(
    standing=_say("このICカードは登録済みです。", "The card is registered."),
    operation=card_pb2.OPERATION_RENEWAL,
    reasons=[_say("ICカードの有効期限が近づいています。", "The card expires soon.")],
    until=_DAY,
    consequences=[_say("進行中の案件は新しいICカードに引き継がれます。", "Running tenders go on with the new card.")],
    exceptions=[_say("企業名称が変わった場合は「登録」を行ってください。", "With another name, register.")],
)

_SEARCHING = replace(start(Operation.REGISTRATION, Step.SEARCH), typed=_SEARCH)
_FILLING = replace(
    start(Operation.REGISTRATION, Step.FORM, RegistrationPart(found=_FOUND, checked=_CHECKED)), typed=_TYPED
)
_CHANGING = replace(
    start(Operation.CHANGE, Step.FORM, ChangePart(registered=_REGISTERED, checked=_CHANGE_CHECKED)), typed=_TYPED
)
_OVERTAKEN = {
    "section_ja": "ICカード利用部署情報",
    "section_en": "contact of the card",
    "changed_by_ja": "御社の別のICカード",
    "changed_by_en": "another card of your company",
    "changed_at_ja": "2026年11月27日(金) 9時58分",
    "changed_at_en": "2026-11-27 09:58 (Japan)",
}
_DONE = start(Operation.REGISTRATION, Step.RESULT, RegistrationPart(receipt=_RECEIPT))
_CHANGE_DONE = start(Operation.CHANGE, Step.RESULT, ChangePart(receipt=_CHANGE_RECEIPT))
_SENT = SignedPurpose(purpose=b"p")
_ASKING = start(Operation.REGISTRATION, Step.APPROVAL)
_RENEWING = start(Operation.RENEWAL, Step.CHECK, RenewalPart(checked=_RENEWAL_CHECKED))
_BASE = f"/agencies/{AGENCY}/{CATEGORY}"
_PLANNED = propagation_pb2.PROPAGATION_STATE_PLANNED
_UNKNOWN_PAGE = Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)

PAGES: dict[str, View] = {
    "entry": ENTRY.build_entry("/"),
    "choice": ENTRY.build_choice("/choice"),
    "choice, not offered": ENTRY.build_not_offered("/choice", "kumagaya-city"),
    "doors": ENTRY.build_doors(_BASE, AGENCY, CATEGORY),
    "top": ENTRY.build_top(f"{_BASE}/top", AGENCY, CATEGORY),
    "menu": ENTRY.build_menu(f"{_BASE}/menu", AGENCY, CATEGORY),
    "menu, with a receipt": ENTRY.build_menu(
        f"{_BASE}/menu", AGENCY, CATEGORY, [Draft("YWJjZGVmZ2hpamtsbW5v", 3, _DONE)]
    ),
    "menu, closed": _ENTRY_AT_NIGHT.build_menu(f"{_BASE}/menu", AGENCY, CATEGORY),
    "guide": ENTRY.build_guide(f"{_BASE}/guide", AGENCY, CATEGORY),
    "agent": ENTRY.build_agent("/agent"),
    "agent, too old": ENTRY.build_agent("/agent?why=old", "old"),
    "agent, other system": ENTRY.build_agent("/agent?why=other", "other"),
    "agent, in a journey": show(start(Operation.REGISTRATION, Step.CARD), _WITHOUT_AGENT),
    **_list_hops(),
    "search": show(start(Operation.REGISTRATION, Step.SEARCH)),
    "search, two wrong fields": show(
        refuse(
            _SEARCHING,
            "FIELDS_INVALID",
            {"name": "FIELD_NOT_FULL_WIDTH", "bidder_id": "FIELD_NOT_HALF_WIDTH"},
        )
    ),
    "search, not found": show(refuse(_SEARCHING, "BIDDER_NOT_FOUND")),
    "form": show(_FILLING),
    "form, representative stands": show(replace(_FILLING, part=RegistrationPart(found=_STANDING))),
    "form, errors": show(
        refuse(
            replace(_FILLING, typed={}),
            "FIELDS_INVALID",
            {f"{section}.department": "FIELD_REQUIRED" for section in ("representative_contact", "card_contact")},
        )
    ),
    "check": show(replace(_FILLING, step=Step.CHECK)),
    "approval": show(_ASKING),
    "approval, error": show(refuse(_ASKING, "FIELDS_INVALID", {"mail_address": "FIELD_REQUIRED"})),
    "asked": show(start(Operation.REGISTRATION, Step.ASKED, RegistrationPart(approval="12345678"))),
    "committing": show(
        start(Operation.REGISTRATION, Step.ACT, RegistrationPart(act=_SENT)),
    ),
    "result": show(_DONE),
    "result, agencies under way": _propagate(
        _DONE,
        ("kawagoe-city", _PLANNED, ""),
        ("kumagaya-city", propagation_pb2.PROPAGATION_STATE_DONE, ""),
    ),
    "result, agencies refused and waiting": _propagate(
        _DONE,
        ("kawagoe-city", propagation_pb2.PROPAGATION_STATE_REFUSED, "BIDDER_NOT_QUALIFIED"),
        ("kumagaya-city", _PLANNED, "PROPAGATION_POSTPONED"),
    ),
    "print": _print(_DONE),
    "refused": show(refuse(start(Operation.RENEWAL, Step.REFUSED), "CARD_REPLACED")),
    "already registered": show(refuse(start(Operation.REGISTRATION, Step.REFUSED), "CARD_ALREADY_REGISTERED")),
    "change form": show(_CHANGING),
    "change form, changed meanwhile": show(
        refuse(
            replace(_CHANGING, typed=_TYPED | {"card_contact.telephone": "048-000-0009", "propagate": "1"}),
            "CONTACT_CHANGED_MEANWHILE",
            metadata=_OVERTAKEN,
        )
    ),
    "change check": show(replace(_CHANGING, step=Step.CHECK)),
    "change result": show(_CHANGE_DONE),
    "change print": _print(_CHANGE_DONE),
    "renewal check": show(_RENEWING),
    "renewal approval": show(replace(_RENEWING, step=Step.APPROVAL)),
    "renewal asked": show(start(Operation.RENEWAL, Step.ASKED, RenewalPart(approval="12345678"))),
    "renewal result": show(start(Operation.RENEWAL, Step.RESULT, RenewalPart(result=_RENEWAL_RESULT))),
    "advice": show(start(Operation.ADVICE, Step.ADVICE, AdvicePart(advice=_ADVICE))),
    "busy": show(_FILLING, is_busy=True),
    "log-out": LogOutPage(frame=FRAMES.make("/log-out"), title=words.LOG_OUT, message=words.LOG_OUT_QUESTION, back="/"),
    "end": ENTRY.build_end("/end", ""),
    "end of a registration": ENTRY.build_end("/end?operation=registration", "registration"),
    "relay": RelayPage(
        frame=FRAMES.make("/start"),
        title=words.RELAY_TITLE,
        action="/start",
        fields=("port", "handoff", "protocol", "instance"),
        without_script=words.WITHOUT_SCRIPT,
    ),
    "unknown page": RefusalPage(
        frame=FRAMES.make("/"),
        title=words.REFUSED_TITLE,
        trouble=replace(make_trouble_of_refusal(_UNKNOWN_PAGE, PROFILE), number=INQUIRY),
        links=(Link(label=words.TO_START, address="/"),),
    ),
}
# The same elements in both languages: these in English stand for the others.
IN_ENGLISH = ("menu", "search, two wrong fields", "form", "renewal check", "change print")
