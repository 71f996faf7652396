"""Ids, telephone numbers and postal codes as rosters write them, read in half-width characters (QUA-12).

They are stored so, because everything that compares or uses them expects it; names and addresses stay as they came, and
the file itself is kept unchanged.
"""

from collections.abc import Mapping, Sequence

from instance_profile.model import RosterMapping

_FULL_WIDTH = {chr(0xFF01 + place): chr(0x21 + place) for place in range(0x7E - 0x20)}
# Hyphens, dashes, minus signs and marks of long vowels stand between digits for the same hyphen.
_HYPHENS = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff70\u2500", "-")
_HALF_WIDTH = str.maketrans({**_FULL_WIDTH, **_HYPHENS, "\u3000": " ", "〒": ""})


def read_half_width(cell: str) -> str:
    """Returns the cell with its full-width letters, digits, hyphens and spaces in half width, and without 〒.

    A cell with other characters stays as it is: it is an error, and コード does not become コ-ド.
    """
    translated = cell.translate(_HALF_WIDTH)
    return translated if translated.isascii() else cell


def read_half_width_cells(cells: Sequence[str]) -> Sequence[str]:
    """Returns the cells of a column in half width."""
    return cells if "".join(cells).isascii() else list(map(read_half_width, cells))


def fill_digits(cells: Sequence[str], digits: int) -> Sequence[str]:
    """Returns the cells, those of fewer digits with zeros at their front; other texts stay as they are."""
    return [cell.zfill(digits) if cell.isascii() and cell.isdigit() else cell for cell in cells]


class Preparation:
    """What is done to the cells of a mapping's columns before they are checked."""

    def __init__(self, mapping: RosterMapping) -> None:
        predecessor = mapping.predecessor.bidder_id if mapping.predecessor else None
        numbers = (mapping.bidder_id, mapping.postal_code, mapping.telephone, mapping.fax, predecessor)
        self._half_width = [column for column in numbers if column]
        self._digits = {str(getattr(mapping, field)): digits for field, digits in mapping.digits.items()}
        if predecessor and (digits := mapping.digits.get("bidder_id")):
            self._digits[predecessor] = digits
        self._parts = mapping.list_address_columns()
        self._separator = mapping.address_separator
        self.joins_address = len(self._parts) > 1
        self.address = "＋".join(self._parts)

    def list_source_columns(self, columns: Sequence[str]) -> list[str]:
        """Returns the columns of the file from which these columns are prepared, each once."""
        sources = [self._parts if self.joins_address and column == self.address else (column,) for column in columns]
        return list(dict.fromkeys(column for group in sources for column in group))

    def prepare(self, columns: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """Returns the columns with numbers in half width, lost zeros, and the address joined as one column."""
        prepared = {**columns, **{column: read_half_width_cells(columns[column]) for column in self._half_width}}
        for column, digits in self._digits.items():
            prepared[column] = fill_digits(prepared[column], digits)
        if self.joins_address:
            rows = zip(*(columns[part] for part in self._parts), strict=True)
            prepared[self.address] = [self._separator.join(filter(str.strip, parts)) for parts in rows]
        return prepared
