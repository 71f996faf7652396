"""The page about what a card signs has the tables that the code reads, and the proto file says the same."""

import re

import pytest

from signed_acts.keys import KEYS
from signed_acts.operations import OFFICER, RULES
from tools.signed_acts_page import PAGE, ROOT, render_keys, render_operations, render_page


def test_committed_page_has_the_tables_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert render_page(page) == page
    assert render_keys() in page
    assert render_operations() in page


def test_page_with_another_table_is_outdated() -> None:
    page = PAGE.read_text("utf-8")
    assert render_page(page.replace("| `agency` |", "| `office` |", 1)) == page


@pytest.mark.parametrize(("row", "type_", "role"), RULES, ids=lambda part: str(part).replace("/", "."))
def test_comment_of_signed_purpose_lists_the_keys_of_every_row(row: str, type_: str, role: str) -> None:
    comment = (ROOT / "protos/toroku/act/v1/signed_purpose.proto").read_text("utf-8")
    name = "an RPC" if row == OFFICER else row
    block = re.search(rf"^//   {name}  .*(?:\n//    .*)*", comment, re.MULTILINE)
    assert block is not None
    entries = re.sub(r"\n//  +(?! |log-in |act )", " ", block[0])
    wanted = f"act of {role}" if (row, type_) == ("renewal", "act") else type_
    entry = re.search(rf"(?:^|  ){wanted}  (.*)", entries, re.MULTILINE)
    assert entry is not None
    rule = RULES[row, type_, role]  # type: ignore[index]  # the ids of the table are texts
    keys = {key for key in re.findall(r"[a-z0-9_]+\??", entry[1].partition(";")[0]) if key.rstrip("?") in KEYS}
    every_act = {"request_id", "request_sha256", "lines"}
    assert keys == (rule.compulsory - every_act) | {f"{key}?" for key in rule.optional}
