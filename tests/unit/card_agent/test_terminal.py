"""The person at the terminal, and the one who is not there."""

import io

import pytest
from rich.console import Console

from card_agent.console import words
from card_agent.console.terminal import ConsolePerson, first_line, flat, visible
from card_agent.console.person import Answer, Option, Question
from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Code, Refusal, Violation

OPTIONS = [Option("works", Words("工事等", "Works")), Option("goods", Words("物品等", "Goods"))]
NAME = Question("search.name", Words("商号又は名称", "Company name"), Words("全角", "full width"))


class Terminal:
    """A terminal whose user types these lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
        self.output = io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        self.person = ConsolePerson(Console(file=self.output, width=80), interactive=True)

    @property
    def text(self) -> str:
        return self.output.getvalue()


def absent(**answers: str) -> ConsolePerson:
    return ConsolePerson(Console(file=io.StringIO(), width=80), interactive=False, answers=answers)


def test_a_choice_is_its_number_or_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in (["2"], ["goods"], ["0", "3", "物品", "2"]):
        terminal = Terminal(monkeypatch, *typed)
        assert terminal.person.choose("category", words.CHOOSE_CATEGORY, OPTIONS) == "goods"
        assert "物品等 / Goods" in terminal.text


@pytest.mark.requirement("ENT-01")
def test_the_only_choice_is_not_asked() -> None:
    assert absent().choose("agency", words.CHOOSE_AGENCY, OPTIONS[:1]) == "works"


def test_a_choice_from_a_file_has_to_be_one() -> None:
    assert absent(category="goods").choose("category", words.CHOOSE_CATEGORY, OPTIONS) == "goods"
    for options in (OPTIONS, OPTIONS[:1]):
        with pytest.raises(Refusal) as refused:
            absent(category="ships").choose("category", words.CHOOSE_CATEGORY, options)
        assert refused.value.reason == "CHOICE_UNKNOWN"


def test_an_answer_from_a_file_counts_once_and_is_typed_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, " 登録建設株式会社 ")
    terminal.person.answers = {"search.name": "登録建設"}
    assert terminal.person.ask(NAME) == "登録建設"
    assert terminal.person.ask(NAME) == "登録建設株式会社"


def test_an_empty_line_takes_what_was_typed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "")
    assert terminal.person.ask(Question("a", NAME.label, NAME.hint, typed="登録建設")) == "登録建設"
    assert "[登録建設]" in terminal.text


def test_what_is_required_is_asked_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Terminal(monkeypatch, "", "  ", "x").person.ask(NAME) == "x"
    assert Terminal(monkeypatch, "").person.ask(Question("a", NAME.label, NAME.hint, required=False)) == ""


def test_without_anybody_there_a_missing_answer_says_which() -> None:
    for ask in (
        lambda: absent().ask(NAME),
        lambda: absent().choose("search.name", NAME.label, OPTIONS),
        lambda: absent().ask_pin(words.ASK_PIN),
        lambda: absent().confirm(words.CONFIRM_ACT, may_go_back=False),
    ):
        with pytest.raises(Refusal) as refused:
            ask()
        assert refused.value.reason == "ANSWER_MISSING"
        assert refused.value.metadata["path"] in ("search.name", "--pin-file", "--yes")


def test_a_terminal_that_is_closed_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="ANSWER_MISSING"):
        Terminal(monkeypatch).person.ask(NAME)


def test_only_a_plain_yes_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, answer in (
        (["y"], Answer.YES),
        (["", "?", "Yes"], Answer.YES),
        (["n"], Answer.NO),
        (["b"], Answer.BACK),
    ):
        assert Terminal(monkeypatch, *typed).person.confirm(words.CONFIRM_VALUES, may_go_back=True) is answer
    assert Terminal(monkeypatch, "b", "y").person.confirm(words.CONFIRM_ACT, may_go_back=False) is Answer.YES


def test_a_refusal_is_told_in_both_languages_with_its_fields_and_its_reason() -> None:
    person = absent()
    output = io.StringIO()
    person.console = Console(file=output, width=40)
    violations = [Violation("card_contact.fax", "CARD_PIN_WRONG", {"tries_left": "2"})]
    person.refused(Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=violations))
    text = output.getvalue()
    for part in (
        "入力内容に誤りがあります。",
        "Some fields are wrong.",
        "card_contact.fax: PINが違います。あと 2 回",
        "[FIELDS_INVALID]",
    ):
        assert part in text


def test_with_somebody_there_a_refusal_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("CARD_NOT_INSERTED", metadata={"reader": "R"})
    assert Terminal(monkeypatch, "y").person.again(refusal)
    assert not Terminal(monkeypatch, "").person.again(refusal)
    assert not absent().again(refusal)


@pytest.mark.requirement("CRD-03")
def test_a_wrong_pin_from_a_file_is_never_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "y")
    terminal.person.pin = lambda: Pin("000000")
    assert not terminal.person.again(Refusal("CARD_PIN_WRONG", metadata={"tries_left": "2"}))


@pytest.mark.requirement("CRD-02")
def test_a_busy_card_says_so_without_a_terminal_too() -> None:
    person = absent()
    person.console = Console(file=(output := io.StringIO()), width=40)
    with person.busy(words.BUSY):
        assert "ただいまICカードにアクセス中です" in output.getvalue()


def test_the_words_of_others_neither_move_the_cursor_nor_turn_lines() -> None:
    person = absent()
    person.console = Console(file=(output := io.StringIO()), force_terminal=True, width=200)
    evil = "髙﨑建設\x1b[2J\x1b]0;title\x07\r\u202eabc[bold red]x[/]"
    person.show(Words("企業情報", ""), [(Words("商号", ""), evil)], [evil])
    person.tell(Words(evil, ""))
    text = output.getvalue()
    assert "\x1b[2J" not in text
    assert not {"\x07", "\r", "\u202e"} & set(text)
    assert "髙﨑建設" in text
    assert "[bold red]x[/]" in text
    assert visible("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_long_values_are_not_cut_or_broken() -> None:
    person = absent()
    person.console = Console(file=(output := io.StringIO()), width=40)
    person.show(Words("証明書", ""), [(Words("発行者", ""), "あ" * 300)])
    assert "あ" * 300 in output.getvalue()


def test_a_pin_is_the_first_line_of_its_file_and_shows_nowhere() -> None:
    for content in ("123456", "123456\n", "123456\r\nnote\n"):
        assert first_line(content).encode() == b"123456"
    assert "123456" not in repr(first_line("123456"))
    person = ConsolePerson(Console(file=io.StringIO()), interactive=False, answers={"search.password": "s3cret"})
    assert "s3cret" not in repr(person)


def test_a_form_files_values_are_texts_by_path() -> None:
    form = {"agency": "a", "card_contact": {"telephone": "048-000-0000"}}
    assert dict(flat(form)) == {"agency": "a", "card_contact.telephone": "048-000-0000"}
    for wrong in ({"agency": 1}, {"card_contact": {"fax": None}}, {"card_contact": {"fax": ["x"]}}):
        with pytest.raises(Refusal, match="FORM_FILE_INVALID"):
            dict(flat(wrong))
