"""The portal's pages as HTML: complete, in one language, without anything that runs or that typed text could add."""

from dataclasses import replace
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

from portal.domain.journey import Operation, Step
from portal.pages import page_words, words
from portal.pages.render import render
from portal.pages.views import FormPage, View, Words
from refusals.language import Language
from tests.support.japanese_text import broken_rules
from tests.support.page_elements import Elements
from tests.support.portal_samples import COMPANY_NAME, ENTRY, FRAMES, PAGES, PROFILE, refuse, show, start

LANGUAGES: tuple[Language, ...] = get_args(Language)
every_page = pytest.mark.parametrize("view", PAGES.values(), ids=PAGES)


def read(name: str, language: Language = "ja") -> Elements:
    return Elements(render(PAGES[name], PROFILE, language))


@every_page
@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_complete_and_all_that_it_loads_is_the_portals(view: View, language: Language) -> None:
    elements = Elements(render(view, PROFILE, language))

    assert elements.all("html") == [{"lang": language}]
    assert len(elements.all("title")) == len(elements.all("main")) == len(elements.all("h1")) == 1
    assert elements.all("style", "iframe", "img", "object", "base", "source", "video", "audio") == []
    assert [each["href"] for each in elements.all("link")] == ["/page.css"]
    assert [each["src"] for each in elements.all("script")] == ["/portal.js"]
    for _, attributes in elements.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    ids = [each["id"] for _, each in elements.found if "id" in each]
    assert len(ids) == len(set(ids))
    named = [each[name] for _, each in elements.found for name in ("for", "aria-describedby") if name in each]
    assert {name for names in named for name in (names or "").split()} <= set(ids)


@every_page
def test_every_field_has_its_label_and_says_in_words_whether_it_must_be_filled_in(view: View) -> None:
    elements = Elements(render(view, PROFILE, "ja"))
    labels = {each["for"] for each in elements.all("label")}
    assert {each["id"] for each in elements.all("input", "select") if each.get("type") != "hidden"} == labels
    if isinstance(view, FormPage):
        marks = [field.required for section in view.sections for field in section.fields]
        assert None not in marks
        assert elements.text.count("必須") == marks.count(True)
        assert elements.text.count("任意") == marks.count(False)


@every_page
def test_no_field_cuts_what_is_pasted_into_it(view: View) -> None:
    assert [each for each in Elements(render(view, PROFILE, "ja")).all("input") if "maxlength" in each] == []


def test_link_to_the_other_language_keeps_what_the_address_says() -> None:
    for language, other in (("ja", "en"), ("en", "ja")):
        for address in ("/end?operation=registration", "/agent?why=old&language=ja", "/choice"):
            view = replace(PAGES["end"], frame=FRAMES.make(address))
            link = Elements(render(view, PROFILE, "ja" if language == "ja" else "en")).one(hreflang=other)
            leads_to, wanted = urlsplit(str(link["href"])), dict(parse_qsl(urlsplit(address).query))
            assert leads_to.path == urlsplit(address).path
            assert parse_qsl(leads_to.query) == [*(wanted | {"language": other}).items()]


def test_link_to_the_other_language_can_not_break_out_of_its_address() -> None:
    view = replace(PAGES["end"], frame=FRAMES.make('/end?operation="><script>alert(1)</script>'))
    assert len(Elements(render(view, PROFILE, "ja")).all("script")) == 1


def test_typed_texts_are_shown_as_texts() -> None:
    evil = '"><script>alert(1)</script>&amp;'
    journey = replace(start(Operation.REGISTRATION, Step.SEARCH), typed={"name": evil, "bidder_id": evil})
    elements = Elements(render(show(journey), PROFILE, "ja"))
    assert len(elements.all("script")) == 1
    assert elements.one(name="name")["value"] == evil


def test_what_is_wrong_is_said_first_and_at_its_field_by_the_name_of_the_field() -> None:
    elements = read("search, two wrong fields")
    assert "".join(elements.text).startswith("エラー：")
    assert elements.one(name="name")["aria-invalid"] == "true"
    assert "name-problem" in str(elements.one(name="name")["aria-describedby"])
    assert "aria-invalid" not in elements.one(name="password")
    assert {"href": "#name"} in elements.all("a")
    assert "autofocus" in elements.one(**{"aria-labelledby": "problem-title"})
    names = [text for text in elements.text if text.startswith(("商号又は名称：", "ユーザID："))]
    assert len(names) == 2


def test_fields_of_one_name_are_told_apart_by_their_sections() -> None:
    summary = [
        text
        for text in read("form, errors").text
        if text.endswith("：入力されていません。必須項目です。入力してください。")
    ]
    assert [text.partition("：")[0] for text in summary] == [
        "代表窓口情報　連絡先名称(部署名等)",
        "ICカード利用部署情報　連絡先名称(部署名等)",
    ]


def test_first_heading_of_a_page_is_its_title_also_where_something_is_wrong() -> None:
    headings = [tag for tag, _ in read("search, two wrong fields").found if tag in ("h1", "h2", "h3")]
    assert headings[0] == "h1"


def test_what_can_only_be_read_has_its_reason() -> None:
    for name in ("form", "change form"):
        assert {words.FROM_ROSTER.ja, words.FROM_CARD.ja} <= set(read(name).text)
    assert words.REPRESENTATIVE_STANDS.ja in read("form, representative stands").text


def test_password_never_comes_back() -> None:
    journey = replace(start(Operation.REGISTRATION, Step.SEARCH), typed={"password": "himitsu8"})
    page = render(show(refuse(journey, "FIELDS_INVALID", {"password": "FIELD_REQUIRED"})), PROFILE, "ja")
    assert "himitsu8" not in page


def test_steps_say_which_are_done_and_which_one_is_reached() -> None:
    elements = read("form")
    steps = [each for each in elements.all("li") if "aria-current" in each or each.get("class") == "past"]
    assert [each.get("aria-current") for each in steps] == [None, None, "step"]
    assert elements.text.count(page_words.PAST.ja) == 2


def test_operation_that_is_closed_says_when_it_opens_at_its_button() -> None:
    elements = read("menu, closed")
    closed = [each for each in elements.all("button") if "disabled" in each]
    assert [each["aria-describedby"] for each in closed] == ["registration-closed", "change-closed", "renewal-closed"]
    assert "現在は受付時間外です。次の受付開始：2026年11月27日(金) 8時30分" in elements.text


def test_receipt_has_every_character_of_the_names() -> None:
    for name in ("print", "change print"):
        assert COMPANY_NAME in read(name).text


def test_agency_that_does_not_offer_the_category_is_said_at_the_choice() -> None:
    view = ENTRY.build_not_offered("/choice", "kumagaya-city")
    choice = Elements(render(view, PROFILE, "ja")).one(name="agency")
    assert (choice["aria-invalid"], choice["aria-describedby"]) == ("true", "agency-problem")


def test_words_of_the_frame_follow_the_rules_of_writing() -> None:
    found = [value for value in vars(page_words).values() if isinstance(value, Words)]
    assert len(found) > 30
    assert {text.ja: broken for text in found if (broken := broken_rules(text.ja))} == {}
    assert [text.en for text in found if not text.en.isascii() and text is not page_words.OTHER_LANGUAGE] == []
