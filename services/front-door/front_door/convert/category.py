"""A category of the profile: what its screens show and ask."""

from front_door.convert.operation import write_operation
from front_door.convert.text import write_optional_text, write_text
from instance_profile.display import CardDisplay, ContactSection, Reissue, RenewalPins, SerialNumberForm
from instance_profile.model import Category, Operation, Proof, RepresentativeContact, SearchField, Stages
from toroku.frontdoor.v1 import front_door_pb2

_EVIDENCE = {Proof.CARD: front_door_pb2.BIDDER_EVIDENCE_CARD}
_STAGES = {Stages.ONE: front_door_pb2.REGISTRATION_STAGES_ONE}
_REPRESENTATIVE_CONTACT = {
    RepresentativeContact.FIRST_REGISTRATION: front_door_pb2.REPRESENTATIVE_CONTACT_RULE_FIRST_REGISTRATION,
    RepresentativeContact.SHOWN: front_door_pb2.REPRESENTATIVE_CONTACT_RULE_SHOWN,
    RepresentativeContact.ALWAYS: front_door_pb2.REPRESENTATIVE_CONTACT_RULE_ALWAYS,
}
_RENEWAL_PINS = {
    RenewalPins.BOTH: front_door_pb2.RENEWAL_PINS_BOTH,
    RenewalPins.ONE_WHERE_EQUAL: front_door_pb2.RENEWAL_PINS_ONE_WHERE_EQUAL,
}
# By the field of the form that the section fills.
_SECTIONS = {ContactSection.REPRESENTATIVE: "representative_contact", ContactSection.CARD: "card_contact"}


def write_category(category: Category) -> front_door_pb2.Category:
    """Returns a category; what the profile only plans is left out."""
    usable = category.list_usable_operations()
    return front_door_pb2.Category(
        code=category.code,
        name=write_text(category.name),
        search_title=write_optional_text(category.search_title),
        search_fields=_search_fields(category),
        search_checks=[write_text(check) for check in category.search_checks],
        contact_fields=_contact_fields(category),
        mail_address_typed_twice=category.mail_address_typed_twice,
        operations=[write_operation(operation) for operation in usable],
        evidence=_EVIDENCE[category.proof],
        stages=_STAGES[category.stages],
        company_fields=[
            front_door_pb2.CompanyField(field=rule.field.value, label=write_text(rule.label))
            for rule in category.company_fields
        ],
        grade_kinds=[
            front_door_pb2.GradeKind(kind=grade_kind.kind, grades=grade_kind.grades)
            for grade_kind in category.grade_kinds
        ],
        contact_sections=[
            front_door_pb2.ContactSection(
                section=_SECTIONS[rule.section], heading=write_text(rule.heading), note=write_text(rule.note)
            )
            for rule in category.contact_sections
        ],
        representative_contact=_REPRESENTATIVE_CONTACT[category.representative_contact],
        card_display=_card_display(category.card_display),
        receipts=[
            front_door_pb2.ReceiptRule(
                operation=write_operation(receipt.operation),
                title=write_text(receipt.title),
                must_print=receipt.must_print,
            )
            for receipt in category.receipts
            if receipt.operation in usable
        ],
        reissue=_reissue(category.reissue) if category.reissue is not None else None,
        renewal_pins=_renewal_pins(category),
    )


def _search_fields(category: Category) -> list[front_door_pb2.SearchField]:
    return [
        front_door_pb2.SearchField(
            field=rule.field.value,
            label=write_text(rule.label),
            hint=write_text(rule.hint),
            secret=rule.field is SearchField.PASSWORD,
            pattern=rule.pattern or "",
            most_characters=rule.most_characters,
            full_width=rule.full_width,
        )
        for rule in category.search_fields
    ]


def _contact_fields(category: Category) -> list[front_door_pb2.ContactField]:
    return [
        front_door_pb2.ContactField(
            field=rule.field.value,
            label=write_text(rule.label),
            hint=write_text(rule.hint),
            most_characters=rule.most_characters,
            required=rule.required,
            kind=rule.kind,
        )
        for rule in category.contact_fields
    ]


def _card_display(display: CardDisplay) -> front_door_pb2.CardDisplay:
    return front_door_pb2.CardDisplay(
        fields=[field.value for field in display.fields],
        serial_decimal=SerialNumberForm.DECIMAL in display.serial_number,
        serial_hexadecimal=SerialNumberForm.HEXADECIMAL in display.serial_number,
        serial_decimal_in_renewal=SerialNumberForm.DECIMAL in display.serial_number_in_renewal,
        serial_hexadecimal_in_renewal=SerialNumberForm.HEXADECIMAL in display.serial_number_in_renewal,
    )


def _renewal_pins(category: Category) -> front_door_pb2.RenewalPins.ValueType:
    if Operation.RENEWAL not in category.list_usable_operations():
        return front_door_pb2.RENEWAL_PINS_UNSPECIFIED
    return _RENEWAL_PINS[category.renewal.pins]


def _reissue(reissue: Reissue) -> front_door_pb2.Reissue:
    return front_door_pb2.Reissue(
        summary=write_text(reissue.summary),
        forms=[
            front_door_pb2.ReissueForm(
                document=write_text(form.document),
                enclosures=[write_text(enclosure) for enclosure in form.enclosures],
                receiver=write_text(form.receiver),
            )
            for form in reissue.forms
        ],
    )
