"""Rosters of any size with made-up bidders, in the columns of one of the profile's mappings."""

import csv
from collections.abc import Iterator
from pathlib import Path

from instance_profile.model import Profile
from instance_profile.roster_mapping import RosterMapping

_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")


def corporate_number(base: int) -> str:
    """Returns a 法人番号: the check digit, then the base of twelve digits (法人番号の指定等に関する省令, article 2)."""
    digits = f"{base:012}"
    weighted = sum(int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return f"{9 - weighted % 9}{digits}"


def company_name(number: int) -> str:
    """Returns the company name of a made-up bidder."""
    return f"登録{str(number).translate(_DIGITS)}建設株式会社"


def write_roster(
    file: Path, profile: Profile, mapping: RosterMapping, count: int, *, first: int = 1, everywhere: bool = False
) -> Path:
    """Writes `count` bidders from number `first` on.

    Each is qualified at two to five agencies of the category, or at all of them where it is to be `everywhere`.
    """
    rows = _rows(profile, mapping, range(first, first + count), everywhere)
    encoding = "utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding.value
    with file.open("w", encoding=encoding, newline="") as opened:
        head = next(rows)
        writer = csv.DictWriter(opened, head.keys())
        writer.writeheader()
        writer.writerow(head)
        writer.writerows(rows)
    return file


def _rows(profile: Profile, mapping: RosterMapping, numbers: range, everywhere: bool) -> Iterator[dict[str, str]]:
    offering = [agency for agency in profile.agencies if mapping.category in agency.categories]
    for number in numbers:
        steps = range(len(offering) if everywhere else 2 + number % 4)
        agencies = [offering[(number + step) % len(offering)].name.ja for step in steps]
        address = next(iter(mapping.list_address_columns()), None)
        values: dict[str | None, str] = {
            mapping.bidder_id: f"{1_000_000_000 + number}",
            mapping.company_name: company_name(number),
            mapping.corporate_number: corporate_number(700_000_000_000 + number),
            mapping.postal_code: f"330-{number % 10000:04}",
            address: f"埼玉県さいたま市浦和区高砂{str(number % 90 + 1).translate(_DIGITS)}丁目",
            mapping.representative_name: "登録　太郎",
            mapping.representative_title: "代表取締役",
            mapping.telephone: "048-000-0000",
            mapping.fax: "048-000-0001",
            mapping.department: "工事部",
            mapping.branch: "",
            mapping.region: "",
            mapping.permit_number: "",
            mapping.agencies_column: mapping.agencies_separator.join(dict.fromkeys(agencies)),
            mapping.valid_from: "2025-04-01",
            mapping.valid_until: "2039-03-31",
            **{grade.column: "ABCD"[number % 4] for grade in mapping.grades},
        }
        yield {column: value for column, value in values.items() if column is not None}
