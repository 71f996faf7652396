"""An instance as its front door describes it, in which every text is another one: labels, notes, names, rules."""

from collections.abc import Iterator

from google.protobuf.message import Message

from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2

CONTACT_FIELDS = ("department", "postal_code", "address", "person_name", "telephone", "fax", "mail_address")


def text(name: str) -> front_door_pb2.Text:
    """Returns a text that no program has of its own."""
    return front_door_pb2.Text(ja=f"〈{name}〉", en=f"<{name}>")


def list_texts(message: Message) -> Iterator[front_door_pb2.Text]:
    """Yields every text of a message, however deep."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else (value,):
            if isinstance(part, front_door_pb2.Text):
                yield part
            else:
                yield from list_texts(part)


def mark_texts(instance: front_door_pb2.Instance, *, agency: str, category: str, authority: str) -> None:
    """Fills in all that a screen needs at one agency and category, with a text of its own everywhere."""
    instance.name.CopyFrom(text("instance"))
    instance.bidder_id_label.CopyFrom(text("bidder_id"))
    instance.help_desk.CopyFrom(
        front_door_pb2.HelpDesk(
            name=text("help desk"),
            telephone="048-111-2222",
            mail_address="desk@marked.example",
            url="https://desk.marked.example/",
            hours=text("hours of the help desk"),
            chat_url="https://chat.marked.example/",
        )
    )
    instance.opening.hours.CopyFrom(text("opening hours"))
    del instance.operations[:], instance.card_authorities[:], instance.neighbouring_systems[:]
    instance.operations.add(
        operation=card_pb2.OPERATION_REGISTRATION,
        name=text("registration"),
        what_for=text("what for"),
        not_for=text("not for"),
    )
    instance.card_authorities.add(id=authority, name=text("ca"), blocked_card_note=text("ten tries"))
    instance.neighbouring_systems.add(name=text("neighbour"), hours=text("hours of the neighbour"))
    for each in instance.agencies:
        if each.code == agency:
            each.name.CopyFrom(text("agency"))
            del each.rules[:]
            each.rules.add(
                category=category,
                holder_rule=text("holder rule"),
                search_text=text("search text"),
                required_search_fields=["name", "bidder_id"],
            )
    for kind in instance.categories:
        if kind.code == category:
            kind.CopyFrom(mark_category(category))


def mark_category(code: str) -> front_door_pb2.Category:
    """Returns a category with a text of its own for everything."""
    return front_door_pb2.Category(
        code=code,
        name=text("category"),
        search_fields=[
            front_door_pb2.SearchField(
                field=field, label=text(f"search {field}"), hint=text(f"hint {field}"), secret=field == "password"
            )
            for field in ("name", "bidder_id", "password")
        ],
        contact_fields=[
            front_door_pb2.ContactField(
                field=field,
                label=text(f"contact {field}"),
                hint=text(f"hint {field}"),
                most_characters=60,
                required=True,
                kind="text",
            )
            for field in CONTACT_FIELDS
        ],
        mail_address_typed_twice=True,
        operations=[card_pb2.OPERATION_REGISTRATION],
        search_title=text("search title"),
        search_checks=[text("check 1"), text("check 2")],
        company_fields=[
            front_door_pb2.CompanyField(field=field, label=text(f"company {field}"))
            for field in ("name", "permit_number", "grades", "region", "address")
        ],
        grade_kinds=[front_door_pb2.GradeKind(kind="物品の製造", grades=["A", "B"])],
        contact_sections=[
            front_door_pb2.ContactSection(section=section, heading=text(section), note=text(f"note {section}"))
            for section in ("card_contact", "representative_contact")
        ],
        card_display=front_door_pb2.CardDisplay(
            fields=["holder_name", "company_name"], serial_decimal=True, serial_hexadecimal=True
        ),
        receipts=[
            front_door_pb2.ReceiptRule(
                operation=card_pb2.OPERATION_REGISTRATION, title=text("receipt title"), must_print=True
            )
        ],
        reissue=front_door_pb2.Reissue(summary=text("reissue")),
    )
