"""Where the person is: in which instance, at which agency, with whose card, and what things are called there.

Nothing is known before the front door has described its instance; until then everything has its neutral name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from card_agent.console.words import Words, to_words
from refusals.catalogue import NEUTRAL_NAMES
from toroku.frontdoor.v1 import front_door_pb2


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of instance, agency, category and the card's CA; None and empty until it is known."""

    instance: front_door_pb2.Instance | None = None
    agency: front_door_pb2.Agency | None = None
    category: front_door_pb2.Category | None = None
    # Card.authority
    authority: str = ""

    @property
    def rules(self) -> front_door_pb2.AgencyRules:
        """What holds at the agency in the category; empty if nothing special does."""
        for rules in self.agency.rules if self.agency else ():
            if self.category and rules.category == self.category.code:
                return rules
        return front_door_pb2.AgencyRules()

    @property
    def bidder_id_label(self) -> Words:
        """What the bidder ID is called: ユーザID, 業者番号, 登録番号."""
        return self.fill(Words("{bidder_id_label_ja}", "{bidder_id_label_en}"))

    def fill(self, text: Words) -> Words:
        """Returns one of the agent's own texts with the names of this place in its placeholders (`list_names`)."""
        names = list_names(self)
        return Words(text.ja.format_map(names), text.en.format_map(names))


def list_names(place: Place) -> Mapping[str, str]:
    """Returns what things are called at the place, for `refusals.catalogue.explain`: by the keys of NEUTRAL_NAMES."""
    names: dict[str, Words] = {}
    if place.instance is not None:
        names |= _list_names_of_instance(place.instance)
        names |= _list_names_of_authority(place.instance, place.authority)
    if place.agency is not None:
        names["agency"] = to_words(place.agency.name)
    if place.category is not None:
        names |= _list_names_of_category(place.category)
    return {
        **NEUTRAL_NAMES,
        **{f"{name}_ja": text.ja for name, text in names.items() if text.ja},
        **{f"{name}_en": text.en for name, text in names.items() if text.en},
    }


def name_agencies(codes: Iterable[str], instance: front_door_pb2.Instance) -> Words:
    """Returns the names of agencies, in the order of the instance; empty if there are none."""
    wanted = set(codes)
    names = [to_words(agency.name) for agency in instance.agencies if agency.code in wanted]
    return Words("、".join(name.ja for name in names), ", ".join(name.en for name in names))


def describe_pin_tries(authority: front_door_pb2.CardAuthority) -> Words:
    """Returns after how many wrong PINs in a row a card of the CA locks; empty if the CA does not say."""
    if not authority.pin_tries:
        return Words("", "")
    tries, name = authority.pin_tries, to_words(authority.name)
    return Words(
        f"{name.ja}のICカードは、PINを続けて{tries}回間違えるとロックされます。",
        f"A card of {name.en} locks after {tries} wrong PINs in a row.",
    )


def list_authority_notes(instance: front_door_pb2.Instance, authority: str) -> tuple[Words, ...]:
    """Returns what a person about to type a PIN has to know of the CA: tries, unlocking, and whom to ask there."""
    for each in instance.card_authorities:
        if each.id == authority:
            notes = (describe_pin_tries(each), to_words(each.unlocking), to_words(each.help))
            return tuple(note for note in notes if note.ja)
    return ()


def describe_help_desk(help_desk: front_door_pb2.HelpDesk) -> Words:
    """Returns the help desk with the number to call, and when."""
    hours = to_words(help_desk.hours)
    parts_ja = [part for part in (help_desk.telephone and f"電話：{help_desk.telephone}", hours.ja) if part]
    parts_en = [part for part in (help_desk.telephone and f"telephone {help_desk.telephone}", hours.en) if part]
    return Words(
        help_desk.name.ja + (f"（{'、'.join(parts_ja)}）" if parts_ja else ""),
        help_desk.name.en + (f" ({', '.join(parts_en)})" if parts_en else ""),
    )


def _list_names_of_instance(instance: front_door_pb2.Instance) -> dict[str, Words]:
    authorities = [to_words(authority.name) for authority in instance.card_authorities]
    help_desk = describe_help_desk(instance.help_desk)
    return {
        "help_desk": Words(help_desk.ja, f"the {help_desk.en}") if instance.help_desk.name.ja else Words("", ""),
        "bidder_id_label": to_words(instance.bidder_id_label),
        "authorities": Words("、".join(name.ja for name in authorities), ", ".join(name.en for name in authorities)),
        "hours": to_words(instance.opening.hours),
    }


def _list_names_of_authority(instance: front_door_pb2.Instance, code: str) -> dict[str, Words]:
    for authority in instance.card_authorities:
        if authority.id == code:
            return {
                "authority": to_words(authority.name),
                "pin_tries": describe_pin_tries(authority),
                "unlocking": to_words(authority.unlocking),
                "card_renewal": to_words(authority.renewal),
                "authority_help": to_words(authority.help),
            }
    return {}


def _list_names_of_category(category: front_door_pb2.Category) -> dict[str, Words]:
    checks = [to_words(check) for check in category.search_checks]
    return {
        "category": to_words(category.name),
        "reissue": to_words(category.reissue.summary),
        "search_checks": Words(
            "\n".join(f"・{check.ja}" for check in checks), "\n".join(f"- {check.en}" for check in checks)
        ),
    }
