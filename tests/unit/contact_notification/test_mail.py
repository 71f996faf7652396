"""Templates are checked at start-up; no text of a person gets into a header."""

import dataclasses
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
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
from contact_notification.domain.notice import NoticeKind
from contact_notification.domain.staging import Company
from instance_profile.load import ProfileError, load_profile
from tests.support.example_profile import example_profile

ROOT = Path(__file__).parents[3]
SENDER = "no-reply@toroku.example.lg.jp"
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CONTACT = Contact("工事課", "330-9301", "さいたま市", "太郎", "048-000-0000", "048-000-0001", "koji@contractor.example")
COMPANY = Company("1000000001", "株式会社例", *(None,) * 11, ())
MAIL = Mail(
    mail_id=uuid4(),
    message_id="<1@toroku.example>",
    kind=NoticeKind.REGISTRATION,
    written_at=NOW,
    mail_address=CONTACT.mail_address,
    recipient_name=CONTACT.person_name,
    card_contact=CONTACT,
    company=COMPANY,
    agency="city",
    category="works",
    registered_at=NOW,
    card_serial="4711",
    holder_name="登録 太郎",
)
PROFILE = example_profile()


def with_body(body: str, subject: str = "お知らせ") -> dict[str, Any]:
    mails = PROFILE.mails.model_dump()
    return {"mails": mails | {"registration": {"subject": subject, "body": body}}}


@pytest.mark.parametrize("file", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda file: file.stem)
def test_templates_of_every_profile_are_valid(file: Path) -> None:
    profile = load_profile(file)
    check_templates(profile, choose_sender(profile, ""))


def test_every_placeholder_is_filled() -> None:
    body = "\n".join(f"{name}={{{name}}}" for name in sorted(BODY_PLACEHOLDERS))
    text = compose(MAIL, example_profile(**with_body(body)), SENDER).get_content()
    assert "{" not in text
    assert "registered_at=2026/11/27 10:00\r\n" in text
    assert "card_serial=4711\r\n" in text
    assert "holder_name=登録 太郎\r\n" in text


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
        MAIL, recipient_name=text, card_contact=person, company=company, card_serial=text, holder_name=text
    )
    content = compose(mail, PROFILE, SENDER).as_bytes()
    parsed = message_from_bytes(content, policy=policy.default)
    assert {key.lower() for key in parsed} == HEADERS
    assert content.partition(b"\r\n\r\n")[0] == compose(MAIL, PROFILE, SENDER).as_bytes().partition(b"\r\n\r\n")[0]
    assert len(str(parsed.get_content()).splitlines()) == len(PROFILE.mails.registration.body.splitlines())


def test_code_that_the_profile_no_longer_has_is_shown_as_code() -> None:
    mail = dataclasses.replace(MAIL, agency="gone", category="gone-too")
    text = compose(mail, PROFILE, SENDER).get_content()
    assert "調達機関 : gone\r\n業務区分 : gone-too\r\n" in text
