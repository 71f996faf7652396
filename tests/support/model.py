"""What must be true of cards and contacts after each act, said anew and simply: the model of the model-based test.

It imports nothing of the services. One bidder in one category, some agencies, some cards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

GOOD, SUSPENDED, REPLACED, ENDED = "good", "suspended", "replaced", "ended"


@dataclass(slots=True)
class OwnedContacts:
    """The contacts of one owner: the versions in their order, and where an earlier one counts."""

    versions: list[str] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)

    def at(self, agency: str) -> str | None:
        """Returns the contact that counts at an agency; None where there is none."""
        return self.pins.get(agency, self.versions[-1] if self.versions else None)

    def change(self, contact: str, agency: str, others: Iterable[str], *, propagate: bool) -> None:
        """Adds a version, made at an agency; without propagation the others stay as they are."""
        if propagate:
            self.pins.clear()
        else:
            self.pins.pop(agency, None)
            for other in others:
                if other != agency and self.versions:
                    self.pins.setdefault(other, self.versions[-1])
        self.versions.append(contact)


@dataclass(slots=True)
class ModelledCard:
    """A card of the bidder: what it is at each agency, and whether it is suspended in the whole instance.

    It is over where its certificate has ended or was revoked; that changes nothing of what it is at the agencies.
    """

    name: str
    at: dict[str, str] = field(default_factory=dict)
    is_bound: bool = False
    is_closed: bool = False
    is_suspended: bool = False
    is_over: bool = False
    bound_at: str = ""
    replaced_by: dict[str, str] = field(default_factory=dict)
    # The renewals that made its registrations: the old card, and the agencies; the first is where it was made.
    renewals: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    contacts: OwnedContacts = field(default_factory=OwnedContacts)

    def is_good_at(self, agency: str) -> bool:
        """Returns whether a log-in at an agency succeeds."""
        return self.at.get(agency) == GOOD and not self.is_suspended and not self.is_over

    def describe(self) -> str:
        """Returns what it is, for who reads a failure."""
        marks = [name for name in ("is_bound", "is_closed", "is_suspended", "is_over") if getattr(self, name)]
        return f"{self.at} {' '.join(marks)} contacts {self.contacts.versions} pins {self.contacts.pins}"

    def registered(self) -> list[str]:
        """Returns the agencies at which it is registered, suspended or not."""
        return [agency for agency, state in self.at.items() if state in (GOOD, SUSPENDED)]


@dataclass(slots=True)
class Model:
    """The cards of one bidder in one category, and its representative contact."""

    agencies: Sequence[str]
    cards: dict[str, ModelledCard] = field(default_factory=dict)
    representative: OwnedContacts = field(default_factory=OwnedContacts)

    def add_card(self, name: str) -> ModelledCard:
        """Returns a new card, which nobody has registered."""
        self.cards[name] = ModelledCard(name)
        return self.cards[name]

    def registered_agencies(self) -> list[str]:
        """Returns the agencies at which any card is registered."""
        return [agency for agency in self.agencies if any(agency in card.registered() for card in self.cards.values())]

    def may_register(self, card: ModelledCard) -> bool:
        """Returns whether a card that is in nobody's hands any more, or never was, may be registered."""
        is_free = not card.is_bound and not card.is_closed and not card.is_suspended
        return is_free and REPLACED not in card.at.values() and not card.is_over

    def register(self, card: ModelledCard, agency: str, contact: str, representative: str) -> None:
        """登録 at one agency, which reaches all others."""
        card.at = dict.fromkeys(self.agencies, GOOD)
        card.is_bound, card.bound_at, card.renewals, card.replaced_by = True, agency, [], {}
        card.contacts.change(contact, agency, (), propagate=True)
        if not self.representative.versions:
            self.representative.change(representative, agency, (), propagate=True)
        # Who registers is shown the newest, and sees it count there (ADR 32).
        self.representative.pins.pop(agency, None)

    def may_renew(self, old: ModelledCard, new: ModelledCard, agency: str) -> bool:
        """Returns whether the new card may take the old one's place at an agency."""
        return old.is_good_at(agency) and self.may_succeed(new, agency)

    def may_succeed(self, new: ModelledCard, agency: str) -> bool:
        """Returns whether a card may take another one's place at an agency."""
        is_usable = not new.is_closed and not new.is_suspended and not new.is_over
        return is_usable and new.at.get(agency, ENDED) == ENDED

    def renew(self, old: ModelledCard, new: ModelledCard, agency: str, *, propagate: bool) -> None:
        """ICカード更新 at one agency; it reaches those others at which the old card is good."""
        others = [a for a in self.agencies if a != agency and propagate and old.at.get(a) == GOOD]
        reached = [agency, *others]
        if not new.is_bound:
            new.at, new.bound_at, new.is_bound, new.renewals, new.replaced_by = {}, agency, True, [], {}
        for place in reached:
            old.at[place], old.replaced_by[place] = REPLACED, new.name
            if new.at.get(place) not in (GOOD, SUSPENDED):
                new.at[place] = GOOD
        new.renewals.append((old.name, tuple(reached)))
        if not old.registered():
            old.is_bound, old.is_closed = False, True
        if not new.contacts.versions:
            new.contacts.versions = old.contacts.versions[-1:]
            new.contacts.pins = dict(old.contacts.pins)

    def undo(self, card: ModelledCard) -> None:
        """An officer's undo of the binding: the card may register anew."""
        card.is_bound = False
        card.at = {agency: (state if state == REPLACED else ENDED) for agency, state in card.at.items()}

    def suspend(self, card: ModelledCard, agency: str | None) -> None:
        """An officer's suspension, at an agency or in the whole instance."""
        if agency is None:
            card.is_suspended = True
        else:
            card.at[agency] = SUSPENDED

    def resume(self, card: ModelledCard, agency: str | None) -> None:
        """The end of a suspension."""
        if agency is None:
            card.is_suspended = False
        else:
            card.at[agency] = GOOD

    def find_reopenable(self, new: ModelledCard) -> tuple[ModelledCard, str] | None:
        """Returns the old card and the agency of a card's renewal, if it is the only one and nothing came after it."""
        if len(new.renewals) != 1 or not new.is_bound:
            return None
        name, agencies = new.renewals[0]
        old = self.cards[name]
        is_untouched = all(old.at.get(agency) == REPLACED and new.at.get(agency) == GOOD for agency in agencies)
        return (old, agencies[0]) if is_untouched and not old.is_suspended and not new.is_suspended else None

    def reopen(self, old: ModelledCard, new: ModelledCard) -> None:
        """The renewal of the new card is taken back, wherever it had reached."""
        [(_, agencies)] = new.renewals
        for agency in agencies:
            old.at[agency] = GOOD
            old.replaced_by.pop(agency, None)
            new.at[agency] = ENDED
        old.is_bound, old.is_closed = True, False
        new.renewals.clear()
        if not new.registered():
            new.is_bound = False

    def change(self, card: ModelledCard, agency: str, *, propagate: bool, contact: str, representative: str) -> None:
        """変更 at one agency; an empty text leaves that contact as it is."""
        if contact:
            card.contacts.change(contact, agency, card.registered(), propagate=propagate)
        if representative:
            self.representative.change(representative, agency, self.registered_agencies(), propagate=propagate)

    def card_contact_at(self, card: ModelledCard, agency: str) -> str | None:
        """Returns the card's contact as an agency may see it: where the card is registered."""
        return card.contacts.at(agency) if agency in card.registered() else None

    def representative_at(self, agency: str) -> str | None:
        """Returns the representative contact as an agency may see it: where a card of the bidder is registered."""
        return self.representative.at(agency) if agency in self.registered_agencies() else None
