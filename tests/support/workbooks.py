"""Excel workbooks for tests: written by openpyxl, as by other people's programs, and by hand, as by none."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import openpyxl  # type: ignore[import-untyped] # It has no types, and only tests use it.

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def write_workbook(
    rows: Iterable[Sequence[object]],
    *,
    formats: Mapping[str, str] | None = None,
    other_sheets: Mapping[str, Sequence[Sequence[object]]] | None = None,
    hidden: Sequence[str] = (),
    starts_in_1904: bool = False,
) -> bytes:
    """Returns a workbook with these rows in its first sheet; `formats` are number formats by cell, as B2."""
    workbook = openpyxl.Workbook()
    if starts_in_1904:
        workbook.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    workbook.active.title = "名簿"
    sheets = {"名簿": rows, **(other_sheets or {})}
    for name, content in sheets.items():
        sheet = workbook[name] if name in workbook.sheetnames else workbook.create_sheet(name)
        for cells in content:
            sheet.append(list(cells))
        if name in hidden:
            sheet.sheet_state = "hidden"
    for cell, code in (formats or {}).items():
        workbook["名簿"][cell].number_format = code
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def build_workbook(
    rows: str, *, strings: str = "", sheet_prefix: str = "", declared_bytes: Mapping[str, int] | None = None
) -> bytes:
    """Returns a workbook with this XML as the content of its only sheet, and of its shared texts."""
    sheet = f'{sheet_prefix}<worksheet xmlns="{_SHEETS}"><sheetData>{rows}</sheetData></worksheet>'
    return build_archive(
        {
            "_rels/.rels": _relate("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="名簿" sheetId="1" r:id="worksheet"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relate(
                "worksheet", "worksheets/sheet1.xml", "sharedStrings", "/xl/sharedStrings.xml"
            ),
            "xl/sharedStrings.xml": f'<sst xmlns="{_SHEETS}">{strings}</sst>',
            "xl/worksheets/sheet1.xml": sheet,
        },
        declared_bytes,
    )


def build_archive(parts: Mapping[str, str | bytes], declared_bytes: Mapping[str, int] | None = None) -> bytes:
    """Returns a ZIP archive of these parts; `declared_bytes` are sizes that its directory says in place of the real."""
    content = BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part, ZIP_STORED if name == "mimetype" else ZIP_DEFLATED)
        for name, size in (declared_bytes or {}).items():
            archive.getinfo(name).file_size = size
    return content.getvalue()


def _relate(*kinds_and_targets: str) -> str:
    pairs = zip(kinds_and_targets[::2], kinds_and_targets[1::2], strict=True)
    relationships = "".join(
        f'<Relationship Id="{kind}" Type="{_OFFICE}/{kind}" Target="{target}"/>' for kind, target in pairs
    )
    return f'<Relationships xmlns="{_PACKAGE}">{relationships}</Relationships>'
