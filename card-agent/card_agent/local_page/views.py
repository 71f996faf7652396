"""What each page of the agent shows, as data; `render` makes HTML of it. Texts are in both languages until then."""

from dataclasses import dataclass, field
from typing import Literal

from card_agent.console.person import Row
from card_agent.console.words import Words
from signed_acts.purpose import Role


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page has: which instance asks, by its name and id, and the phrase by which the agent is recognized."""

    instance_name: Words
    instance_id: str
    phrase: str
    # None: the browser's.
    language: str | None = None
    # Path and query of the link that led here, for the link to the other language; empty where there is none.
    address: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a page: where it is posted to, and the token that makes it good once."""

    action: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateChoice:
    """A certificate that was found. With a `problem` it can't be chosen, and the problem says why."""

    key: str
    place: Words
    rows: tuple[Row, ...]
    problem: Words | None = None
    next_step: Words | None = None


@dataclass(frozen=True, slots=True)
class UnusablePlace:
    """A reader, module or file of which nothing can be used now."""

    place: Words
    problem: Words
    next_step: Words


@dataclass(frozen=True, slots=True)
class CardPage:
    """Choose the card. `may_share_pin`: whether the page asks if both PINs of a renewal are equal."""

    frame: Frame
    form: Form
    role: Role
    operation: Words
    choices: tuple[CertificateChoice, ...]
    unusable: tuple[UnusablePlace, ...]
    may_share_pin: bool = False
    # Where the same page is looked at again, after a card was inserted.
    again: str = ""
    # Of an answer that can't be gone on with: nothing was chosen.
    problem: Words | None = None
    next_step: Words | None = None


@dataclass(frozen=True, slots=True)
class PinQuestion:
    """The PIN of a card or the password of a file. Words that the instance does not have are the agent's own."""

    title: Words
    message: Words
    label: Words
    is_file: bool
    asks_person_in_charge: bool = False
    person_in_charge_note: Words | None = None
    # What was typed in that field before.
    person_in_charge: str = ""
    help_title: Words | None = None
    help: Words | None = None
    tries_left: int | None = None
    # What this CA does after too many wrong PINs, and whom to ask there.
    authority_notes: tuple[Words, ...] = ()
    # Of what was refused just now: the PIN or password, or else what was typed beside it.
    problem: Words | None = None
    next_step: Words | None = None
    problem_field: Literal["pin", "person_in_charge"] = "pin"


@dataclass(frozen=True, slots=True)
class PinPage:
    """The PIN of a medium whose certificate can be read only after it; nothing is signed yet."""

    frame: Frame
    form: Form
    role: Role
    place: Words
    # CertificateChoice.key of what was chosen; comes back with the form.
    key: str
    pin: PinQuestion


@dataclass(frozen=True, slots=True)
class SignPage:
    """What will be signed, in words, with all its values behind them; `pin` is None where it is known."""

    frame: Frame
    form: Form
    role: Role
    rows: tuple[Row, ...]
    lines: tuple[Words | str, ...]
    # The values of the canonical request, and all values of the purpose.
    request_rows: tuple[Row, ...]
    purpose_rows: tuple[Row, ...]
    card_rows: tuple[Row, ...]
    pin: PinQuestion | None


@dataclass(frozen=True, slots=True)
class DonePage:
    """It is done: the browser goes to `address` by itself, and by a visible link."""

    frame: Frame
    message: Words
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefusalPage:
    """What happened, and what to do next. `again`: the page to try again; `address`: back to the portal with it."""

    frame: Frame | None
    problem: Words
    next_step: Words
    again: str = ""
    address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TrustedPortal:
    """An instance whose portal can be opened."""

    instance_id: str
    name: Words
    portal: str


@dataclass(frozen=True, slots=True)
class StartPage:
    """The agent's own first page: the portals that can be opened; without a phrase the person chooses one."""

    phrase: str
    form: Form
    portals: tuple[TrustedPortal, ...]
    version: str
    notices: tuple[Words, ...] = ()
    # Of a phrase that was refused just now.
    problem: Words | None = None
    next_step: Words | None = None


View = CardPage | PinPage | SignPage | DonePage | RefusalPage | StartPage
