"""Locators: where the certificates of a CA have a value (CRD-04)."""

import re

# By the attribute's name in lower case: its OID, and the name as it is usually written.
ATTRIBUTES = {
    "cn": ("2.5.4.3", "CN"),
    "sn": ("2.5.4.4", "SN"),
    "serialnumber": ("2.5.4.5", "serialNumber"),
    "c": ("2.5.4.6", "C"),
    "l": ("2.5.4.7", "L"),
    "st": ("2.5.4.8", "ST"),
    "street": ("2.5.4.9", "street"),
    "o": ("2.5.4.10", "O"),
    "ou": ("2.5.4.11", "OU"),
    "title": ("2.5.4.12", "title"),
    "postalcode": ("2.5.4.17", "postalCode"),
    "givenname": ("2.5.4.42", "givenName"),
    "dnqualifier": ("2.5.4.46", "dnQualifier"),
    "organizationidentifier": ("2.5.4.97", "organizationIdentifier"),
    "dc": ("0.9.2342.19200300.100.1.25", "DC"),
    "uid": ("0.9.2342.19200300.100.1.1", "UID"),
    "mail": ("1.2.840.113549.1.9.1", "mail"),
}
_LOCATOR = re.compile(r"(subject|san\.directoryName|san\.otherName)\.([A-Za-z]+|[0-9]+(?:\.[0-9]+)+)")


def parse_locator(text: str) -> list[tuple[str, str]]:
    """Returns the parts of a locator, each as section and dotted OID; `a+b` has two.

    Raises ValueError for an unknown section or attribute, and for an otherName without an OID.
    """
    return [_parse_part(part) for part in text.split("+")]


def _parse_part(text: str) -> tuple[str, str]:
    match = _LOCATOR.fullmatch(text.strip())
    if match is not None:
        section, attribute = match.groups()
        oid = attribute if attribute[0].isdecimal() else ATTRIBUTES.get(attribute.lower(), ("",))[0]
        if oid and not (section == "san.otherName" and oid != attribute):
            return section, oid
    raise ValueError(
        f"{text!r} is not a locator: expected subject.<attribute>, san.directoryName.<attribute> or san.otherName.<OID>"
    )
