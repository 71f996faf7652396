"""The interactive person at a terminal, and the non-interactive one."""

import io

import pytest
from rich.console import Console

from card_agent.console import words
from card_agent.console.person import Answer, Option, Question
from card_agent.console.place import Place
from card_agent.console.retries import RETRIES
from card_agent.console.terminal import ConsolePerson, flatten_form, read_first_line, replace_invisible
from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Code, Refusal, Violation
from refusals.catalogue import catalogue
from refusals.language import Language
from tests.support.japanese_text import find_other_language
from toroku.frontdoor.v1 import front_door_pb2

OPTIONS = [Option("works", Words("工事等", "Works")), Option("goods", Words("物品等", "Goods"))]
NAME = Question("search.name", Words("商号又は名称", "Company name"), Words("全角", "full width"))


def text(ja: str) -> front_door_pb2.Text:
    return front_door_pb2.Text(ja=ja, en=ja)


class Terminal:
    """A terminal at which a user types these lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
        self.output = io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        self.person = ConsolePerson(Console(file=self.output, width=80), interactive=True, language="ja")

    @property
    def text(self) -> str:
        return self.output.getvalue()


def non_interactive(**answers: str) -> ConsolePerson:
    return ConsolePerson(Console(file=io.StringIO(), width=80), interactive=False, language="ja", answers=answers)


def test_choice_is_typed_as_number_code_or_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in (["2"], ["２"], ["goods"], ["GOODS　"], ["物品等"], ["Goods"], ["0", "3", "物品", "２"]):
        terminal = Terminal(monkeypatch, *typed)
        assert terminal.person.choose("category", words.CHOOSE_CATEGORY, OPTIONS) == "goods"
        assert "物品等" in terminal.text
        assert ("一覧の番号または名称を入力してください" in terminal.text) == (len(typed) > 1)


def test_questions_are_introduced_only_to_a_person_who_is_asked_them(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Words("実際に連絡が取れる連絡先を入力してください。", "Enter a contact that can be reached.")
    terminal, nobody = Terminal(monkeypatch), non_interactive()
    for person in (terminal.person, nobody):
        person.introduce(words.CARD_CONTACT, note)
    assert terminal.text == f"\n■ {words.CARD_CONTACT.ja}\n{note.ja}\n"
    assert isinstance(nobody.console.file, io.StringIO)
    assert nobody.console.file.getvalue() == ""


def test_code_is_shown_where_two_options_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [Option("4711", Words("登録建設", "Toroku")), Option("4712", Words("登録建設", "Toroku"))]
    terminal = Terminal(monkeypatch, "登録建設", "4712")
    assert terminal.person.choose("certificate", words.CHOOSE_CERTIFICATE, same) == "4712"
    assert "登録建設  [4711]" in terminal.text


def test_unexpected_question_is_asked_even_with_yes_and_refused_without_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = Refusal("BIDDER_DIFFERS", Code.FAILED_PRECONDITION, {"typed": "1", "found": "2"})
    for typed, answer in (("n", Answer.NO), ("y", Answer.YES)):
        terminal = Terminal(monkeypatch, typed)
        terminal.person.assume_yes = True
        assert terminal.person.confirm_unexpected(words.CONFIRM_OTHER_BIDDER, refusal) is answer
    nobody = non_interactive()
    nobody.assume_yes = True
    with pytest.raises(Refusal) as refused:
        nobody.confirm_unexpected(words.CONFIRM_OTHER_BIDDER, refusal)
    assert refused.value is refusal


def test_only_option_is_taken_without_asking() -> None:
    assert non_interactive().choose("agency", words.CHOOSE_AGENCY, OPTIONS[:1]) == "works"


def test_prepared_choice_has_to_be_an_option() -> None:
    assert non_interactive(category="goods").choose("category", words.CHOOSE_CATEGORY, OPTIONS) == "goods"
    for options in (OPTIONS, OPTIONS[:1]):
        with pytest.raises(Refusal) as refused:
            non_interactive(category="ships").choose("category", words.CHOOSE_CATEGORY, options)
        assert refused.value.reason == "CHOICE_UNKNOWN"


def test_prepared_answer_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, " 登録建設株式会社 ")
    terminal.person.answers = {"search.name": "登録建設"}
    assert terminal.person.ask(NAME) == "登録建設"
    assert terminal.person.ask(NAME) == "登録建設株式会社"


def test_empty_line_repeats_the_previous_value(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "")
    assert terminal.person.ask(Question("a", NAME.label, NAME.hint, previous="登録建設")) == "登録建設"
    assert "[登録建設]" in terminal.text


def test_required_value_is_asked_for_until_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Terminal(monkeypatch, "", "  ", "x").person.ask(NAME) == "x"
    assert Terminal(monkeypatch, "").person.ask(Question("a", NAME.label, NAME.hint, required=False)) == ""


def test_optional_value_can_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question("a", NAME.label, NAME.hint, required=False, previous="登録建設")
    assert Terminal(monkeypatch, "").person.ask(question) == "登録建設"
    assert Terminal(monkeypatch, "-").person.ask(question) == ""
    assert Terminal(monkeypatch, "-").person.ask(NAME) == "-"


def test_missing_answer_is_refused_with_its_path() -> None:
    for ask in (
        lambda: non_interactive().ask(NAME),
        lambda: non_interactive().choose("search.name", NAME.label, OPTIONS),
        lambda: non_interactive().ask_pin(words.ASK_PIN),
        lambda: non_interactive().confirm(words.CONFIRM_ACT, may_go_back=False),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        assert refused.value.reason == "ANSWER_MISSING"
        assert refused.value.metadata["path"] in ("search.name", "--pin-file", "--yes")


def test_closed_terminal_is_refused_as_a_missing_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="ANSWER_MISSING"):
        Terminal(monkeypatch).person.ask(NAME)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        *((text, Answer.YES) for text in ("y", "Y", "ｙ", "Ｙ", "yes", "YES", "はい", "　はい　")),
        *((text, Answer.NO) for text in ("n", "N", "ｎ", "no", "いいえ", "中止")),
        *((text, Answer.BACK) for text in ("b", "Ｂ", "ｂ", "戻る", "修正")),
    ],
)
def test_answer_is_taken_in_either_width_and_language(
    monkeypatch: pytest.MonkeyPatch, typed: str, answer: Answer
) -> None:
    assert Terminal(monkeypatch, typed).person.confirm(words.CONFIRM_VALUES, may_go_back=True) is answer


def test_anything_else_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in ("", "?", "yesterday", "ん", "never", "1"):
        terminal = Terminal(monkeypatch, typed, "y")
        assert terminal.person.confirm(words.CONFIRM_VALUES, may_go_back=True) is Answer.YES
        assert "カッコ内の文字で入力してください" in terminal.text
    assert Terminal(monkeypatch, "b", "y").person.confirm(words.CONFIRM_ACT, may_go_back=False) is Answer.YES


def test_values_are_taken_over_only_by_a_person_without_prepared_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    question = Words("同じ内容にしますか", "Is it the same?")
    assert Terminal(monkeypatch, "はい").person.take_over(question, "card_contact")
    assert not Terminal(monkeypatch, "n").person.take_over(question, "card_contact")
    prepared = Terminal(monkeypatch)
    prepared.person.answers = {"card_contact.fax": "048-000-0000"}
    assert not prepared.person.take_over(question, "card_contact")
    assert not non_interactive().take_over(question, "card_contact")


def test_every_line_of_a_refusal_is_a_line_of_its_own() -> None:
    person = ConsolePerson(Console(file=(output := io.StringIO()), width=200), interactive=False, language="ja")
    person.enter(
        Place(category=front_door_pb2.Category(search_checks=[text("調達機関は正しいですか。"), text("半角ですか。")]))
    )
    person.show_refusal(Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND))
    lines = output.getvalue().splitlines()
    assert {"・調達機関は正しいですか。", "・半角ですか。", "[BIDDER_NOT_FOUND]"} <= set(lines)
    assert "\N{REPLACEMENT CHARACTER}" not in output.getvalue()


def test_wrong_input_is_offered_to_be_entered_again_and_anything_else_to_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for reason, question in (("BIDDER_NOT_FOUND", words.TYPE_AGAIN), ("CARD_REMOVED", words.TRY_AGAIN)):
        terminal = Terminal(monkeypatch, "y")
        assert terminal.person.offer_retry(Refusal(reason, Code.NOT_FOUND))
        assert question.ja in terminal.text


def test_refusal_is_shown_with_fields_and_reason_in_the_language_of_the_person() -> None:
    refusal = Refusal(
        "FIELDS_INVALID",
        Code.INVALID_ARGUMENT,
        violations=[Violation("card_contact.fax", "CARD_PIN_WRONG", {"tries_left": "2"})],
    )
    expected: dict[Language, tuple[str, str]] = {
        "ja": ("入力内容に誤りがあります", "ICカード利用部署情報　連絡先FAX番号: PINが違います。あと2回"),
        "en": ("Some fields are wrong.", "Contact of the card, Fax: "),
    }
    for language, parts in expected.items():
        person = ConsolePerson(Console(file=(output := io.StringIO()), width=40), interactive=False, language=language)
        person.show_refusal(refusal)
        for part in (*parts, "[FIELDS_INVALID]"):
            assert part in output.getvalue()
        assert find_other_language(output.getvalue(), language) == []


def test_refusal_is_explained_in_the_words_of_the_instance() -> None:
    person = non_interactive()
    person.console = Console(file=(output := io.StringIO()), width=40)
    instance = front_door_pb2.Instance(
        help_desk=front_door_pb2.HelpDesk(
            name=text("電子入札ヘルプデスク"), telephone="048-000-0009", hours=text("平日")
        )
    )
    authority = instance.card_authorities.add(id="shinrai", name=text("信頼認証局"))
    authority.unlocking.CopyFrom(text("10回間違えるとロックされます。"))
    person.show_refusal(Refusal("SIGNATURE_INVALID"))
    assert "ヘルプデスクに" in output.getvalue()
    person.enter(Place(instance, authority="shinrai"))
    for reason in ("SIGNATURE_INVALID", "CARD_PIN_BLOCKED"):
        person.show_refusal(Refusal(reason))
    for part in (
        "電子入札ヘルプデスク（電話：048-000-0009、平日）に",
        "信頼認証局に、",
        "10回間違えるとロックされます。",
    ):
        assert part in output.getvalue()


def test_retry_is_offered_only_to_an_interactive_person(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("CARD_NOT_INSERTED", metadata={"reader": "R"})
    assert Terminal(monkeypatch, "y").person.offer_retry(refusal)
    assert not Terminal(monkeypatch, "?", "n").person.offer_retry(refusal)
    assert not non_interactive().offer_retry(refusal)


def test_declined_refusal_has_been_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("CARD_NOT_INSERTED", metadata={"reader": "R"})
    terminal = Terminal(monkeypatch, "n")
    assert not terminal.person.has_seen(refusal)
    terminal.person.offer_retry(refusal)
    assert terminal.person.has_seen(refusal)


def test_only_what_another_try_can_help_has_a_retry() -> None:
    assert RETRIES.keys() <= catalogue().keys()
    final = {
        "CARD_PIN_BLOCKED",
        "CARD_ALREADY_REGISTERED",
        "CARD_BOUND_TO_ANOTHER_BIDDER",
        "CARD_BINDING_ENDED",
        "CARD_SUSPENDED",
        "TOO_MANY_TRIES",
        "OUTSIDE_OPENING_HOURS",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_AUTHORITY_UNKNOWN",
        "PASSWORD_CHANGED_TODAY",
        "BIDDER_SUSPENDED",
        "ENDPOINT_NOT_TRUSTED",
        "PURPOSE_FOR_ANOTHER_REQUEST",
    }
    assert final <= catalogue().keys()
    assert not final & RETRIES.keys()


def test_wrong_pin_from_a_file_is_never_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "y")
    terminal.person.pin_source = lambda: Pin("000000")
    assert not terminal.person.offer_retry(Refusal("CARD_PIN_WRONG", metadata={"tries_left": "2"}))


def test_busy_card_is_shown_without_a_terminal_too() -> None:
    person = non_interactive()
    person.console = Console(file=(output := io.StringIO()), width=40)
    with person.show_busy(words.BUSY):
        assert "ただいまICカードにアクセス中です" in output.getvalue()


def test_foreign_text_cannot_control_the_terminal() -> None:
    person = non_interactive()
    person.console = Console(file=(output := io.StringIO()), force_terminal=True, width=200)
    hostile = "髙﨑建設\x1b[2J\x1b]0;title\x07\r\u202eabc[bold red]x[/]"
    person.show(Words("企業情報", ""), [(Words("商号", ""), hostile)], [hostile])
    person.show_message(Words(hostile, ""))
    text = output.getvalue()
    assert "\x1b[2J" not in text
    assert not {"\x07", "\r", "\u202e"} & set(text)
    assert "髙﨑建設" in text
    assert "[bold red]x[/]" in text
    assert replace_invisible("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_long_values_are_neither_cut_nor_wrapped() -> None:
    person = non_interactive()
    person.console = Console(file=(output := io.StringIO()), width=40)
    person.show(Words("証明書", ""), [(Words("発行者", ""), "あ" * 300)])
    assert "あ" * 300 in output.getvalue()


def test_pin_is_the_first_line_of_its_file_and_in_no_repr() -> None:
    for content in ("123456", "123456\n", "123456\r\nnote\n"):
        assert read_first_line(content).encode() == b"123456"
    assert "123456" not in repr(read_first_line("123456"))
    person = non_interactive(**{"search.password": "s3cret"})
    assert "s3cret" not in repr(person)


def test_form_values_are_texts_by_path() -> None:
    form = {"agency": "a", "card_contact": {"telephone": "048-000-0000"}}
    assert dict(flatten_form(form)) == {"agency": "a", "card_contact.telephone": "048-000-0000"}
    for wrong in ({"agency": 1}, {"card_contact": {"fax": None}}, {"card_contact": {"fax": ["x"]}}):
        with pytest.raises(Refusal, match="FORM_FILE_INVALID"):
            dict(flatten_form(wrong))


def test_usual_option_stands_for_an_empty_line_and_where_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, chosen in (("", "goods"), ("1", "works")):
        terminal = Terminal(monkeypatch, typed)
        assert terminal.person.choose("category", words.CHOOSE_CATEGORY, OPTIONS, usual="goods") == chosen
        assert "業務区分 [物品等]: " in terminal.text
    assert non_interactive().choose("category", words.CHOOSE_CATEGORY, OPTIONS, usual="goods") == "goods"
    prepared = non_interactive(category="works")
    assert prepared.choose("category", words.CHOOSE_CATEGORY, OPTIONS, usual="goods") == "works"


def test_what_is_to_be_done_is_waited_for_only_where_somebody_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    insert = Words("ICカードを挿入してください。", "Insert the card.")
    terminal = Terminal(monkeypatch, "", "not read")
    terminal.person.acknowledge(insert)
    assert insert.ja in terminal.text
    terminal.person.assume_yes = True
    terminal.person.acknowledge(insert)
    non_interactive().acknowledge(insert)
    assert terminal.person.ask(NAME) == "not read"


def test_pin_of_the_new_card_has_a_source_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Terminal(monkeypatch, "y").person
    person.pin_source = lambda: Pin("123456")
    monkeypatch.setattr("card_agent.console.terminal.getpass", lambda prompt: "654321")
    assert person.ask_pin(words.ASK_OLD_PIN).encode() == b"123456"
    assert person.ask_pin(words.ASK_NEW_PIN, of_new_card=True).encode() == b"654321"
    # It was typed, and so may be typed again.
    assert person.offer_retry(Refusal("CARD_PIN_WRONG", metadata={"tries_left": "2"}))
    nobody = non_interactive()
    nobody.pin_source = lambda: Pin("123456")
    with pytest.raises(Refusal) as refused:
        nobody.ask_pin(words.ASK_NEW_PIN, of_new_card=True)
    assert refused.value.metadata["path"] == "--new-pin-file"


def test_what_has_no_prepared_answer_stays_as_it_is_where_nobody_is_there() -> None:
    registered = Question("card_contact.fax", Words("FAX番号", "Fax"), Words("", ""), previous="048-000-0001")
    assert non_interactive().ask(registered) == "048-000-0001"
    assert non_interactive(**{"card_contact.fax": "048-000-0002"}).ask(registered) == "048-000-0002"


def test_agreement_is_called_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "y")
    question = Words("この内容でよろしければ変更ボタンを押してください", "choose to change")
    assert terminal.person.confirm(question, may_go_back=True, yes=Words("変更", "change")) is Answer.YES
    assert "（y：変更　n：中止　b：修正）" in terminal.text
