"""The pages as data: what each shows. `render.render` makes HTML of them, and knows nothing else."""

from dataclasses import dataclass, field
from datetime import datetime

from instance_profile.base import Text
from portal.domain.journey import Step


@dataclass(frozen=True, slots=True)
class Words:
    """A text in Japanese and English; a profile's `Text` can stand in its place."""

    ja: str
    en: str


# A str is the same in both languages.
Sayable = Words | Text | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the error summary, with the id of the field that it leads to, where there is one."""

    words: Sayable
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong, above the heading: lines, what to do next, and the 照会番号 (ENT-08)."""

    lines: tuple[Line, ...]
    next_step: Sayable = ""
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page has: header, help desk, clock, log-out, and the way back to what was chosen."""

    # The page's own address, path and query; with another `language` it leads to the same page.
    address: str
    now: datetime
    agency: Text | None = None
    category: Text | None = None
    # The menu of what was chosen, the target of the tab 利用者登録処理; empty before.
    menu: str = ""
    # Whether there is something to log out of.
    may_log_out: bool = False
    # When the log-in ends without a further request; with it the page warns, and keeps it alive while a person types.
    ends_at: datetime | None = None
    # Where what is typed is kept while a person types, and the log-in with it; empty where no card has logged in.
    keep_address: str = ""
    # The version of the journey that the page shows; its forms send it.
    version: int = 0
    # The steps of the operation and the one that is reached (0 is the first), for the step navigation.
    steps: tuple[Sayable, ...] = ()
    reached: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Help beside a page: 【…】 and its lines."""

    title: Sayable
    lines: tuple[Sayable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a form. `kind` is text, secret, postal_code, telephone or mail_address."""

    name: str
    label: Sayable
    kind: str = "text"
    value: str = field(default="", repr=False)
    hint: Sayable = ""
    # True 「必須」, False 「任意」, None no mark.
    required: bool | None = None
    problem: Sayable = ""
    # What is registered now, where that differs from the value.
    reason: Sayable = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A check box."""

    name: str
    label: Sayable
    checked: bool = False
    notes: tuple[Sayable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A label and a value that is only read; `edit` is where it can be corrected (修正)."""

    label: Sayable
    value: Sayable
    edit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a form or of a check: rows that are only read, then fields."""

    heading: Sayable = ""
    notes: tuple[Sayable, ...] = ()
    rows: tuple[Row, ...] = ()
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way to another page; `note` is what is said beside it."""

    label: Sayable
    address: str
    note: Sayable = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button of a form: the value of the field `answer` that it sends."""

    label: Sayable
    answer: str = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What all pages have."""

    frame: Frame
    title: Sayable
    trouble: Trouble | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One of the systems of the entry page (S-ENT-01): `address` is empty where none is known."""

    name: Sayable
    hours: Sayable
    purposes: tuple[Sayable, ...]
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage(Page):
    """システム入口: the doors with their hours (S-ENT-01)."""

    doors: tuple[Door, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicePage(Page):
    """調達機関、業務選択画面 (S-REG-01): a form that is sent by GET to `address`, one button for each category."""

    audience: Sayable
    message: Sayable
    label: Sayable
    address: str
    # Code and name.
    agencies: tuple[tuple[str, Sayable], ...]
    categories: tuple[tuple[str, Sayable], ...]
    chosen: str = ""
    notes: tuple[Sayable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorsPage(Page):
    """利用者登録／電子入札選択画面 (S-REG-02), and 受注者トップ画面 (S-REG-03): links."""

    links: tuple[Link, ...]
    notes: tuple[Sayable, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """An operation of the menu: a form that begins it, or why it can't begin now."""

    operation: str
    name: Sayable
    lines: tuple[Sayable, ...]
    explanation: tuple[Sayable, ...] = ()
    # Why it can't be used now, and when it opens; empty where it can.
    closed: Sayable = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuPage(Page):
    """利用者登録メニュー (S-REG-04): the form of each item is posted to `address`."""

    heading: Sayable
    lines: tuple[Sayable, ...]
    items: tuple[MenuItem, ...]
    address: str
    # The wizard that looks at the card (REN-05).
    advice: MenuItem | None = None
    guide: str = ""
    # The receipts of what this browser has done here.
    done: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePage(Page):
    """What each operation is for (S-INF-01), with the table of differences: aspect, 登録, ICカード更新."""

    sections: tuple[Box, ...]
    table: tuple[tuple[Sayable, Sayable, Sayable], ...] = ()
    back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPage(Page):
    """No agent is known yet, or it is not of use here: how to get and start it; it goes on by itself in a new tab."""

    lines: tuple[Sayable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HopPage(Page):
    """The link to the card agent, with what will happen there and what to do where no page comes."""

    lines: tuple[Sayable, ...]
    address: str
    where_it_fails: tuple[Sayable, ...] = ()
    # To where キャンセル leads.
    back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage(Page):
    """A form of a journey, posted to `action`: the search, the contacts, the question to an officer."""

    action: str
    lines: tuple[Sayable, ...] = ()
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...] = ()
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPage(Page):
    """Everything before the act, with a way to correct each value."""

    action: str
    # The two cards of a renewal, beside each other.
    cards: tuple[Section, ...] = ()
    sections: tuple[Section, ...]
    lines: tuple[Sayable, ...] = ()
    choices: tuple[Choice, ...] = ()
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyState:
    """How far the act has come at one agency (SYN-05)."""

    agency: Sayable
    state: Sayable


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage(Page):
    """The end of an operation: what was done, its number, the receipt to print, and the other agencies."""

    message: Sayable
    rows: tuple[Row, ...] = ()
    # The receipt.
    sections: tuple[Section, ...] = ()
    lines: tuple[Sayable, ...] = ()
    print_address: str = ""
    agencies: tuple[AgencyState, ...] = ()
    # Seconds until the page looks again; 0 where nothing is under way.
    refresh_seconds: int = 0
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintPage(Page):
    """The receipt for paper (S-REG-10): without header, fits A4."""

    sections: tuple[Section, ...]
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvicePage(Page):
    """Which operation is right for the card, why, and by when (REN-05)."""

    standing: Sayable
    operation: Sayable
    sections: tuple[Box, ...]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPage(Page):
    """An operation can't go on: `trouble` says why; the ways on are links and buttons."""

    action: str = ""
    lines: tuple[Sayable, ...] = ()
    buttons: tuple[Button, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutPage(Page):
    """Log-out with confirmation (S-REG-11), posted to /log-out."""

    message: Sayable
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPage(Page):
    """終了画面 (S-REG-12)."""

    lines: tuple[Sayable, ...]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyPage(Page):
    """A form of this journey is still being worked on: the page looks again by itself."""

    message: Sayable


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPage(Page):
    """Takes the parameters of the fragment, and posts them to `action` (/start, /return)."""

    action: str
    fields: tuple[str, ...]
    # What to do where there is no JavaScript.
    without_script: tuple[Sayable, ...]


View = (
    EntryPage
    | ChoicePage
    | DoorsPage
    | MenuPage
    | GuidePage
    | AgentPage
    | HopPage
    | FormPage
    | CheckPage
    | ResultPage
    | PrintPage
    | AdvicePage
    | RefusalPage
    | LogOutPage
    | EndPage
    | BusyPage
    | RelayPage
)


def make_step_address(journey_id: str, step: Step | str) -> str:
    """Returns the path of a page of a journey."""
    return f"/operations/{journey_id}/{step}"
