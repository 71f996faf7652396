"""Roster files have the shapes that real ones have: titles, parts of addresses, lost zeros, rows for each trade."""

from typing import Any

import pytest
from pydantic import ValidationError

from instance_profile.roster_mapping import RosterMapping
from qualification_registry.domain.roster_cells import NULL
from qualification_registry.domain.roster_records import BLOCK_ROWS
from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.services.example_rosters import HEADER, mapping, roster, row
from tests.unit.qualification_registry.reading import read

GOOD = row("1000000001")
BASE = {"bidder_id": "業者番号", "agencies": [PREFECTURE]}
TRADES: dict[str, Any] = {
    "grades": [],
    "joined_rows": {"kind": "業種", "kinds": {"土": "土木", "土木": "土木", "建": "建築"}, "grade": "等級"},
}
BRANCHES = {"joined_rows": {"counting": {"column": "区分", "values": ["支店", "本店"]}}}


def build_mapping(**changes: Any) -> RosterMapping:
    return RosterMapping.model_validate(mapping("shapes", **BASE, **changes))


def write(header: str, *rows: str) -> bytes:
    return roster(*rows, header=header)


def test_header_is_found_below_titles_and_notes() -> None:
    titles = ["入札参加資格者名簿,,,,,,,,,", "", "令和8年4月1日現在,,,,,,,,,"]
    content = read(roster(HEADER, GOOD, ",,,,,,,,,", row("1000000002"), header="\r\n".join(titles)))
    assert content.reported == []
    assert [number for block in content.lines for number in block.numbers] == [5, 7]
    assert content.rows == 2


def test_names_of_columns_are_compared_without_spaces_and_line_breaks() -> None:
    header = HEADER.replace("電話番号", '"電話\r\n番号"').replace("代表者", " 代表者　").replace("所在地", "所 在 地")
    assert read(roster(GOOD, header=header)).values == read(roster(GOOD)).values


def test_missing_columns_are_shown_with_the_header_that_the_file_has() -> None:
    header = HEADER.replace("商号", "氏名\u200b").replace("電話番号", "連絡先")
    with pytest.raises(Refusal) as caught:
        read(roster(header, GOOD, header="名簿,,"))
    assert caught.value.metadata == {
        "columns": "商号、電話番号",
        "row": "2",
        "others": "氏名、連絡先",
    }
    with pytest.raises(Refusal) as caught:
        read(
            roster(
                GOOD, header=",".join(f"列{number}あいうえおかきくけこさしすせそたちつてと" for number in range(500))
            )
        )
    assert len(caught.value.metadata["others"]) < 30 * 21 + 2


def test_header_further_down_than_thirty_rows_is_none() -> None:
    with pytest.raises(Refusal, match="ROSTER_COLUMNS_MISSING"):
        read(roster(*["注"] * 30, HEADER, GOOD, header="名簿"))


def test_columns_that_a_file_may_lack_are_read_as_empty() -> None:
    header = "業者番号,商号,所在地,等級"
    optional = build_mapping(optional_columns=["法人番号", "代表者", "電話番号"], digits={"bidder_id": 10})
    (line,) = read(write(header, "1000000001,株式会社見本建設,一丁目,A"), optional).values
    assert (line["representative_name"], line["telephone"], line["grades"]) == (NULL, NULL, '["A"]')
    complete = read(write(f"{header},電話番号,代表者,法人番号", "1000000001,株式会社見本建設,一丁目,A,,,"), optional)
    assert complete.values == [line]


def test_full_width_numbers_are_read_as_half_width() -> None:
    (line,) = read(roster(row("１００００００００１", telephone="（０３）００００－０００１"))).values
    assert (line["key"], line["telephone"]) == ("1000000001", "(03)0000-0001")
    # A mark of a long vowel, a minus and a dash, all for the same hyphen; other rows stay as they are.
    content = read(roster(row(telephone="03ー0000−0000"), row("1000000002", telephone="03-0000-0000")))
    assert [line["telephone"] for line in content.values] == ["03-0000-0000"] * 2
    # Names and addresses stay as they came.
    (line,) = read(roster(row(name="（株）見本ー１", address="１－２－３"))).values
    assert (line["name"], line["address"]) == ("（株）見本ー１", "１－２－３")


def test_postal_code_is_read_without_its_mark() -> None:
    with_code = build_mapping(postal_code="〒", digits={"postal_code": 7})
    rows = ["1000000001,,株式会社見本,,,,,〒３５０－００４５", "1000000002,,株式会社例示,,,,,600042"]
    content = read(write("業者番号,法人番号,商号,所在地,代表者,電話番号,等級,〒", *rows), with_code)
    assert [line["postal_code"] for line in content.values] == ["350-0045", "0600042"]


def test_same_bidder_in_full_and_half_width_is_found_twice() -> None:
    assert read(roster(GOOD, row("１００００００００１"))).reported == [(3, "業者番号", "ROSTER_BIDDER_TWICE")]


def test_lost_zeros_are_filled_only_where_the_mapping_says_so() -> None:
    rows = roster(row("12345"), row("0000012346"))
    assert read(rows).reported == [(2, "業者番号", "ROSTER_BIDDER_ID_SHORT")]
    filled = read(rows, build_mapping(digits={"bidder_id": 10}))
    assert [line["key"] for line in filled.values] == ["0000012345", "0000012346"]
    # Filled, it is the same bidder.
    twice = roster(row("12345"), row("0000012345"))
    assert read(twice, build_mapping(digits={"bidder_id": 10})).reported == [(3, "業者番号", "ROSTER_BIDDER_TWICE")]


def test_lost_zeros_of_a_whole_column_are_named_as_such() -> None:
    errors = read(roster(*(row(f"{number}") for number in range(1, 20)))).errors
    errors.join_columns(19, {})
    assert [(error.row, error.column, error.reason) for error in errors.first] == [
        (0, "業者番号", "ROSTER_BIDDER_ID_SHORT")
    ]


def test_address_in_several_columns_is_joined() -> None:
    header = "業者番号,法人番号,商号,市,町名,建物,代表者,電話番号,等級"
    content = mapping("shapes", **BASE) | {"address": ["市", "町名", "建物"], "address_separator": "　"}
    parts = RosterMapping.model_validate(content)
    rows = ["1000000001,,株式会社見本,例示市,一丁目,例示ビル,,,A", "1000000002,,株式会社例示,例示市,,　,,,A"]
    assert [line["address"] for line in read(write(header, *rows), parts).values] == [
        "例示市　一丁目　例示ビル",
        "例示市",
    ]
    wrong = read(write(header, "1000000001,,株式会社見本,例示市,一\u200b丁目,,,,A"), parts)
    assert wrong.reported == [(2, "市＋町名＋建物", "FIELD_HAS_CONTROL_CHARACTERS")]


def build_joined(**changes: Any) -> RosterMapping:
    content = mapping("shapes", bidder_id="業者番号", agencies_column="調達機関") | {"corporate_number": None}
    return RosterMapping.model_validate(content | {"representative_name": None, "telephone": None} | changes)


JOINED = "業者番号,商号,所在地,業種,等級,調達機関,区分"


def test_rows_for_each_trade_are_one_line() -> None:
    rows = [
        "1000000001,株式会社見本,一丁目,土,A,例示県,",
        "1000000002,有限会社例示,二丁目,建,,例示県,",
        "１０００００００01,株式会社見本,一丁目,建,B,例示市,",
        "1000000001,株式会社見本,一丁目,土木,A,例示県,",
    ]
    content = read(write(JOINED, *rows), build_joined(**TRADES))
    assert content.reported == []
    assert [(line["key"], line["grades"]) for line in content.values] == [
        ("1000000001", '["A","B"]'),
        ("1000000002", '["","○"]'),
    ]
    assert [line["agencies"] for line in content.values] == [f"{PREFECTURE} {CITY}", PREFECTURE]
    # The preview counts bidders.
    assert content.rows == 2


def test_rows_that_contradict_each_other_are_errors() -> None:
    rows = [
        "1000000001,株式会社見本,一丁目,土,A,例示県,",
        "1000000001,株式会社見本,二丁目,建,B,例示県,",
        "1000000002,有限会社例示,一丁目,土,A,例示県,",
        "1000000002,有限会社例示,一丁目,土,B,例示県,",
        "1000000003,有限会社例示,一丁目,管,B,例示県,",
        "1000000004,有限会社例示,一丁目,,B,例示県,",
        ",有限会社例示,一丁目,土,B,例示県,",
    ]
    content = read(write(JOINED, *rows), build_joined(**TRADES))
    assert content.reported == [
        (3, "所在地", "ROSTER_ROWS_DIFFER"),
        (5, "等級", "ROSTER_KIND_TWICE"),
        (6, "業種", "ROSTER_KIND_UNKNOWN"),
        (7, "業種", "FIELD_REQUIRED"),
        (8, "業者番号", "FIELD_REQUIRED"),
    ]
    metadata = {error.row: error.metadata for error in content.errors.first}
    assert metadata[3] == {"first_row": "2"}
    assert metadata[5] == {"kind": "土木", "first_row": "4"}
    assert metadata[6] == {"kind": "管"}
    differing = {**TRADES["joined_rows"], "may_differ": ["所在地"]}
    content = read(write(JOINED, *rows[:2]), build_joined(grades=[], joined_rows=differing))
    assert [line["address"] for line in content.values] == ["一丁目"]


def test_the_branch_that_counts_is_read() -> None:
    rows = [
        "1000000001,株式会社見本,一丁目,,A,例示県,本店",
        "1000000001,株式会社見本,別の一丁目,,A,例示県,本店",
        "1000000001,株式会社見本北支店,北一丁目,,A,例示市,支店",
        "1000000002,有限会社例示,二丁目,,B,例示県,本店",
        "1000000002,有限会社例示,二丁目,,C,例示県,倉庫",
    ]
    content = read(write(JOINED, *rows), build_joined(**BRANCHES))
    assert content.reported == []
    assert [(line["name"], line["address"], line["grades"]) for line in content.values] == [
        ("株式会社見本北支店", "北一丁目", '["A"]'),
        ("有限会社例示", "二丁目", '["B"]'),
    ]
    # The number of a line is that of the row that counts.
    assert [number for block in content.lines for number in block.numbers] == [4, 5]
    content = read(write(JOINED, rows[0], rows[1], rows[4]), build_joined(**BRANCHES))
    assert content.reported == [(3, "所在地", "ROSTER_ROWS_DIFFER"), (4, "区分", "ROSTER_NO_ROW_COUNTS")]


def test_rows_without_ids_are_joined_by_number_or_by_name_and_address() -> None:
    by_number = build_joined(**TRADES, bidder_id=None, corporate_number="法人番号")
    rows = [
        "4260001000102,株式会社見本,一丁目,土,A,例示県",
        "４２６０００１０００１０２,株式会社見本,一丁目,建,B,例示県",
        "JV,例示共同企業体,二丁目,土,A,例示県",
        "JV,例示共同企業体,二丁目,建,A,例示県",
        "JV,別の共同企業体,二丁目,建,A,例示県",
    ]
    content = read(write("法人番号,商号,所在地,業種,等級,調達機関", *rows), by_number)
    assert content.reported == []
    assert [line["grades"] for line in content.values] == ['["A","B"]']
    assert [(line.row, line.name) for block in content.lines for line in block.undecided] == [
        (4, "例示共同企業体"),
        (6, "別の共同企業体"),
    ]


def test_distant_rows_are_joined_and_progress_goes_on() -> None:
    rows = [f"{1000000000 + number},株式会社見本,一丁目,土,A,例示県," for number in range(2 * BLOCK_ROWS)]
    content = read(write(JOINED, *rows, "1000000007,株式会社見本,一丁目,建,B,例示県,"), build_joined(**TRADES))
    assert content.rows == len(content.values) == 2 * BLOCK_ROWS
    assert [line["key"] for line in content.values if line["grades"] == '["A","B"]'] == ["1000000007"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"optional_columns": ["商号"]}, "商号 is no column of the mapping, or one that it can't do without"),
        ({"optional_columns": ["別の列"]}, "別の列 is no column"),
        ({"digits": {"postal_code": 7}}, "the mapping has no column postal_code"),
        ({"digits": {"telephone": 10}}, "Input should be 'bidder_id', 'postal_code' or 'permit_number'"),
        ({"joined_rows": {"kind": "業種"}}, "give kind and kinds together"),
        ({"joined_rows": {"grade": "等級"}}, "grade needs the column kind"),
        ({"joined_rows": {"kind": "業種", "kinds": {"土": "土木"}}}, "give either grades or joined_rows.kind"),
        ({"joined_rows": {"may_differ": ["別の列"]}}, "別の列 is no column of the mapping"),
        ({"joined_rows": {"counting": {"column": "区分", "values": []}}}, "at least 1 item"),
        ({"joined_rows": {}, "bidder_id": None, "corporate_number": None}, "needs bidder_id or corporate_number"),
    ],
)
def test_mapping_that_contradicts_itself_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RosterMapping.model_validate(mapping("shapes", **BASE) | changes)
