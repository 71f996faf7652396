"""How the files of agencies are mapped to rosters (QUA-12)."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from instance_profile.base import Code, Part, Text


class Encoding(StrEnum):
    """The encodings of CSV files."""

    UTF_8 = "utf-8"
    CP932 = "cp932"


class SuccessionKind(StrEnum):
    """Why a bidder took the place of another one, and has a number of its own."""

    REAPPLICATION = "reapplication"
    """A re-application for qualification was missed, and a new number was given later (失効後の再申請)."""
    TRANSFER = "transfer"
    """The authority to contract was transferred (契約権限の移譲)."""
    MERGER = "merger"
    """Companies merged (会社の合併)."""


class RosterGrades(Part):
    """A kind of qualification, and the column with its grade."""

    kind: str
    """The kind of qualification, as bidders and agencies are shown it."""
    column: str
    """The column with the grade; an empty cell means that the bidder has none in this kind."""


class Predecessor(Part):
    """How rows name the bidder whose place their bidder took, after a missed re-application, a transfer or a merger.

    The cards of a predecessor are not renewed any more. A later file without the number takes nothing back.
    """

    bidder_id: str
    """The column with the predecessor's bidder id; empty in rows of bidders that took nobody's place."""
    kind: SuccessionKind | None = None
    """Why all bidders of the file that have a predecessor took its place. Either this, or kind_column and kinds."""
    kind_column: str | None = None
    """The column that says why."""
    kinds: dict[str, SuccessionKind] = Field(default_factory=dict)
    """The reasons by what stands in that column."""

    @model_validator(mode="after")
    def check_kinds(self) -> Self:
        """Checks that the reason is given either for the whole file or row by row."""
        if bool(self.kind_column) != bool(self.kinds):
            raise ValueError("give kind_column and kinds together")
        if (self.kind is None) == (self.kind_column is None):
            raise ValueError("give either kind or kind_column")
        return self


class Review(Part):
    """How rows say that changed company data are under review (QUA-08).

    A row under review has the new data. Until a later file, or an officer, says that the review is done, bidders and
    agencies see the company as it was before.
    """

    column: str
    """The column that says it, for example 審査状況. In an empty cell, nothing is under review."""
    under_review: tuple[str, ...] = Field(min_length=1)
    """What stands there while the review lasts, for example 審査中."""
    done: tuple[str, ...] = ()
    """What stands there when it is done, for example 審査済, or where there is none. Any other word is an error."""

    @model_validator(mode="after")
    def check_words(self) -> Self:
        """Checks that no word says both."""
        if both := [word for word in self.under_review if word in self.done]:
            raise ValueError(f"{both[0]} is in under_review and in done")
        if not all(map(str.strip, self.under_review)):
            raise ValueError("under_review: an empty cell says that nothing is under review")
        return self


class CountingRows(Part):
    """Which of a bidder's rows count, where some are of other branches."""

    column: str
    """The column that tells the rows apart, for example one with 本店 or 支店."""
    values: tuple[str, ...] = Field(min_length=1)
    """What stands there in rows that count, in order of precedence: with [支店, 本店] the rows of the branch count, and
    those of the head office only where the bidder has no branch."""


class JoinedRows(Part):
    """How several rows of one bidder, one for each trade, branch or agency, are read as one.

    Rows belong together by bidder id. Where ids are assigned, they do by 法人番号, and rows without one by the same
    name and address. The agencies of all rows count. In every other column that the mapping names, the rows must agree.
    """

    kind: str | None = None
    """The column that names the kind of qualification, where each row is about one kind."""
    kinds: dict[str, str] = Field(default_factory=dict)
    """The kinds of qualification by what stands in that column, as bidders and agencies are shown them."""
    grade: str | None = None
    """The column with the grade in the row's kind."""
    ungraded: str = "○"
    """What is shown as the grade where a row names a kind and no grade."""
    counting: CountingRows | None = None
    """Which rows count, where some are of other branches. Kinds and agencies count in all of them. Without it, all rows
    count."""
    may_differ: tuple[str, ...] = ()
    """The columns in which the rows that count may differ; the first of them is read."""

    @model_validator(mode="after")
    def check_kinds(self) -> Self:
        """Checks that the kinds and their column are given together."""
        if bool(self.kind) != bool(self.kinds):
            raise ValueError("give kind and kinds together")
        if self.grade and not self.kind:
            raise ValueError("grade needs the column kind")
        return self


# The fields in which a spreadsheet removes leading zeros.
PaddedField = Literal["bidder_id", "postal_code", "permit_number"]


class RosterMapping(Part):
    """How the file of one or several agencies is mapped to a roster (QUA-12).

    A file is CSV or an Excel workbook (.xlsx), which its first bytes tell. Columns are named as in the file's header,
    where spaces and line breaks in names do not matter. Without `bidder_id` the bidder ids are assigned, and stay the
    same for a `corporate_number`.
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
    """The encoding of a CSV file: utf-8 (with or without a byte order mark) or cp932 (Shift_JIS of Windows). A workbook
    needs none."""
    sheet: str | None = None
    """The worksheet of a workbook. Without it, the only visible one that has the mapping's columns."""
    bidder_id: str | None = None
    """The column with the bidder id. Without it, bidder ids are assigned, and stay the same for a corporate number."""
    company_name: str
    """The column with 商号又は名称. It must be filled in every row."""
    corporate_number: str | None = None
    """The column with the 法人番号 (13 digits)."""
    postal_code: str | None = None
    """The column with the postal code."""
    address: str | Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """The column with the company's address, or the columns with its parts, in order."""
    address_separator: str = ""
    """What is put between the parts of an address that is in several columns."""
    representative_name: str | None = None
    """The column with the representative's name (代表者氏名)."""
    contract_party_name: str | None = None
    """The column with the name of who contracts for the bidder (契約者氏名). Without it, and in rows where it is empty,
    that is the representative."""
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
    """The column with the first day of the qualification: 2026-04-01, 2026/4/1, 20260401, 2026年4月1日, 令和8年4月1日,
    R8.4.1, or the number of the day in a spreadsheet (46113)."""
    valid_until: str | None = None
    """The column with the last day of the qualification, in the same forms."""
    predecessor: Predecessor | None = None
    """The columns that name the bidder whose place a bidder took. Only with bidder_id."""
    review: Review | None = None
    """The column that says whether changed company data are under review. Without it, a file's data count at once."""
    joined_rows: JoinedRows | None = None
    """How several rows of one bidder are read as one. Without it, each row is another bidder."""
    digits: dict[PaddedField, Annotated[int, Field(ge=1, le=40)]] = Field(default_factory=dict)
    """The number of digits of bidder_id, postal_code or permit_number, in a file in which leading zeros are lost: a
    value of fewer digits is filled with zeros at its front; those of bidder_id are a predecessor's too."""
    optional_columns: tuple[str, ...] = ()
    """The columns that some files lack, for example older ones: they are read as if they were empty."""
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

    @model_validator(mode="after")
    def check_grades(self) -> Self:
        """Checks that the grades are given either in columns or in rows."""
        if self.grades and self.joined_rows and self.joined_rows.kind:
            raise ValueError("give either grades or joined_rows.kind")
        return self

    @model_validator(mode="after")
    def check_named_columns(self) -> Self:
        """Checks that keys that qualify columns name columns of the mapping."""
        columns = self.list_columns()
        needed = {self.company_name, self.agencies_column, self.bidder_id or self.corporate_number}
        if unknown := [column for column in self.optional_columns if column not in columns or column in needed]:
            raise ValueError(
                f"optional_columns: {unknown[0]} is no column of the mapping, or one that it can't do without"
            )
        may_differ = self.joined_rows.may_differ if self.joined_rows else ()
        if unknown := [column for column in may_differ if column not in columns]:
            raise ValueError(f"joined_rows.may_differ: {unknown[0]} is no column of the mapping")
        if unpadded := [field for field in self.digits if getattr(self, field) is None]:
            raise ValueError(f"digits: the mapping has no column {unpadded[0]}")
        if self.predecessor and not self.bidder_id:
            raise ValueError("predecessor needs bidder_id")
        if self.joined_rows and not self.bidder_id and not self.corporate_number:
            raise ValueError("joined_rows needs bidder_id or corporate_number")
        return self

    def list_columns(self) -> list[str]:
        """Returns the columns of the file that the mapping names, each once."""
        joined = self.joined_rows or JoinedRows()
        columns = [
            self.bidder_id,
            self.corporate_number,
            self.company_name,
            self.postal_code,
            *self.list_address_columns(),
            self.representative_name,
            self.contract_party_name,
            self.representative_title,
            self.telephone,
            self.fax,
            self.department,
            self.branch,
            self.region,
            self.permit_number,
            *(grades.column for grades in self.grades),
            self.agencies_column,
            self.valid_from,
            self.valid_until,
            *((self.predecessor.bidder_id, self.predecessor.kind_column) if self.predecessor else ()),
            self.review.column if self.review else None,
            joined.kind,
            joined.grade,
            joined.counting.column if joined.counting else None,
        ]
        return list(dict.fromkeys(column for column in columns if column))

    def list_address_columns(self) -> tuple[str, ...]:
        """Returns the columns with the parts of the address; none where the file has no address."""
        if self.address is None:
            return ()
        return (self.address,) if isinstance(self.address, str) else self.address

    def list_grades(self) -> tuple[RosterGrades, ...]:
        """Returns the kinds of qualification, each with its column; for kinds in rows, columns that joining adds."""
        joined = self.joined_rows
        if joined is None or joined.kind is None:
            return self.grades
        column = joined.grade or joined.kind
        kinds = dict.fromkeys(joined.kinds.values())
        return tuple(RosterGrades(kind=kind, column=f"{column}（{kind}）") for kind in kinds)
