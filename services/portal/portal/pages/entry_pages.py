"""The pages before a journey: from the doors to the menu (S-ENT-01 to S-REG-04, S-INF-01). They need no session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from instance_profile.hours import determine_opening_state, format_instant_en, format_instant_ja, write_hours
from instance_profile.model import Operation, OperationGuide, Profile
from portal.domain.journey import Step
from portal.operations.journeys import Draft
from portal.pages import words
from portal.pages.frames import Frames
from portal.pages.views import (
    AgentPage,
    Box,
    ChoicePage,
    Door,
    DoorsPage,
    EndPage,
    EntryPage,
    GuidePage,
    Link,
    MenuItem,
    MenuPage,
    Sayable,
    Words,
    make_step_address,
)


@dataclass(frozen=True, slots=True)
class EntryPages:
    """Builds these pages for one instance."""

    profile: Profile
    frames: Frames
    clock: Callable[[], datetime]

    def find_only_choice(self) -> tuple[str, str] | None:
        """Returns agency and category where there is one of each; None where there is something to choose."""
        if len(self.profile.agencies) == 1 and len(self.profile.agencies[0].categories) == 1:
            return self.profile.agencies[0].code, self.profile.agencies[0].categories[0]
        return None

    def offers(self, agency: str, category: str) -> bool:
        """Returns whether the agency offers the category."""
        return any(each.code == agency and category in each.categories for each in self.profile.agencies)

    def build_entry(self, address: str) -> EntryPage:
        """Returns システム入口 (S-ENT-01)."""
        screen = self.profile.screens.entry
        doors = [
            Door(name=system.name, hours=system.hours, purposes=system.purposes, address=system.url or "")
            for system in self.profile.neighbouring_systems
        ]
        own = Door(
            name=screen.name or self.profile.name,
            hours=screen.hours or write_hours(self.profile.opening_hours),
            purposes=screen.purposes,
            address="/choice",
        )
        return EntryPage(frame=self.frames.make(address), title=screen.title or words.ENTRY_TITLE, doors=(*doors, own))

    def build_choice(self, address: str, chosen: str = "") -> ChoicePage:
        """Returns the choice of agency and category (S-REG-01); where there is one agency, of the category alone."""
        screen = self.profile.screens.choice
        message = screen.message or words.CHOICE_MESSAGE
        return ChoicePage(
            frame=self.frames.make(address),
            title=screen.title or words.CHOICE_TITLE,
            audience=screen.audience or "",
            message=message if len(self.profile.agencies) > 1 else words.CATEGORY_MESSAGE,
            label=words.AGENCY,
            address="/choice",
            agencies=tuple((agency.code, agency.name) for agency in self.profile.agencies),
            categories=tuple(
                (category.code, _mark(screen.category_mark, category.name)) for category in self.profile.categories
            ),
            chosen=chosen,
            notes=screen.notes,
        )

    def build_not_offered(self, address: str, agency: str) -> ChoicePage:
        """Returns the choice again, where the agency does not offer the category (ENT-03)."""
        return replace(self.build_choice(address, agency), trouble=words.NOT_OFFERED)

    def build_doors(self, address: str, agency: str, category: str) -> DoorsPage:
        """Returns 利用者登録／電子入札選択画面 (S-REG-02)."""
        screen = self.profile.screens.top
        base = f"/agencies/{agency}/{category}"
        links = [Link(label=screen.registration or words.REGISTRATION, address=f"{base}/top")]
        if self.profile.bidding_url:
            links.append(
                Link(label=screen.bidding or words.BIDDING, address=self.profile.bidding_url, note=words.BIDDING_NOTE)
            )
        return DoorsPage(
            frame=self.frames.make(address, agency, category),
            title=screen.title or words.DOORS_TITLE,
            links=tuple(links),
        )

    def build_top(self, address: str, agency: str, category: str) -> DoorsPage:
        """Returns 受注者トップ画面 (S-REG-03)."""
        screen = self.profile.screens.top
        return DoorsPage(
            frame=self.frames.make(address, agency, category),
            title=screen.top_title or words.TOP_TITLE,
            links=(Link(label=screen.menu or words.TAB, address=f"/agencies/{agency}/{category}/menu"),),
        )

    def build_menu(self, address: str, agency: str, category: str, drafts: Sequence[Draft] = ()) -> MenuPage:
        """Returns 利用者登録メニュー (S-REG-04), with what can be used now and when the rest opens (ENT-05).

        Of `drafts`, the browser's own, those that were done here lead to their receipts again.
        """
        screen, opening = self.profile.screens.menu, determine_opening_state(self.profile.opening_hours, self.clock())
        closed: Sayable = "" if opening.open else self._say_when(opening.opens_next)
        offered = self.profile.category(category).list_usable_operations()
        items = tuple(self._make_item(guide, closed) for guide in self.profile.operations if guide.operation in offered)
        return MenuPage(
            frame=self.frames.make(address, agency, category),
            title=screen.title or words.MENU_TITLE,
            heading=screen.heading or "",
            lines=screen.lines,
            items=items,
            address=f"/agencies/{agency}/{category}/operations",
            # Advice changes nothing, and is given at any hour.
            advice=MenuItem(operation="advice", name=words.ADVICE_NAME, lines=(words.ADVICE_LINE,)),
            guide=f"/agencies/{agency}/{category}/guide",
            done=tuple(
                self._link_result(draft)
                for draft in drafts
                if draft.journey.step is Step.RESULT
                and (draft.journey.agency, draft.journey.category) == (agency, category)
            ),
        )

    def build_guide(self, address: str, agency: str, category: str) -> GuidePage:
        """Returns what each operation is for (S-INF-01)."""
        guide = self.profile.screens.menu.guide
        offers_renewal = Operation.RENEWAL in self.profile.category(category).list_usable_operations()
        return GuidePage(
            frame=self.frames.make(address, agency, category),
            title=words.GUIDE_TITLE,
            sections=tuple(Box(title=box.title, lines=box.lines) for box in guide),
            table=tuple(
                (each.aspect, each.registration, each.renewal)
                for each in self.profile.renewal_differences
                if offers_renewal
            ),
            back=f"/agencies/{agency}/{category}/menu",
        )

    def build_agent(self, address: str, kind: str = "") -> AgentPage:
        """Returns how to get and start the agent; `kind` is `old` or `other`."""
        title, lines = {
            "old": (words.AGENT_OLD_TITLE, words.AGENT_OLD_LINES),
            "other": (words.AGENT_OTHER_TITLE, words.AGENT_OTHER_LINES),
        }.get(kind, (words.AGENT_TITLE, words.AGENT_LINES))
        return AgentPage(frame=self.frames.make(address), title=title, lines=lines)

    def build_end(self, address: str, operation: str) -> EndPage:
        """Returns 終了画面 (S-REG-12), with what follows the operation that was done."""
        screen = self.profile.screens.result
        lines: tuple[Sayable, ...] = {
            "registration": screen.after_registration,
            "change": screen.after_change,
            "renewal": screen.after_renewal,
        }.get(operation, ())
        links = [Link(label=words.TO_START, address="/")]
        if self.profile.bidding_url:
            links.append(
                Link(label=self.profile.screens.top.bidding or words.BIDDING, address=self.profile.bidding_url)
            )
        return EndPage(
            frame=self.frames.make(address),
            title=words.END_TITLE,
            lines=(words.END_LINE, *lines),
            links=tuple(links),
        )

    def _link_result(self, draft: Draft) -> Link:
        names = {guide.operation.value: guide.name for guide in self.profile.operations}
        name, number = names[draft.journey.operation.value], draft.journey.request_id
        label = Words(f"{name.ja}（受付番号 {number}）", f"{name.en} (request number {number})")
        return Link(label=label, address=make_step_address(draft.draft_id, Step.RESULT))

    def _make_item(self, guide: OperationGuide, closed: Sayable) -> MenuItem:
        further: tuple[Sayable, ...] = (guide.what_for, *((guide.not_for,) if guide.not_for else ()))
        return MenuItem(
            operation=guide.operation.value,
            name=guide.name,
            lines=guide.menu or further,
            explanation=further if guide.menu else (),
            closed=closed,
        )

    @staticmethod
    def _say_when(opens_next: datetime | None) -> Words:
        if opens_next is None:
            return Words(words.CLOSED.ja.format(when="未定"), words.CLOSED.en.format(when="not known yet"))
        return Words(
            words.CLOSED.ja.format(when=format_instant_ja(opens_next)),
            words.CLOSED.en.format(when=format_instant_en(opens_next)),
        )


def _mark(mark: str, name: Sayable) -> Sayable:
    if isinstance(name, str):
        return mark + name
    return Words(mark + name.ja, mark + name.en)
