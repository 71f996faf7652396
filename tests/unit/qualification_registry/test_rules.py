"""Throttle, passwords, proofs, decisions and assigned ids, without a database."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from instance_profile.model import BidderId, PasswordRule
from qualification_registry.domain.passwords import PasswordHash, find_alphabet, generate_password, is_changed_today
from qualification_registry.domain.roster_changes import LineKind, read_page
from qualification_registry.domain.roster_comparison import Comparison, format_bidder_ids
from qualification_registry.domain.roster_decisions import Decision, decide_bidders
from qualification_registry.domain.roster_errors import MOST_SHOWN, RosterErrors
from qualification_registry.domain.roster_lines import LINE_FIELDS, Lines
from qualification_registry.domain.throttle import (
    LONGEST_DELAY,
    Count,
    Scope,
    compute_delay,
    derive_keys,
    require_tries_left,
)
from refusals import Refusal

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
RULE = PasswordRule()


def counts(card_and_id: int, card: int, *, ends: timedelta = timedelta(minutes=5)) -> dict[Scope, Count]:
    return {Scope.CARD_AND_ID: Count(card_and_id, NOW + ends), Scope.CARD: Count(card, NOW + 2 * ends)}


@pytest.mark.parametrize(
    ("card_and_id", "card", "seconds"), [(5, 20, None), (6, 20, "300"), (5, 21, "600"), (6, 21, "600")]
)
def test_card_waits_until_its_window_ends(card_and_id: int, card: int, seconds: str | None) -> None:
    if seconds is None:
        require_tries_left(counts(card_and_id, card), RULE, NOW)
        return
    with pytest.raises(Refusal, match="TOO_MANY_TRIES") as caught:
        require_tries_left(counts(card_and_id, card), RULE, NOW)
    assert caught.value.metadata["retry_after_seconds"] == seconds


def test_wait_is_at_least_a_second() -> None:
    with pytest.raises(Refusal) as caught:
        require_tries_left(counts(6, 1, ends=timedelta()), RULE, NOW)
    assert caught.value.metadata == {"retry_after_seconds": "1", "retry_after_minutes": "1"}


def test_delay_grows_with_the_tries_on_a_bidder_up_to_a_maximum() -> None:
    waits = [compute_delay(Count(tries, NOW), RULE) for tries in range(RULE.tries_per_bidder + 100)]
    assert waits[: RULE.tries_per_bidder + 1] == [timedelta()] * (RULE.tries_per_bidder + 1)
    assert waits[RULE.tries_per_bidder + 1] > timedelta()
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_DELAY


def test_keys_do_not_contain_the_entered_id() -> None:
    keys = derive_keys(b"c" * 32, "1000000001")
    assert len(set(keys.values())) == 3
    assert all(len(key) == 32 and b"1000000001" not in key for key in keys.values())
    assert keys[Scope.CARD] == derive_keys(b"c" * 32, "another")[Scope.CARD]
    assert keys[Scope.BIDDER] == derive_keys(b"d" * 32, "1000000001")[Scope.BIDDER]


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        PasswordRule(length=6, pattern="[0-9]{6}"),
        PasswordRule(length=10, pattern="(?=.*[0-9])(?=.*[A-Z])[0-9A-Za-z]{10}"),
    ],
)
def test_passwords_fit_the_pattern_without_confusable_characters(rule: PasswordRule) -> None:
    passwords = {generate_password(rule) for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert re.fullmatch(rule.pattern, password)
        assert not set(password) & set("0Oo1Il")


def test_all_characters_of_the_pattern_are_used() -> None:
    assert len(find_alphabet(RULE)) == 56
    assert set(find_alphabet(PasswordRule(length=6, pattern="[0-9]{6}"))) == set("23456789")


def test_pattern_without_a_possible_password_is_an_error() -> None:
    with pytest.raises(ValueError, match="fits the pattern"):
        generate_password(PasswordRule(length=8, pattern="[0-9]{9}"))


def test_day_of_a_change_is_a_day_in_japan() -> None:
    # 23:30 of the 26th in Japan, 00:30 of the 27th.
    late, early = datetime(2026, 11, 26, 14, 30, tzinfo=UTC), datetime(2026, 11, 26, 15, 30, tzinfo=UTC)
    assert not is_changed_today(PasswordHash("", NOW, late), NOW)
    assert is_changed_today(PasswordHash("", NOW, early), NOW)
    assert not is_changed_today(PasswordHash("", NOW, None), NOW)


def test_hash_is_not_in_its_repr() -> None:
    assert "secret" not in repr(PasswordHash("secret", NOW, None))


def test_assigned_ids_have_the_prefix_and_are_limited() -> None:
    text = {"ja": "番号", "en": "number"}
    rule = BidderId.model_validate(
        {"label": text, "pattern": "[0-9]{6}", "assigned_prefix": "90", "assigned_length": 6}
    )
    assert format_bidder_ids(rule, 1, 2) == ["900001", "900002"]
    assert format_bidder_ids(rule, 9_998, 2) == ["909998", "909999"]
    with pytest.raises(Refusal, match="BIDDER_IDS_EXHAUSTED"):
        format_bidder_ids(rule, 9_999, 2)


def test_decision_takes_precedence_over_a_suggestion() -> None:
    suggestions = {2: "a", 3: "", 5: "b"}
    assert decide_bidders(suggestions, [], accept_suggestions=True) == suggestions
    assert decide_bidders(suggestions, [Decision(2, ""), Decision(3, "a")], accept_suggestions=True) == {
        2: "",
        3: "a",
        5: "b",
    }
    with pytest.raises(Refusal, match="ROSTER_BIDDER_DECIDED_TWICE"):
        decide_bidders(suggestions, [Decision(3, "b")], accept_suggestions=True)


def test_shown_errors_are_those_of_the_first_rows() -> None:
    errors = RosterErrors()
    for row in reversed(range(1000)):
        errors.add(row, "", "ROSTER_ROW_LENGTH")
    assert errors.count == 1000
    assert [error.row for error in errors.first] == list(range(MOST_SHOWN))


def test_changes_are_counted_by_the_most_important_field_that_differs() -> None:
    def line(**changes: str) -> str:
        values = dict.fromkeys(LINE_FIELDS, r"\N") | {"name": "例示", "agencies": "city", "grades": "[]"}
        return "\t".join((values | changes).values())

    after = {
        LineKind.IDENTITY_CHANGED: [{"name": "二"}, {"address": "二", "grades": "[1]"}, {"representative_name": "二"}],
        LineKind.CHANGED: [{"telephone": "2"}, {"agencies": "town", "grades": "[1]"}, {"valid_until": "2027-03-31"}],
        LineKind.GRADES_CHANGED: [{"grades": "[1]"}, {"grade_kinds": "2"}],
    }
    lines = [line(**changes) for kind in after.values() for changes in kind]
    ids = [f"{number}" for number in range(len(lines))]
    comparison = Comparison({bidder_id: line() for bidder_id in (*ids, "gone", "same")})
    written = comparison.compare("7", Lines(range(2, 4 + len(ids)), [*ids, "new", "same"], [*lines, line(), line()]))
    assert comparison.kinds == {kind: len(changes) for kind, changes in after.items()} | {LineKind.NEW: 1}
    assert (comparison.unchanged, list(comparison.remaining)) == (1, ["gone"])
    kinds = [kind for kind, changes in after.items() for _ in changes]
    assert [text.split("\t", 4)[:4] for text in written] == [
        ["7", str(kind.value), str(row), bidder_id]
        for row, (kind, bidder_id) in enumerate(zip([*kinds, LineKind.NEW], [*ids, "new"], strict=True), 2)
    ]


@pytest.mark.parametrize("page", ["x", "1", "6:1", "0:1", ":", "1:a\x00", "１:\n", "-1:1"])
def test_page_of_no_list_is_refused(page: str) -> None:
    with pytest.raises(Refusal, match="PAGE_INVALID"):
        read_page(page)
