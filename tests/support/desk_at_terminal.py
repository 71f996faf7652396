"""A contractor's desk for the pages that show dialogues: a running instance, a reader, and what was read."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qualification_registry.domain.bidders import BidderStatus
from refusals.language import Language
from servicekit.database import Database
from simulators.certificate_authorities import IssuedCard
from simulators.virtual_card import VirtualCard
from tests.support.card_reader import CardReader
from tests.support.contractor_at_terminal import PIN, ContractorAtTerminal, contractor_at_terminal
from tests.support.running_instance import Bidder, RunningInstance, reissue_password
from tests.support.stopped_bidders import set_status
from tests.support.transcript_page import mark_variable_parts, read_transcripts, write_transcripts

PAGES = Path(__file__).parents[2] / "docs" / "howto"
WORKS = "works"
REFUSED, INTERRUPTED = 1, 130
Result = TypeVar("Result")


@dataclass(slots=True)
class Desk:
    """A contractor's desk with its reader, where one dialogue after the other is held; it keeps what was read."""

    instance: RunningInstance
    reader: CardReader
    folder: Path
    language: Language
    loop: asyncio.AbstractEventLoop
    transcripts: dict[str, str] = field(default_factory=dict)
    # The cards in the readers, by whether it is the second one.
    _cards: dict[bool, VirtualCard] = field(default_factory=dict)

    def register(self, *options: str, endpoint: str = "") -> AbstractContextManager[ContractorAtTerminal]:
        """Starts `card-agent register` at the instance, or at another endpoint."""
        return self.start("register", *options, endpoint=endpoint)

    @contextmanager
    def start(self, command: str, *options: str, endpoint: str = "") -> Iterator[ContractorAtTerminal]:
        """Starts a command of `card-agent` at the instance, or at another endpoint."""
        launched = self.instance.launched
        keeping = () if command == "advise" else ("--state-directory", str(self.folder / "state"))
        with contractor_at_terminal(
            *("--endpoint", endpoint or launched.front_door, *keeping),
            *(options or ("--trust", str(launched.certificates.public.authority))),
            language=self.language,
            profile=self.instance.profile,
            command=command,
        ) as contractor:
            yield contractor
            # A part of the dialogue is kept only from a dialogue that went as expected.
            self.transcripts |= contractor.transcripts

    def insert(self, issued: IssuedCard, *, second: bool = False) -> VirtualCard:
        """Inserts a card in the place of the one that is in the reader, or in the second reader."""
        self.pull(second=second)
        self._cards[second] = card = self.reader.insert(issued, pin=PIN, second=second)
        return card

    def pull(self, *, second: bool = False) -> None:
        """Pulls the card, if there is one."""
        card = self._cards.pop(second, None)
        if card is not None:
            self.reader.pull(card)

    def new_card(self, bidder: Bidder) -> IssuedCard:
        """Returns a card of a bidder's company."""
        return self.instance.ca.issue(company=bidder.name)

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Returns the result of a coroutine of the test's loop; the dialogues run in a thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def change_status(self, bidder: Bidder, status: BidderStatus) -> None:
        """Suspends or ends a bidder, or makes it active again."""

        async def change_status() -> None:
            dsn = self.instance.launched.services["qualification-registry"].database
            assert dsn is not None
            async with Database.open(dsn, pool=1) as database, database.transaction() as connection:
                await set_status(connection, bidder.bidder_id, WORKS, status)

        self.wait_for(change_status())

    def change_password(self, bidder: Bidder) -> str:
        """Issues a new password to a bidder, and returns it."""
        return self.wait_for(reissue_password(self.instance.launched, bidder.agencies[0], WORKS, bidder.bidder_id))

    def compare(self, name: str, secrets: list[str], *, write: bool) -> None:
        """Holds what was read against a page in this desk's language; with `write`, writes it there before."""
        page = PAGES / f"{name}.{self.language}.md"
        seen = {name: mark_variable_parts(text, self.language) for name, text in self.transcripts.items()}
        assert not [name for name, text in seen.items() if any(secret in text for secret in secrets)]
        if write:
            write_transcripts(page, seen)
        shown = read_transcripts(page)
        assert shown == seen, [name for name in shown.keys() | seen.keys() if shown.get(name) != seen.get(name)]
