"""Field rules, checked in one place for portal, gRPC and import (REG-02, QUA-02, 03, 04).

Each function returns the violations of an input, at most one per field, the first that applies. They check the form
only, never a roster, so that they do not reveal whether an id, a name or a password exists (QUA-06). The input is never
changed, and never part of a violation.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from email_validator import EmailNotValidError, validate_email

from instance_profile.characters import count_characters, find_unusable, is_full_width, is_half_width
from instance_profile.model import (
    Agency,
    Category,
    ContactField,
    ContactFieldRule,
    NameStrictness,
    SearchField,
    SearchFieldRule,
)
from instance_profile.name_key import abbreviates_legal_form
from refusals import Code, Refusal, Violation

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# 123-4567
_POSTAL_CODE = re.compile(r"[0-9]{3}-[0-9]{4}")
# 03-0000-0000, 048-000-0000, 0120-000-000, 090-0000-0000: ten or eleven digits in three groups. Whether the number is
# assigned is not checked: the examples of the prefecture's manual are not.
_TELEPHONE = re.compile(r"0[0-9]{1,4}-[0-9]{1,4}-[0-9]{3,4}")
_TELEPHONE_DIGITS = (10, 11)
# 担当者 (REG-02): as long as the manual's names of contacts.
_MOST_PERSON_CHARACTERS = 20
# RFC 5321, 4.5.3.1.3
_MOST_MAIL_ADDRESS_CHARACTERS = 254


def check_contact(
    category: Category,
    contact: "Mapping[str, str] | DataclassInstance",
    *,
    mail_address_again: str | None = None,
    path: str,
) -> list[Violation]:
    """Returns the violations of a contact by the category's rules.

    `contact` has the fields of `toroku.contact.v1.Contact`, as a mapping or a dataclass of strings. `path` precedes
    each field in the violations (`card_contact` gives `card_contact.mail_address`). `mail_address_again` is the second
    input of the address, None or empty where there was none: required if the category says so, compared if given.
    """
    values = contact if isinstance(contact, Mapping) else dataclasses.asdict(contact)
    violations: list[Violation] = []
    rules = {rule.field: rule for rule in category.contact_fields}
    for field in ContactField:
        value = values.get(field) or ""
        if field in rules:
            violations.extend(_contact_value(rules[field], value, f"{path}.{field}"))
        elif value:
            violations.append(Violation(f"{path}.{field}", "FIELD_NOT_ASKED"))
    violations.extend(
        _mail_address_again(category, values.get(ContactField.MAIL_ADDRESS) or "", mail_address_again, path)
    )
    return violations


def check_search(
    category: Category, values: Mapping[str, str], *, agency: Agency | None = None, path: str = ""
) -> list[Violation]:
    """Returns the violations of a bidder search with the fields `name`, `bidder_id`, `user_id`, `password`.

    `agency` may require fields that are optional in the category. Fields that the category does not have are ignored.
    """
    violations: list[Violation] = []
    required_fields = agency.find_rules(category).required_search_fields if agency is not None else ()
    for rule in category.search_fields:
        required = rule.required or rule.field in required_fields
        field = f"{path}.{rule.field}" if path else str(rule.field)
        violations.extend(_search_value(category, rule, required, values.get(rule.field) or "", field))
    return violations


def check_person_in_charge(value: str, *, path: str = "person_in_charge") -> list[Violation]:
    """Returns the violations of 担当者, who is optional: a name of at most 20 characters. `path` names the field."""
    return list(_any_value(value, path, _MOST_PERSON_CHARACTERS, half_width=False, full_width=False))


def check_mail_address(value: str, *, path: str = "mail_address") -> list[Violation]:
    """Returns the violations of a mail address that is no part of a contact: required, and of the form of any other."""
    if not value.strip():
        return [Violation(path, "FIELD_REQUIRED")]
    violations = list(_any_value(value, path, _MOST_MAIL_ADDRESS_CHARACTERS, half_width=True, full_width=False))
    if not violations and (reason := _mail_address(value)) is not None:
        violations.append(Violation(path, reason))
    return violations


def refuse_violations(violations: list[Violation]) -> None:
    """Raises FIELDS_INVALID with the violations, if there are any."""
    if violations:
        raise Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=violations)


def _contact_value(rule: ContactFieldRule, value: str, field: str) -> Iterator[Violation]:
    if not value.strip():
        if rule.required:
            yield Violation(field, "FIELD_REQUIRED")
        return
    shapes = {"postal_code": _postal_code, "telephone": _telephone, "mail_address": _mail_address}
    half_width = rule.kind in shapes
    violations = list(_any_value(value, field, rule.most_characters, half_width=half_width, full_width=False))
    if violations or not half_width:
        yield from violations
        return
    reason = shapes[rule.kind](value)
    if reason is not None:
        yield Violation(field, reason)


def _search_value(
    category: Category, rule: SearchFieldRule, required: bool, value: str, field: str
) -> Iterator[Violation]:
    if not value.strip():
        if required:
            yield Violation(field, "FIELD_REQUIRED")
        return
    is_name = rule.field is SearchField.NAME
    # Before the width: whoever writes (株) in half width is told once that it has to be spelled out.
    if is_name and category.name_strictness is NameStrictness.SPELLED_OUT and abbreviates_legal_form(value):
        yield Violation(field, "LEGAL_FORM_ABBREVIATED")
        return
    violations = list(
        _any_value(value, field, rule.most_characters, half_width=not is_name, full_width=is_name and rule.full_width)
    )
    if violations:
        yield from violations
    elif rule.pattern is not None and not re.fullmatch(rule.pattern, value):
        yield Violation(field, "FIELD_PATTERN_DIFFERS", {"hint_ja": rule.hint.ja, "hint_en": rule.hint.en})


def _any_value(value: str, field: str, most: int, *, half_width: bool, full_width: bool) -> Iterator[Violation]:
    """Yields the first violation that any kind of value can have."""
    # Marks are not counted, but the number of code points is limited too.
    actual = count_characters(value) if len(value) <= 4 * most else len(value)
    if characters := find_unusable(value):
        yield Violation(field, "FIELD_HAS_CONTROL_CHARACTERS", {"characters": " ".join(characters[:5])})
    elif actual > most:
        yield Violation(field, "FIELD_TOO_LONG", {"most": str(most), "actual": str(actual)})
    elif half_width and not is_half_width(value):
        yield Violation(field, "FIELD_NOT_HALF_WIDTH")
    elif full_width and not is_full_width(value):
        yield Violation(field, "FIELD_NOT_FULL_WIDTH")


def _postal_code(value: str) -> str | None:
    return None if _POSTAL_CODE.fullmatch(value) else "POSTAL_CODE_INVALID"


def _telephone(value: str) -> str | None:
    digits = len(value.replace("-", ""))
    return None if _TELEPHONE.fullmatch(value) and digits in _TELEPHONE_DIGITS else "TELEPHONE_INVALID"


def is_mail_address(value: str) -> bool:
    """Returns whether mail can be sent to a text, by its form."""
    try:
        # No DNS look-up: a form must not wait for a foreign name server, and delivery shows whether mail arrives.
        validate_email(value, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return False
    return True


def _mail_address(value: str) -> str | None:
    return None if is_mail_address(value) else "MAIL_ADDRESS_INVALID"


def _mail_address_again(category: Category, value: str, again: str | None, path: str) -> Iterator[Violation]:
    field = f"{path}.mail_address_again"
    if not again:
        if category.mail_address_typed_twice and value:
            yield Violation(field, "MAIL_ADDRESS_AGAIN_REQUIRED")
    elif again != value:
        yield Violation(field, "MAIL_ADDRESSES_DIFFER")
