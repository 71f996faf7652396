"""Opening hours: Japan's weekdays and holidays, the next changes, and the grace period of a commit."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile.hours import (
    check_open,
    determine_opening_state,
    find_opening_after_today,
    format_instant_en,
    format_instant_ja,
    is_open_day,
    write_hours,
)
from instance_profile.japan_time import JAPAN
from instance_profile.model import OpeningHours
from refusals import Refusal
from refusals.catalogue import explain_refusal

E_BIDDING: dict[str, Any] = {
    "opens": "8:30",
    "closes": "20:00",
    "weekdays": [0, 1, 2, 3, 4],
    "closed_on_public_holidays": True,
    "year_end": ["12-29", "01-03"],
}
ALWAYS: dict[str, Any] = {
    "opens": "0:00",
    "closes": "24:00",
    "weekdays": [0, 1, 2, 3, 4, 5, 6],
    "closed_on_public_holidays": False,
    "year_end": None,
}


def hours_of(**changes: Any) -> OpeningHours:
    return OpeningHours.model_validate(E_BIDDING | changes)


def japan(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JAPAN)


def refusal_of(hours: OpeningHours, now: datetime, began_at: datetime | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check_open(hours, now, began_at)
    return caught.value


@pytest.mark.parametrize(
    ("now", "is_open", "opens_next", "closes_next"),
    [
        # A Friday before a weekend and a holiday, 2026-11-23 (勤労感謝の日).
        ("2026-11-20T08:29:59.999999", False, "2026-11-20T08:30", "2026-11-20T20:00"),
        ("2026-11-20T08:30", True, "2026-11-24T08:30", "2026-11-20T20:00"),
        ("2026-11-20T19:59:59.999999", True, "2026-11-24T08:30", "2026-11-20T20:00"),
        ("2026-11-20T20:00", False, "2026-11-24T08:30", "2026-11-24T20:00"),
        ("2026-11-21T12:00", False, "2026-11-24T08:30", "2026-11-24T20:00"),
        ("2026-11-23T12:00", False, "2026-11-24T08:30", "2026-11-24T20:00"),
        # Over the new year; 2027-01-04 is a Monday.
        ("2026-12-28T20:00", False, "2027-01-04T08:30", "2027-01-04T20:00"),
        ("2027-01-03T23:59", False, "2027-01-04T08:30", "2027-01-04T20:00"),
        # A leap day: 2028-02-29 is a Tuesday.
        ("2028-02-28T21:00", False, "2028-02-29T08:30", "2028-02-29T20:00"),
        ("2028-02-29T12:00", True, "2028-03-01T08:30", "2028-02-29T20:00"),
        # A holiday that falls on a Sunday moves to the next working day: 2026-05-06 after 05-03.
        ("2026-05-02T09:00", False, "2026-05-07T08:30", "2026-05-07T20:00"),
        # A day between two holidays is a holiday: 2026-09-22.
        ("2026-09-22T12:00", False, "2026-09-24T08:30", "2026-09-24T20:00"),
    ],
)
def test_e_bidding_is_open_on_weekdays(now: str, is_open: bool, opens_next: str, closes_next: str) -> None:
    state = determine_opening_state(hours_of(), japan(now))
    assert (state.open, state.opens_next, state.closes_next) == (is_open, japan(opens_next), japan(closes_next))


def test_opening_hours_are_in_japans_time_whatever_the_zone() -> None:
    for zone in (UTC, timezone(timedelta(hours=-10)), timezone(timedelta(hours=14))):
        now = japan("2026-11-24T08:30").astimezone(zone)
        check_open(hours_of(), now)
        assert determine_opening_state(hours_of(), now - timedelta(seconds=1)).opens_next == japan("2026-11-24T08:30")
    with pytest.raises(ValueError, match="zone"):
        check_open(hours_of(), datetime(2026, 11, 24, 12))


def test_refusal_names_the_next_opening() -> None:
    refusal = refusal_of(hours_of(), japan("2026-11-21T12:00"))
    assert refusal.reason == "OUTSIDE_OPENING_HOURS"
    assert refusal.metadata == {
        "opens_next": "2026-11-24T08:30:00+09:00",
        "opens_next_ja": "2026年11月24日(火) 8時30分",
        "opens_next_en": "Tue 2026-11-24 08:30 (Japan time)",
    }
    words = explain_refusal(refusal)
    assert "2026年11月24日(火) 8時30分" in str(words.ja)
    assert "Tue 2026-11-24 08:30" in str(words.en)


def test_operation_begun_in_time_has_ten_minutes_more() -> None:
    hours, began = hours_of(), japan("2026-11-20T19:59:59")
    check_open(hours, japan("2026-11-20T20:09:59"), began)
    assert refusal_of(hours, japan("2026-11-20T20:10"), began).reason == "OUTSIDE_OPENING_HOURS"
    # An operation begun after closing, on another day, or in the future has no grace period.
    refusal_of(hours, japan("2026-11-20T20:05"), japan("2026-11-20T20:00"))
    refusal_of(hours, japan("2026-11-20T20:05"), japan("2026-11-19T19:00"))
    refusal_of(hours, japan("2026-11-20T08:25"), japan("2026-11-20T08:30"))
    # Without `began_at` an operation begins now.
    refusal_of(hours, japan("2026-11-20T20:05"))
    refusal_of(hours_of(grace_minutes=0), japan("2026-11-20T20:00"), began)


def test_grace_period_extends_over_midnight() -> None:
    hours = hours_of(closes="24:00")
    check_open(hours, japan("2026-11-21T00:05"), japan("2026-11-20T23:55"))
    refusal_of(hours, japan("2026-11-21T00:10"), japan("2026-11-20T23:55"))


def test_instance_that_never_closes() -> None:
    hours = OpeningHours.model_validate(ALWAYS)
    for now in ("2026-11-20T00:00", "2026-11-22T23:59:59.999999", "2027-01-01T00:00", "2028-02-29T12:00"):
        check_open(hours, japan(now))
        state = determine_opening_state(hours, japan(now))
        assert (state.open, state.opens_next, state.closes_next) == (True, None, None)


def test_instance_that_never_opens_names_no_next_opening() -> None:
    hours = hours_of(weekdays=[])
    state = determine_opening_state(hours, japan("2026-11-20T12:00"))
    assert (state.open, state.opens_next, state.closes_next) == (False, None, None)
    metadata = refusal_of(hours, japan("2026-11-20T12:00")).metadata
    assert metadata == {"opens_next": "", "opens_next_ja": "未定", "opens_next_en": "not known yet"}


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        # During the opening of a Friday, and before it: on Monday.
        (hours_of(), "2026-11-20T12:00", "2026-11-24T08:30"),
        (hours_of(), "2026-11-20T07:00", "2026-11-24T08:30"),
        (hours_of(closed_on_public_holidays=False), "2026-11-20T12:00", "2026-11-23T08:30"),
        (OpeningHours.model_validate(ALWAYS), "2026-11-20T12:00", "2026-11-21T00:00"),
        (hours_of(weekdays=[]), "2026-11-20T12:00", None),
    ],
)
def test_opening_after_today_is_on_another_day(hours: OpeningHours, now: str, expected: str | None) -> None:
    assert find_opening_after_today(hours, japan(now)) == (japan(expected) if expected else None)


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin() -> None:
    # 22:00 to 26:00 on Fridays.
    hours = hours_of(opens="22:00", closes="26:00", weekdays=[4])
    check_open(hours, japan("2026-11-21T01:59"))
    refusal_of(hours, japan("2026-11-21T02:00"))
    refusal_of(hours, japan("2026-11-20T01:00"))
    state = determine_opening_state(hours, japan("2026-11-21T01:00"))
    assert (state.opens_next, state.closes_next) == (japan("2026-11-27T22:00"), japan("2026-11-21T02:00"))


def test_adjacent_days_are_one_opening() -> None:
    # Around the clock on weekdays: it closes at Friday's midnight only.
    hours = hours_of(opens="0:00", closes="24:00")
    state = determine_opening_state(hours, japan("2026-11-18T12:00"))
    assert (state.closes_next, state.opens_next) == (japan("2026-11-21T00:00"), japan("2026-11-24T00:00"))


def test_closed_days_are_closed() -> None:
    hours = hours_of(closed_days=["2026-11-24"])
    assert not is_open_day(hours, date(2026, 11, 24))
    assert determine_opening_state(hours, japan("2026-11-21T12:00")).opens_next == japan("2026-11-25T08:30")


def test_holidays_are_closed_only_where_the_profile_says_so() -> None:
    assert is_open_day(hours_of(closed_on_public_holidays=False), date(2026, 11, 23))
    assert not is_open_day(hours_of(), date(2026, 11, 23))
    assert is_open_day(hours_of(year_end=None), date(2026, 12, 29))
    # A range inside one year.
    assert not is_open_day(hours_of(year_end=["08-13", "08-15"]), date(2026, 8, 14))
    assert is_open_day(hours_of(year_end=["08-13", "08-15"]), date(2026, 12, 29))


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("8:30", 510), ("08:30", 510), ("0:00", 0), ("24:00", 1440), ("26:00", 1560), ("48:00", 2880), (time(8, 30), 510)],
)
def test_valid_times_of_day(written: object, minutes: int) -> None:
    hours = OpeningHours.model_validate(E_BIDDING | {"opens": "0:00", "closes": written if minutes else "1:00"})
    assert hours.closes == timedelta(minutes=minutes or 60)
    assert OpeningHours.model_validate(hours.model_dump()) == hours
    assert OpeningHours.model_validate_json(hours.model_dump_json()) == hours


@pytest.mark.parametrize("written", ["48:01", "8:60", "8.30", "830", 510, "-1:00", "49:00", "", None, "８：３０"])
def test_invalid_times_of_day(written: object) -> None:
    with pytest.raises(ValueError, match="time of day"):
        hours_of(closes=written)


def test_instants_are_formatted_for_people() -> None:
    moment = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert format_instant_ja(moment) == "2026年11月24日(火) 8時30分"
    assert format_instant_ja(japan("2027-01-04T00:05")) == "2027年1月4日(月) 0時05分"
    assert format_instant_en(moment) == "Tue 2026-11-24 08:30 (Japan time)"


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))
MINUTES = st.integers(0, 2880)


@st.composite
def any_hours(draw: st.DrawFn) -> OpeningHours:
    opens = draw(st.integers(0, 1439))
    closes = draw(st.integers(opens + 1, 2880))
    return OpeningHours(
        opens=timedelta(minutes=opens),
        closes=timedelta(minutes=closes),
        weekdays=tuple(draw(st.sets(st.integers(0, 6)))),
        closed_on_public_holidays=draw(st.booleans()),
        year_end=draw(st.sampled_from([None, ("12-29", "01-03"), ("08-13", "08-15")])),
    )


MOMENT = timedelta(microseconds=1)


@given(any_hours(), MOMENTS)
def test_next_changes_lie_ahead_and_change_the_state(hours: OpeningHours, now: datetime) -> None:
    state = determine_opening_state(hours, now)
    for edge, open_after in ((state.opens_next, True), (state.closes_next, False)):
        if edge is not None:
            assert edge > now
            assert determine_opening_state(hours, edge).open is open_after
            assert determine_opening_state(hours, edge - MOMENT).open is not open_after
    first = state.closes_next if state.open else state.opens_next
    other = state.opens_next if state.open else state.closes_next
    if first is not None and other is not None:
        assert first < other
    if first is not None:
        # The state does not change before the first change.
        assert determine_opening_state(hours, now + (first - now) / 2).open is state.open


@given(any_hours(), MOMENTS)
def test_check_and_state_agree(hours: OpeningHours, now: datetime) -> None:
    state = determine_opening_state(hours, now)
    if state.open:
        check_open(hours, now)
    else:
        refusal = refusal_of(hours, now)
        assert refusal.metadata["opens_next"] == (state.opens_next.isoformat() if state.opens_next else "")


@given(any_hours(), MOMENTS, st.integers(0, 20))
def test_grace_period_needs_a_beginning_in_time(hours: OpeningHours, began: datetime, minutes: int) -> None:
    state = determine_opening_state(hours, began)
    now = began + timedelta(minutes=minutes)
    if not state.open:
        if not determine_opening_state(hours, now).open:
            refusal_of(hours, now, began)
    elif state.closes_next is None or now < state.closes_next + timedelta(minutes=10):
        check_open(hours, now, began)


@pytest.mark.parametrize(
    ("changes", "ja", "en"),
    [
        ({}, "平日8時30分～20時00分", "weekdays 8:30 to 20:00"),
        ({"closes": "24:00"}, "平日8時30分～24時00分", "weekdays 8:30 to 24:00"),
        ({"closes": "26:05"}, "平日8時30分～翌日2時05分", "weekdays 8:30 to 2:05 of the next day"),
        (ALWAYS, "毎日24時間", "every day, around the clock"),
        (
            {"weekdays": [5, 0, 2], "closed_on_public_holidays": False},
            "月・水・土曜日8時30分～20時00分",
            "Mon, Wed, Sat 8:30 to 20:00",
        ),
        # Without the holidays these are more than the weekdays.
        (
            {"closed_on_public_holidays": False},
            "月・火・水・木・金曜日8時30分～20時00分",
            "Mon, Tue, Wed, Thu, Fri 8:30 to 20:00",
        ),
        (
            {"weekdays": list(range(7))},
            "毎日（祝日を除く）8時30分～20時00分",
            "every day (except public holidays) 8:30 to 20:00",
        ),
        ({"weekdays": []}, "受付は行っていません", "closed"),
    ],
)
def test_hours_are_written_in_words(changes: dict[str, Any], ja: str, en: str) -> None:
    assert write_hours(hours_of(**changes)).model_dump() == {"ja": ja, "en": en}
