"""The agent's pages as HTML: complete, in one language, without anything that runs or that a card's text could add."""

from dataclasses import replace
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

from card_agent.console import words
from card_agent.console.words import Words
from card_agent.local_page import page_words
from card_agent.local_page.render import render, render_end, render_start, style_sheet
from card_agent.local_page.views import RefusalPage, StartPage, View
from refusals.language import Language
from tests.support.japanese_text import broken_rules, find_other_language
from tests.support.page_elements import Elements
from tests.support.page_samples import (
    CARD_ROWS,
    FRAME,
    GOOD_CARD,
    LINK,
    PAGES,
    PHRASE,
    PIN,
    RETURN,
    choose_card,
    sign,
)

LANGUAGES: tuple[Language, ...] = get_args(Language)

every_page = pytest.mark.parametrize("view", PAGES.values(), ids=PAGES)
both_languages = pytest.mark.parametrize("language", LANGUAGES)


@every_page
@both_languages
def test_page_is_complete_and_nothing_on_it_runs_or_comes_from_elsewhere(view: View, language: Language) -> None:
    elements = Elements(render(view, language))

    assert elements.all("html") == [{"lang": language}]
    assert len(elements.all("title")) == len(elements.all("main")) == len(elements.all("h1")) == 1
    assert elements.all("script", "style", "iframe", "img", "object", "base") == []
    assert [each["href"] for each in elements.all("link")] == ["/page.css"]
    for _, attributes in elements.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    ids = [each["id"] for _, each in elements.found if "id" in each]
    assert len(ids) == len(set(ids))
    named = [each[name] for _, each in elements.found for name in ("for", "aria-describedby") if name in each]
    assert {name for names in named for name in (names or "").split()} <= set(ids)


@every_page
def test_english_page_has_no_japanese_words_but_names_and_the_phrase(view: View) -> None:
    text = " ".join(Elements(render(view, "en")).text).replace(PHRASE, "").replace("日本語", "")
    for _, value in CARD_ROWS:
        text = text.replace(value if isinstance(value, str) else value.en, "")
    assert find_other_language(text.replace("山田.p12", "").replace("総務部", ""), "en") == []


@every_page
def test_every_page_with_a_hand_off_shows_who_asks_and_the_phrase(view: View) -> None:
    text = " ".join(Elements(render(view, "ja")).text)
    frame = None if isinstance(view, StartPage) else view.frame
    if frame is not None:
        assert frame.instance_name.ja in text
        assert f"({frame.instance_id})" in text
        assert PHRASE in text


@every_page
def test_every_form_is_a_post_to_the_agent_with_its_token(view: View) -> None:
    elements = Elements(render(view, "ja"))
    form = getattr(view, "form", None)
    assert [(each["method"], each["action"]) for each in elements.all("form")] == (
        [] if form is None else [("post", form.action)]
    )
    if form is not None:
        assert elements.one(name="token")["value"] == form.token


def test_link_to_the_other_language_is_the_same_link() -> None:
    for language, other in (("ja", "en"), ("en", "ja")):
        view = PAGES["insert the card"]
        link = Elements(render(view, "ja" if language == "ja" else "en")).one(hreflang=other)
        address = urlsplit(str(link["href"]))
        wanted = dict(parse_qsl(urlsplit(LINK).query)) | {"language": other}
        assert address.path == "/card"
        assert dict(parse_qsl(address.query)) == wanted
        assert len(parse_qsl(address.query)) == len(wanted)


def test_texts_of_a_card_are_shown_as_texts() -> None:
    evil = '"><script>alert(1)</script>&amp;'
    rows = ((words.HOLDER_NAME, evil),)
    page = render(choose_card(replace(GOOD_CARD, rows=rows, place=Words(evil, evil)), GOOD_CARD), "ja")
    elements = Elements(page)
    assert elements.all("script") == []
    assert "".join(elements.text).count(evil) == 2


def test_every_value_that_is_signed_is_on_the_page() -> None:
    view = sign(None, is_act=True)
    text = "".join(Elements(render(view, "ja")).text)
    for label, value in (*view.rows, *view.request_rows, *view.purpose_rows, *view.card_rows):
        assert label.ja in text
        assert words.say(value, "ja") in text
    for line in view.lines:
        assert words.say(line, "ja") in text


def test_pin_is_typed_into_a_field_that_no_browser_keeps() -> None:
    field = Elements(render(sign(PIN), "ja")).one(name="pin")
    # Chromium and Firefox offer to keep what was typed into a field of type password, whatever else it says.
    assert field["type"] == "text"
    assert field["autocomplete"] == "off"
    # A spelling service on the net must not get it.
    assert field["spellcheck"] == "false"
    assert "value" not in field
    assert "autofocus" not in field


def test_what_was_wrong_is_said_first_and_at_the_field() -> None:
    elements = Elements(render(PAGES["wrong PIN"], "ja"))
    field = elements.one(name="pin")
    assert field["aria-invalid"] == "true"
    assert "pin-problem" in str(field["aria-describedby"])
    assert "autofocus" in elements.one(role="alert")
    assert {"href": "#pin"} in elements.all("a")
    assert elements.text.count("PINが違います。") == 1
    assert elements.text.count("＊PINが違います。") == 1
    assert "".join(elements.text).startswith("エラー：")


def test_person_in_charge_that_is_wrong_is_said_at_its_own_field() -> None:
    elements = Elements(render(PAGES["wrong person in charge"], "ja"))
    assert "person_in_charge-problem" in str(elements.one(name="person_in_charge")["aria-describedby"])
    assert "aria-invalid" not in elements.one(name="pin")
    assert {"href": "#person_in_charge"} in elements.all("a")


@pytest.mark.parametrize(("tries", "text"), [(3, "残り3回です"), (1, "残り1回です。もう一度誤ると")])
def test_tries_that_are_left_are_said_at_the_field(tries: int, text: str) -> None:
    elements = Elements(render(sign(replace(PIN, tries_left=tries)), "ja"))
    assert [said for said in elements.text if said.startswith(text)]
    assert "pin-tries" in str(elements.one(name="pin")["aria-describedby"])
    assert "残り" not in "".join(Elements(render(sign(replace(PIN, tries_left=None)), "ja")).text)


def test_only_certificate_is_chosen_already_and_of_several_none() -> None:
    def chosen(name: View) -> int:
        return sum("checked" in each for each in Elements(render(name, "ja")).all("input"))

    assert chosen(choose_card(GOOD_CARD)) == 1
    assert chosen(PAGES["choose a certificate"]) == 0


def test_what_cannot_be_used_is_shown_with_its_reason_and_cannot_be_chosen() -> None:
    elements = Elements(render(PAGES["choose a certificate"], "ja"))
    assert [each["value"] for each in elements.all("input") if each.get("name") == "certificate"] == ["1", "2", "3"]
    assert "ICカードの有効期限（2025/05/14）が切れています。" in elements.text
    assert "ICカードが挿入されていません。" in elements.text


def test_where_nothing_can_be_used_the_one_reason_is_said_first_and_of_several_that_there_is_none() -> None:
    problem = {"href": "#unusable"}
    for page, said in (("no card", "ICカードが挿入されていません。"), ("no certificate", page_words.NO_CERTIFICATE.ja)):
        elements = Elements(render(PAGES[page], "ja"))
        assert problem in elements.all("a")
        assert elements.text[elements.text.index("エラー") + 1] == said


def test_busy_page_has_nothing_that_can_be_pressed() -> None:
    start = render_start(FRAME, "ja")
    for tag in ("<a ", "<button", "<input", "<form", "<summary"):
        assert tag not in start
    assert page_words.BUSY[2].ja in start


@every_page
@both_languages
def test_streamed_answer_is_one_page_with_the_busy_part_before_the_rest(view: View, language: Language) -> None:
    start, end = render_start(FRAME, language), render_end(view, language)
    elements = Elements(start + end)
    assert len(elements.all("html")) == len(elements.all("main")) == 1
    assert start.index('class="busy"') < len(start)
    assert end.index('class="rest"') == end.index("class=")
    assert "main:has(.rest) .busy { display: none; }" in style_sheet().decode()


def test_way_back_goes_on_by_itself_and_has_a_link() -> None:
    elements = Elements(render(PAGES["done"], "ja"))
    assert elements.one(**{"http-equiv": "refresh"})["content"] == f"0; url={RETURN}"
    assert elements.one(href=RETURN)


def test_refusal_has_the_ways_out_that_there_are() -> None:
    def links(view: View) -> set[str | None]:
        return {each["href"] for each in Elements(render(view, "ja")).all("a")} - {LINK.replace("=ja", "=en")}

    refusal = PAGES["refusal"]
    assert isinstance(refusal, RefusalPage)
    assert links(refusal) == {LINK, RETURN}
    assert links(replace(refusal, again="")) == {RETURN}
    assert links(PAGES["refusal without hand-off"]) == set()


def test_words_of_the_pages_follow_the_rules_of_writing() -> None:
    found = [value for value in vars(page_words).values() if isinstance(value, Words)]
    # The manual prints a space in the first sentence of the busy page.
    found += [*page_words.CARD_TITLES.values(), *page_words.CARD_MESSAGES.values(), *page_words.BUSY[1:]]
    assert len(found) > 40
    assert {text.ja: broken for text in found if (broken := broken_rules(text.ja))} == {}
    assert [text.en for text in found if not text.en.isascii() and text is not page_words.OTHER_LANGUAGE] == []
