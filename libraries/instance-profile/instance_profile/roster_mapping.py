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
    """The kind of qualification, as bidders and agencies are shown it."""
    column: str
    """The column with the grade; an empty cell means that the bidder has none in this kind."""


class RosterMapping(Part):
    """How the CSV file of one or several agencies is mapped to a roster (QUA-12).

    Columns are named as in the file's header. Without `bidder_id` the bidder ids are assigned, and stay the same for a
    `corporate_number`.
    """

    name: Code
    """The code of the mapping, which the import is given (`--mapping`)."""
    roster: Code
    """The code of the roster that the file is a list of. Files of several forms or encodings may bring lists of one
    roster, each with a mapping of its own: the last list counts. The lists of a roster that no mapping names any more
    stay in force, so it is never renamed."""
    title: Text
    """What the file is, as officers know it."""
    responsible_agency: Code
    """Code of the agency that is responsible for the roster: its officers, and the operator's, may preview and import
    it. With "operator" only the operator's officers may."""
    category: Code
    """The category whose bidders the roster lists."""
    encoding: Encoding
    """The encoding of the file: utf-8 (with or without a byte order mark) or cp932 (Shift_JIS of Windows)."""
    bidder_id: str | None = None
    """The column with the bidder id. Without it, bidder ids are assigned, and stay the same for a corporate number."""
    company_name: str
    """The column with 商号又は名称. It must be filled in every row."""
    corporate_number: str | None = None
    """The column with the 法人番号 (13 digits)."""
    postal_code: str | None = None
    """The column with the postal code."""
    address: str | None = None
    """The column with the company's address."""
    representative_name: str | None = None
    """The column with the representative's name (代表者氏名)."""
    representative_title: str | None = None
    """The column with the representative's title (代表者役職)."""
    telephone: str | None = None
    """The column with the telephone number."""
    fax: str | None = None
    """The column with the fax number."""
    department: str | None = None
    """The column with the department (部署名)."""
    branch: str | None = None
    """The column with the branch to which bidding is delegated (支店名等)."""
    region: str | None = None
    """The column with 地域区分."""
    permit_number: str | None = None
    """The column with 入札参加許可番号."""
    grades: tuple[RosterGrades, ...] = ()
    """The columns with grades, one for each kind of qualification."""
    agencies_column: str | None = None
    """The column with the codes or Japanese names of the agencies at which the bidder is qualified. Either this or
    agencies."""
    agencies_separator: str = "、"
    """What stands between two agencies in a cell of agencies_column."""
    agencies: tuple[Code, ...] = ()
    """The agencies of the whole roster, where the file has no such column."""
    valid_from: str | None = None
    """The column with the first day of the qualification (YYYY-MM-DD, YYYY/MM/DD or YYYYMMDD)."""
    valid_until: str | None = None
    """The column with the last day of the qualification, in the same forms."""
    most_gone_percent: Annotated[int, Field(ge=0, le=100)] = 20
    """The share of the roster's bidders, in percent, above which an officer has to confirm that a file no longer has
    them: half of a file, or another agency's, passes every other check."""
    most_bytes: int = 64 * 1024 * 1024
    """The size in bytes up to which a file is read."""

    @model_validator(mode="after")
    def check_agencies(self) -> Self:
        """Checks that the agencies are given either row by row or for the whole roster."""
        if bool(self.agencies_column) == bool(self.agencies):
            raise ValueError("give either agencies_column or agencies")
        return self
