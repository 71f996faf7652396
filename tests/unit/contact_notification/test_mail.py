"""Templates are checked at start-up; no text of a person gets into a header."""

import dataclasses
import sys
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail import (
    BODY_PLACEHOLDERS,
    Mail,
    UndeliverableMailError,
    check_templates,
    choose_sender,
    compose,
)
from contact_notification.domain.neutral_mails import NEUTRAL_MAILS
from contact_notification.domain.notice import ActEntry, CardFacts, ChangeFacts, NoticeKind, RegistrationFacts
from contact_notification.domain.staging import Company
from instance_profile.japan_time import JAPAN
from instance_profile.load import ProfileError, load_profile
from tests.support.example_profile import example_profile

ROOT = Path(__file__).parents[3]
SENDER = "no-reply@toroku.example.lg.jp"
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CONTACT = Contact("工事課", "330-9301", "さいたま市", "太郎", "048-000-0000", "048-000-0001", "koji@contractor.example")
COMPANY = Company("1000000001", "株式会社例", *(None,) * 12, ())
FACTS = RegistrationFacts(
    registration_id=uuid4(),
    request_id=uuid4(),
    certificate_sha256=b"\x01" * 32,
    card_serial="4711",
    agency="city",
    category="works",
    bidder_id="1000000001",
    registered_at=NOW,
    holder_name="登録 太郎",
)
MAIL = Mail(
    mail_id=uuid4(),
    notice_id=uuid4(),
    message_id="<1@toroku.example>",
    kind=NoticeKind.REGISTRATION,
    written_at=NOW,
    mail_address=CONTACT.mail_address,
    recipient_name=CONTACT.person_name,
    facts=FACTS,
    entry=ActEntry("certificate-registry", b"\x0a" * 32, 4711, 12, b"\x0b" * 32),
    card_contact=CONTACT,
    company_name=COMPANY.full_name,
    history_number=None,
    sealed_secret=None,
)
PROFILE = example_profile()


def with_body(body: str, subject: str = "お知らせ") -> dict[str, Any]:
    mails = PROFILE.mails.model_dump()
    return {"mails": mails | {"registration": {"subject": subject, "body": body}}}


def read_text(message: bytes) -> str:
    """Returns the decoded text of a message, with its line ends."""
    return str(message_from_bytes(message, policy=policy.default).get_content())


@pytest.mark.parametrize("file", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda file: file.stem)
def test_templates_of_every_profile_are_valid(file: Path) -> None:
    profile = load_profile(file)
    check_templates(profile, choose_sender(profile, ""))


def test_every_placeholder_is_filled() -> None:
    body = "\n".join(f"{name}={{{name}}}" for name in sorted(BODY_PLACEHOLDERS["registration"]))
    text = read_text(compose(MAIL, example_profile(**with_body(body)), SENDER))
    assert "{" not in text
    assert "registered_at=2026/11/27 10:00\r\n" in text
    assert "card_serial=4711\r\n" in text
    assert "holder_name=登録 太郎\r\n" in text


@pytest.mark.parametrize("kind", sorted(NEUTRAL_MAILS))
def test_neutral_words_have_placeholders_of_their_kind_and_name_the_help_desk(kind: str) -> None:
    check_templates(
        example_profile(mails=PROFILE.mails.model_dump() | {kind: NEUTRAL_MAILS[kind].model_dump()}), SENDER
    )
    body = NEUTRAL_MAILS[kind].body
    for placeholder in ("{help_desk_name}", "{help_desk_telephone}", "{help_desk_hours}"):
        assert placeholder in body
    assert ("{code}" in body) == (kind == "officer_invitation")


def test_profile_may_have_words_of_its_own_for_each_kind_and_no_others_placeholders() -> None:
    mails = PROFILE.mails.model_dump() | {"card_suspended": {"subject": "停止", "body": "{card_serial} {office}"}}
    facts = CardFacts(b"\x01" * 32, "4711", "operator", "works", "1000000001", NOW, "")
    mail = dataclasses.replace(MAIL, kind=NoticeKind.CARD_SUSPENDED, facts=facts, entry=None)
    assert read_text(compose(mail, example_profile(mails=mails), SENDER)) == "4711 ヘルプデスク\r\n"
    mails["card_suspended"]["body"] = "{code}"
    with pytest.raises(ProfileError, match=r"mails\.card_suspended\.body: \{code\} is no placeholder"):
        check_templates(example_profile(mails=mails), SENDER)


@pytest.mark.parametrize(
    ("subject", "body", "key"),
    [
        ("お知らせ", "{compnay_name}", "mails.registration.body: {compnay_name}"),
        ("お知らせ", "{company_name.__class__}", "mails.registration.body"),
        ("お知らせ", "{company_name!r}", "mails.registration.body"),
        ("お知らせ", "{company_name:>10}", "mails.registration.body"),
        ("お知らせ", "{}", "mails.registration.body: {}"),
        ("お知らせ", "{company_name", "mails.registration.body: expected '}'"),
        ("{company_name}", "", "mails.registration.subject: {company_name}"),
        ("{contact_name}", "", "mails.registration.subject: {contact_name}"),
        ("お知らせ\nBcc: x@evil.example", "", "mails.registration.subject: a subject is one line"),
    ],
)
def test_wrong_template_is_found_at_start_up(subject: str, body: str, key: str) -> None:
    with pytest.raises(ProfileError) as caught:
        check_templates(example_profile(**with_body(body, subject)), SENDER)
    (problem,) = caught.value.problems
    assert problem.startswith(key)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        check_templates(example_profile(**with_body("{a}{b}", "{c}")), "not an address")
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("name", ["例\n示県", "=?utf-8?q?a=0D=0ABcc:_x?="])
def test_sender_name_that_could_make_a_header_is_found_at_start_up(name: str) -> None:
    mails = PROFILE.mails.model_dump() | {"sender_name": name}
    with pytest.raises(ProfileError, match=r"mails\.sender_name"):
        check_templates(example_profile(mails=mails), SENDER)


def test_without_a_setting_mails_come_from_the_help_desk() -> None:
    assert choose_sender(PROFILE, "") == "desk@example.lg.jp"
    assert choose_sender(PROFILE, SENDER) == SENDER


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@b",
        "a@b.example, c@d.example",
        "a@b.example\r\nBcc: x@evil.example",
        "a@b.example\nRCPT TO:<x@evil.example>",
        "=?utf-8?q?x=0D=0ABcc:_v=40w?=@b.example",
        "太郎@b.example",
        "a@例え.example",
        "a\x00@b.example",
        "<a@b.example>",
        "a b@c.example",
    ],
)
def test_mail_to_what_is_not_one_address_is_undeliverable(address: str) -> None:
    mail = dataclasses.replace(MAIL, mail_address=address)
    with pytest.raises(UndeliverableMailError):
        compose(mail, PROFILE, SENDER)


HEADERS = {
    *("from", "to", "subject", "date", "message-id", "auto-submitted"),
    *("content-type", "content-transfer-encoding", "mime-version"),
}


@given(text=st.text(min_size=1) | st.sampled_from(["=?utf-8?q?a=0D=0ABcc:_v=40w?=", "\r\nBcc: x@evil.example\r\n\r\n"]))
@settings(max_examples=300, deadline=None)
def test_headers_do_not_depend_on_texts_of_people_and_rosters(text: str) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")
    person = Contact(text, text, text, text, text, text, CONTACT.mail_address)
    company = dataclasses.replace(COMPANY, bidder_id=text, name=text)
    mail = dataclasses.replace(
        MAIL,
        recipient_name=text,
        facts=dataclasses.replace(FACTS, card_serial=text, holder_name=text),
        card_contact=person,
        company_name=company.full_name,
    )
    content = compose(mail, PROFILE, SENDER)
    parsed = message_from_bytes(content, policy=policy.default)
    assert {key.lower() for key in parsed} == HEADERS
    assert content.partition(b"\r\n\r\n")[0] == compose(MAIL, PROFILE, SENDER).partition(b"\r\n\r\n")[0]
    # With an empty line, a line that separates, and three of the record.
    assert len(str(parsed.get_content()).splitlines()) == len(PROFILE.mails.registration.body.splitlines()) + 5


def test_record_stands_after_the_words_of_the_manual_which_stay_as_they_are() -> None:
    profile = load_profile(ROOT / "profiles" / "saitama.yaml")
    text = read_text(compose(MAIL, profile, SENDER)).replace("\r\n", "\n")
    manual, _, record = text.partition("\n----------------------------------------\n")
    unsealed = dataclasses.replace(MAIL, entry=None)
    assert manual == read_text(compose(unsealed, profile, SENDER)).replace("\r\n", "\n")
    assert record == f"記録番号 : 4711（certificate-registry）\n記録の指紋 : {'0a' * 32}\n封印 : 12（{'0b' * 32}）\n"


def test_text_that_shows_the_record_itself_gets_no_second_one() -> None:
    notice = dataclasses.replace(MAIL, kind=NoticeKind.REGISTRATION_NOTICE)
    profile = load_profile(ROOT / "profiles" / "saitama.yaml")
    text = read_text(compose(notice, profile, SENDER))
    assert text.count("記録番号 : ") == 1
    assert "-----" not in text


@pytest.mark.parametrize("words", ["neutral", "saitama"])
def test_mail_of_a_change_names_fields_and_says_whom_to_call(words: str) -> None:
    profile = load_profile(ROOT / "profiles" / "saitama.yaml")
    if words == "neutral":
        profile = profile.model_copy(update={"mails": profile.mails.model_copy(update={"change": None})})
    facts = ChangeFacts(
        certificate_sha256=b"\x01" * 32,
        card_serial="4711",
        agency="saitama-city",
        category="works",
        bidder_id="1000000001",
        happened_at=NOW,
        holder_name="",
        changed_fields=("card_contact.telephone", "representative_contact.mail_address", "gone"),
        propagate=False,
    )
    mail = dataclasses.replace(MAIL, kind=NoticeKind.CHANGE, facts=facts, card_contact=None, company_name="")
    text = read_text(compose(mail, profile, SENDER))
    assert "変更された項目 : ICカード利用部署情報の連絡先電話番号、代表窓口情報の連絡先メールアドレス、gone\r\n" in text
    assert "他の調達機関への反映 : 自動反映しません\r\n" in text
    assert "変更日時 : 2026/11/27 10:00\r\n" in text
    assert f"記録の指紋 : {'0a' * 32}\r\n" in text
    assert profile.help_desk.telephone in text
    assert "{" not in text


def test_code_that_the_profile_no_longer_has_is_shown_as_code() -> None:
    mail = dataclasses.replace(MAIL, facts=dataclasses.replace(FACTS, agency="gone", category="gone-too"))
    text = read_text(compose(mail, PROFILE, SENDER))
    assert "調達機関 : gone\r\n業務区分 : gone-too\r\n" in text


@given(
    text=st.text(), holder=st.text(), address=st.sampled_from(["a@b.example", '"a b"@c.example', "a=?x?=@b.example"])
)
@settings(max_examples=40, deadline=None)
def test_message_is_what_the_email_package_writes(text: str, holder: str, address: str) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")
    profile = example_profile(**with_body(text.replace("{", "{{").replace("}", "}}") + "{holder_name}"))
    facts = dataclasses.replace(FACTS, holder_name=holder.encode("utf-8", "replace").decode("utf-8"))
    mail = dataclasses.replace(MAIL, facts=facts, mail_address=address)
    written = compose(mail, profile, SENDER)
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = Address(display_name=profile.mails.sender_name, addr_spec=SENDER)
    message["To"] = Address(addr_spec=address)
    message["Subject"] = "お知らせ"
    message["Date"] = format_datetime(NOW.astimezone(JAPAN))
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    # Decoded, since a text that is empty is tried too.
    message.set_content(written.partition(b"\r\n\r\n")[2] and read_text(written), cte="base64")
    headers, _, body = message.as_bytes().partition(b"\r\n\r\n")
    own_headers, _, own_body = written.partition(b"\r\n\r\n")
    assert sorted(own_headers.split(b"\r\n")) == sorted(headers.split(b"\r\n"))
    assert own_body == body


def test_headers_that_mails_have_in_common_are_written_once() -> None:
    """To write them with the email package takes 18 times as long as the rest of the mail."""
    compose(MAIL, PROFILE, SENDER)
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_globals["__name__"].startswith("email.")

    sys.setprofile(count)
    try:
        compose(dataclasses.replace(MAIL, mail_id=uuid4()), PROFILE, SENDER)
    finally:
        sys.setprofile(None)
    assert calls < 200
