"""Random acts of contractors, officers and services on real services, held against a model that knows none of them.

One card belongs to one bidder in a category; a replaced, suspended, revoked or expired card lets nobody in; the number
of good cards changes only by an act; every contact at every agency is what the last change meant for it said.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any, NoReturn, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from refusals import Refusal
from tests.support.model import GOOD, SUSPENDED, Model, ModelledCard
from tests.support.running_instance import MODELLED_BIDDERS, Bidder, RunningInstance
from tests.support.world import Officers, World

Result = TypeVar("Result")
# The first cards of a bidder, and all that it can get.
FIRST_CARDS, CARDS = "abcd", "abcdefg"
# A card whose certificate ends while its bidder acts, and how long it lives: less than most examples take.
SHORT, LIFETIME = "short", timedelta(seconds=4)
OLD_EVENT = "services hear an old event again"
# Seconds until an act has reached every service.
SETTLED = 20.0
# The first ten are partly of the simplest acts.
MOST_EXAMPLES, MOST_AT_ONE_TIME = 16, 3
# Hypothesis gives up some examples and begins others.
MOST_TRIES = 2 * MOST_EXAMPLES
BUDGET = settings(
    max_examples=MOST_EXAMPLES,
    stateful_step_count=14,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
AGENCIES = 3

places = st.integers(0, AGENCIES - 1)
# What an act is done to: `choose` and `prefer` read it.
choices = st.integers(0, 239)


class Differs(AssertionError):
    """The services say otherwise than the model."""


async def test_cards_and_contacts_are_what_the_acts_made_of_them(instance: RunningInstance) -> None:
    loop = asyncio.get_running_loop()
    instance = replace(instance, kept_channels={})
    officers = Officers(instance)
    stranger, *others = choose_bidders(instance)
    bidders = iter(others)
    failures: list[Exception] = []

    def run(action: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(action, loop).result()

    class Cards(Acts):
        def __init__(self) -> None:
            # What was found is found by the order in time of what went on at once, and seldom twice.
            if failures:
                raise failures[0]
            super().__init__(run, World(instance, officers, next(bidders)), stranger, failures)

    try:
        await asyncio.to_thread(run_state_machine_as_test, Cards, settings=BUDGET)
    except Exception:
        # Hypothesis tells of the second try.
        if failures:
            raise failures[0] from None
        raise


def choose_bidders(instance: RunningInstance) -> list[Bidder]:
    """Returns bidders that begin at one of two agencies and are qualified at some more, which nobody else takes."""
    bidders = [bidder for bidder in map(instance.bidder, MODELLED_BIDDERS) if len(bidder.agencies) >= AGENCIES]
    homes = bidders[-1].agencies[:2]
    chosen = [bidder for bidder in bidders if bidder.agencies[0] in homes]
    assert len(chosen) > MOST_TRIES
    return chosen


class Acts(RuleBasedStateMachine):
    """The acts. Each is tried in the model first, then carried out, and its outcome held against the model's.

    Which of two acts at one time comes first is nobody's choice. So what is drawn never depends on the state: where an
    act is not possible, another one takes its place.
    A failure tells what differs, and the acts that led there.
    """

    def __init__(
        self,
        run: Callable[[Coroutine[Any, Any, Any]], Any],
        world: World,
        stranger: Bidder,
        failures: list[Exception],
    ) -> None:
        super().__init__()
        self.run, self.world, self.stranger, self.failures = run, world, stranger, failures
        self.model = Model(world.bidder.agencies)
        self.agencies = self.model.agencies[:AGENCIES]
        self.count = self.changed_twice = 0
        self.acts: list[str] = []
        for name in FIRST_CARDS:
            self.issue(name)

    def act(self, told: str, action: Coroutine[Any, Any, Result]) -> Result:
        """Carries an act out; `told` is what it is."""
        self.acts.append(told)
        try:
            result: Result = self.run(action)
        except Exception as error:
            self.fail(f"{type(error).__name__}: {error}")
        self.acts[-1] += f" -> {result}"
        return result

    def expect(self, holds: bool, otherwise: str) -> None:
        """Fails unless something holds, with what is wrong otherwise."""
        if not holds:
            self.fail(otherwise)

    def fail(self, what: str) -> NoReturn:
        told = "\n".join(f"  {number}. {act}" for number, act in enumerate(self.acts, 1))
        states = "\n".join(f"  {card.name}: {card.describe()}" for card in self.model.cards.values())
        self.failures.append(Differs(f"{what}\nafter\n{told}\nthe model says\n{states}"))
        raise self.failures[-1]

    def name_contact(self, kind: str) -> str:
        self.count += 1
        return f"{kind} {self.count}"

    def issue(self, name: str, lifetime: timedelta | None = None) -> None:
        self.world.issue(name, lifetime)
        self.model.add_card(name)

    def list_cards(self) -> list[ModelledCard]:
        """Returns the cards that acts are done to; one that ends soon is none of them until it has ended."""
        return [card for card in self.model.cards.values() if card.name != SHORT or card.is_over]

    def list_everywhere(self) -> list[tuple[ModelledCard, str]]:
        """Returns the cards with the agencies at which acts are done."""
        return [(card, agency) for card in self.list_cards() for agency in self.agencies]

    def list_good(self) -> list[tuple[ModelledCard, str]]:
        """Returns the cards with the agencies at which they are good."""
        return [(card, agency) for card, agency in self.list_everywhere() if card.is_good_at(agency)]

    def list_renewable(self, least: int) -> list[tuple[ModelledCard, str, list[ModelledCard]]]:
        """Returns where a card may be replaced by any of at least so many others, and by which."""
        found = []
        for old, agency in self.list_good():
            new = [card for card in self.list_cards() if self.model.may_renew(old, card, agency)]
            # Whether a renewal waits for the end of a suspension elsewhere is a matter of its own.
            if len(new) >= least and SUSPENDED not in old.at.values():
                found.append((old, agency, new))
        return found

    def list_reopenable(self) -> list[tuple[ModelledCard, ModelledCard, str]]:
        """Returns the new and the old card of the renewals that can be taken back, and where they were made."""
        found = ((new, self.model.find_reopenable(new)) for new in self.list_cards())
        return [(new, *reopenable) for new, reopenable in found if reopenable is not None]

    @initialize(place=places, choice=choices, with_short=st.sampled_from((False, False, False, True)))
    def begin(self, place: int, choice: int, with_short: bool) -> None:
        if with_short:
            self.issue(SHORT, LIFETIME)
        for name in (SHORT, "a") if with_short else "a":
            self.carry_out_registration(self.model.cards[name], self.agencies[place])
        self.settle()
        # What happens at one time is found wrong now and then only, so each example begins with it.
        if choice % 4 == 3:
            self.renew_while_officers_undo(choice)
        else:
            self.renew_at_one_time(choice)

    @rule(choice=choices)
    def register(self, choice: int) -> None:
        unissued = [name for name in CARDS if name not in self.model.cards]
        if unissued and not any(self.model.may_register(card) for card in self.list_cards()):
            self.issue(unissued[0])
        everywhere = self.list_everywhere()
        free = [(card, agency) for card, agency in everywhere if self.model.may_register(card)]
        self.carry_out_registration(*prefer(free, everywhere, choice))

    def carry_out_registration(self, card: ModelledCard, agency: str) -> None:
        contact, representative = self.name_contact("連絡先"), self.name_contact("代表")
        refusal = self.act(
            f"register {card.name} at {agency}: {contact}, {representative}",
            self.world.register(card.name, agency, contact, representative),
        )
        self.expect((refusal is None) == self.model.may_register(card), f"registering {card.name} gave {refusal}")
        if refusal is None:
            self.model.register(card, agency, contact, representative)

    @rule(choice=choices)
    def register_for_another_bidder(self, choice: int) -> None:
        bound = [(card, agency) for card, agency in self.list_everywhere() if card.is_bound]
        if not bound:
            self.register(choice)
            return
        card, agency = choose(bound, choice)
        refusal = self.act(
            f"register {card.name} at {agency} for another bidder",
            self.world.register(card.name, agency, "横取り", "横取り", self.stranger),
        )
        self.expect(refusal is not None, f"{card.name} became another bidder's")

    @rule(choice=choices, propagate=st.booleans(), which=st.sampled_from(("card", "daihyo", "both")))
    def change(self, choice: int, propagate: bool, which: str) -> None:
        card, agency = prefer(self.list_good(), self.list_everywhere(), choice)
        contact = "" if which == "daihyo" else self.name_contact("連絡先")
        representative = "" if which == "card" else self.name_contact("代表")
        refusal = self.act(
            f"change by {card.name} at {agency}: {contact}, {representative}, propagate={propagate}",
            self.world.change(card.name, agency, propagate=propagate, contact=contact, representative=representative),
        )
        self.expect((refusal is None) == card.is_good_at(agency), f"changing {card.name} at {agency} gave {refusal}")
        if refusal is None:
            self.model.change(card, agency, propagate=propagate, contact=contact, representative=representative)

    @rule(choice=choices)
    def change_twice_at_one_time(self, choice: int) -> None:
        # Each time the card logs in twice, and it may do so 20 times at once.
        if not self.list_good() or self.changed_twice == MOST_AT_ONE_TIME:
            self.register(choice)
            return
        card, agency = choose(self.list_good(), choice)
        self.changed_twice += 1
        contacts = (self.name_contact("連絡先"), self.name_contact("連絡先"))
        refusals = self.act(
            f"change by {card.name} at {agency}, two at one time: {contacts}",
            self.world.change_twice(card.name, agency, contacts),
        )
        self.expect(
            reasons_of(refusals) == [None, "CONTACT_CHANGED_MEANWHILE"],
            f"two changes at one time by {card.name} at {agency} gave {refusals}",
        )
        self.model.change(card, agency, propagate=True, contact=contacts[refusals.index(None)], representative="")

    @rule(choice=choices, propagate=st.booleans())
    def renew(self, choice: int, propagate: bool) -> None:
        everywhere = [
            (old, agency, new)
            for old, agency in self.list_everywhere()
            for new in self.list_cards()
            if SUSPENDED not in old.at.values()
        ]
        possible = [(old, agency, new) for old, agency, free in self.list_renewable(1) for new in free]
        old, agency, new = prefer(possible, everywhere, choice)
        refusal = self.act(
            f"renew {old.name} by {new.name} at {agency}, propagate={propagate}",
            self.world.renew(old.name, new.name, agency, propagate=propagate),
        )
        may_renew = old is not new and self.model.may_renew(old, new, agency)
        self.expect((refusal is None) == may_renew, f"renewing {old.name} by {new.name} at {agency} gave {refusal}")
        if refusal is None:
            self.model.renew(old, new, agency, propagate=propagate)

    @rule(choice=choices)
    def renew_at_one_time(self, choice: int) -> None:
        renewable = self.list_renewable(2)
        if not renewable:
            self.register(choice)
            return
        old, agency, free = choose(renewable, choice)
        news = free[:MOST_AT_ONE_TIME]
        names = [new.name for new in news]
        refusals = self.act(
            f"renew {old.name} by each of {names} at {agency} at one time",
            self.world.renew_at_one_time(old.name, names, agency),
        )
        self.expect(
            reasons_of(refusals) == [None, *["CARD_REPLACED"] * (len(news) - 1)],
            f"renewals of {old.name} at {agency} at one time gave {refusals}",
        )
        self.model.renew(old, news[refusals.index(None)], agency, propagate=True)

    @rule(choice=choices)
    def renew_while_officers_undo(self, choice: int) -> None:
        renewable = self.list_renewable(1)
        if not renewable:
            self.register(choice)
            return
        old, agency, (new, *_) = choose(renewable, choice)
        renewed, undone = self.act(
            f"renew {old.name} by {new.name} at {agency} while officers undo its binding",
            self.world.renew_during_undo(old.name, new.name, agency, old.bound_at),
        )
        self.expect(
            (renewed is None) != (undone is None),
            f"the renewal of {old.name} at {agency} gave {renewed}, the undo at the same time {undone}",
        )
        if renewed is None:
            self.model.renew(old, new, agency, propagate=True)
        else:
            self.model.undo(old)

    @rule(choice=choices)
    def undo(self, choice: int) -> None:
        bound = [card for card in self.list_cards() if card.is_bound]
        if not bound:
            self.register(choice)
            return
        card = choose(bound, choice)
        refusal = self.act(f"undo the binding of {card.name}", self.world.undo(card.name, card.bound_at))
        self.expect(refusal is None, f"the undo of {card.name} gave {refusal}")
        self.model.undo(card)

    @rule(choice=choices)
    def suspend_or_resume(self, choice: int) -> None:
        standing = [(card, agency) for card, agency in self.list_everywhere() if agency in card.registered()]
        if not standing:
            self.register(choice)
            return
        card, agency = choose(standing, choice)
        if card.at[agency] == GOOD:
            refusal = self.act(f"suspend {card.name} at {agency}", self.world.suspend(card.name, agency))
            self.model.suspend(card, agency)
        else:
            refusal = self.act(f"resume {card.name} at {agency}", self.world.resume(card.name, agency))
            self.model.resume(card, agency)
        self.expect(refusal is None, f"suspending or resuming {card.name} at {agency} gave {refusal}")

    @rule(choice=choices, propagate=st.booleans())
    def reopen(self, choice: int, propagate: bool) -> None:
        reopenable = self.list_reopenable()
        if not reopenable:
            self.renew(choice, propagate)
            return
        new, old, agency = choose(reopenable, choice)
        refusal = self.act(
            f"take the renewal of {old.name} by {new.name} at {agency} back",
            self.world.reopen(old.name, new.name, agency),
        )
        self.expect(refusal is None, f"taking back the renewal of {old.name} by {new.name} gave {refusal}")
        self.model.reopen(old, new)

    @rule(choice=choices)
    def revoke(self, choice: int) -> None:
        cards = [card for card in self.list_cards() if card.name != SHORT]
        # The others go on acting.
        if any(card.is_over for card in cards):
            self.renew_at_one_time(choice)
            return
        card = choose(cards, choice)
        self.act(f"the CA revokes {card.name}", self.world.revoke(card.name))
        card.is_over = True

    @rule(choice=choices)
    def let_the_short_card_end(self, choice: int) -> None:
        if SHORT not in self.model.cards or self.model.cards[SHORT].is_over:
            self.renew_at_one_time(choice)
            return
        self.act(f"the certificate of {SHORT} ends", self.world.wait_for_end(SHORT))
        self.model.cards[SHORT].is_over = True

    @rule(choice=choices, propagate=st.booleans())
    def hear_an_old_event_again(self, choice: int, propagate: bool) -> None:
        if self.acts[-1].startswith(OLD_EVENT):
            self.renew(choice, propagate)
            return
        self.act(OLD_EVENT, self.world.tell_again(choice))

    @invariant()
    def services_say_what_the_acts_made(self) -> None:
        self.settle()

    def settle(self) -> None:
        """Waits until all services say what the model says; fails where one does not."""
        difference = self.run(self.wait_until_settled())
        if difference is not None:
            self.fail(difference)

    async def wait_until_settled(self) -> str | None:
        """Returns what a service still says otherwise than the model after a while; None as soon as nothing is."""
        ends_at = monotonic() + SETTLED
        while (difference := await self.find_difference()) is not None and monotonic() < ends_at:
            await asyncio.sleep(0.05)
        return difference

    async def find_difference(self) -> str | None:
        """Returns the first thing that a service says otherwise than the model."""
        if SHORT in self.model.cards:
            self.model.cards[SHORT].is_over = self.world.has_ended(SHORT)
        questions = [(name, agency) for name in self.model.cards for agency in self.model.agencies]
        good = await asyncio.gather(*(self.world.is_good_at(*question) for question in questions))
        for (name, agency), is_good in zip(questions, good, strict=True):
            if is_good != self.model.cards[name].is_good_at(agency):
                return f"card {name} at {agency}: good is {is_good}"
        contacts = await asyncio.gather(*(self.world.contact_at(*question, "card") for question in questions))
        for (name, agency), contact in zip(questions, contacts, strict=True):
            expected = self.model.card_contact_at(self.model.cards[name], agency)
            if contact != expected:
                return f"contact of card {name} at {agency}: {contact} instead of {expected}"
        for agency in self.model.agencies:
            contact, expected = (
                await self.world.contact_at("a", agency, "representative"),
                self.model.representative_at(agency),
            )
            if contact != expected:
                return f"representative contact at {agency}: {contact} instead of {expected}"
        return None


def choose(possible: Sequence[Result], choice: int) -> Result:
    """Returns one of those that are possible."""
    return possible[choice % len(possible)]


def prefer(possible: Sequence[Result], otherwise: Sequence[Result], choice: int) -> Result:
    """Returns one of those that are possible, and now and then one of all."""
    of = otherwise if choice % 4 == 3 or not possible else possible
    return choose(of, choice // 4)


def reasons_of(refusals: Sequence[Refusal | None]) -> list[str | None]:
    """Returns the reasons of refusals, first None for each act that had none."""
    reasons = [None if refusal is None else refusal.reason for refusal in refusals]
    return sorted(reasons, key=lambda reason: reason or "")
