"""How the CSV files of agencies are mapped to rosters (QUA-12)."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from instance_profile.base import Code, Part, Text


class Encoding(StrEnum):
    """The encodings of roster files."""

    UTF_8 = "utf-8"
    CP932 = "cp932"


class RosterGrades(Part):
    """A kind of qualification, and the column with its grade."""

    kind: str
    column: str


class RosterMapping(Part):
    """How the CSV file of one or several agencies is mapped to a roster (QUA-12).

    Columns are named as in the file's header. Without `bidder_id` the bidder ids are assigned, and stay the same for a
    `corporate_number`.
    """

    name: Code
    title: Text
    # Whose officers may import the roster.
    agency: Annotated[
        Code,
        Field(
            description=(
                "Code of the agency that is responsible for the roster: its officers, and the operator's, may preview "
                'and import it. With "operator" only the operator\'s officers may.'
            )
        ),
    ]
    category: Code
    # "utf-8" is accepted with and without a byte order mark.
    encoding: Encoding
    bidder_id: str | None = None
    company_name: str
    corporate_number: str | None = None
    postal_code: str | None = None
    address: str | None = None
    representative_name: str | None = None
    representative_title: str | None = None
    telephone: str | None = None
    fax: str | None = None
    department: str | None = None
    # 支店名等, 地域区分, 入札参加許可番号 (QUA-07)
    branch: str | None = None
    region: str | None = None
    permit_number: str | None = None
    grades: tuple[RosterGrades, ...] = ()
    # The column with the codes or Japanese names of the agencies, separated by `agencies_separator` …
    agencies_column: str | None = None
    agencies_separator: str = "、"
    # … or the agencies of the whole roster.
    agencies: tuple[Code, ...] = ()
    # Columns with the first and last day of the qualification (YYYY-MM-DD or YYYY/MM/DD or YYYYMMDD).
    valid_from: str | None = None
    valid_until: str | None = None
    most_bytes: int = 64 * 1024 * 1024

    @model_validator(mode="after")
    def check_agencies(self) -> Self:
        """Checks that the agencies are given either row by row or for the whole roster."""
        if bool(self.agencies_column) == bool(self.agencies):
            raise ValueError("give either agencies_column or agencies")
        return self
