"""What the agent's pages work with: the trusted instances, the media of this PC, and what is kept of each hand-off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from card_agent.local_page.card_queue import CardQueue
from card_agent.local_page.form_tokens import Forms, IssuedForm
from card_agent.local_page.hand_offs import HandOff, HandOffs
from card_agent.local_page.instances import KnownInstances
from card_agent.local_page.phrase import read_phrase
from card_agent.local_page.views import Frame
from card_agent.media.found import FoundMedium
from card_agent.media.inventory import Issuer
from card_agent.trust import TrustedInstance
from toroku.frontdoor.v1 import front_door_pb2

FindMedia = Callable[[Sequence[Issuer]], Sequence[FoundMedium]]


# The form of the start fragment and of the answers (docs/hand-off.md): a portal refuses an agent with an older one.
PROTOCOL = 1


@dataclass(slots=True)
class Agent:
    """The agent of one person on this PC. `folder` has the person's files; `trusted` reads the trust file."""

    folder: Path
    version: str
    port: int
    trusted: Callable[[], Sequence[TrustedInstance]]
    find_media: FindMedia
    # How often cards were inserted and removed in a reader; None for a place that is none.
    count_insertions: Callable[[str], int | None]
    instances: KnownInstances
    # By which a second start is known as the same person's.
    secret: str = field(repr=False)
    open_browser: Callable[[str], object]
    # What the first page says of a newer version.
    find_notices: Callable[[], Sequence[Words]] = tuple
    hand_offs: HandOffs = field(default_factory=HandOffs)
    # Those of the first page, which belongs to no hand-off.
    forms: Forms = field(default_factory=Forms)
    cards: CardQueue = field(default_factory=CardQueue)

    def now(self) -> datetime:
        """Returns the time by this PC's clock, in UTC."""
        return datetime.now(UTC)

    @property
    def origin(self) -> str:
        """The origin of the agent's own pages."""
        return f"http://127.0.0.1:{self.port}"

    def list_portals(self) -> Sequence[TrustedInstance]:
        """Returns the trusted instances that have a portal and a way back. Raises as `read_trust_file`."""
        return [instance for instance in self.trusted() if instance.portal and instance.return_address]

    def find_hand_off(self, id: str | None) -> HandOff | None:
        """Returns a living hand-off with an instance that is still trusted as it was."""
        hand_off = self.hand_offs.find(id) if id is not None else None
        return hand_off if hand_off is not None and hand_off.instance in self.trusted() else None

    def find_form(self, action: str, token: str) -> tuple[HandOff, IssuedForm] | None:
        """Returns the form with this token, and its hand-off if that lives."""
        found = self.hand_offs.find_form(action, token)
        return found if found is not None and self.find_hand_off(found[0].id) is not None else None

    def open_portal(self, instance: TrustedInstance) -> str:
        """Makes a hand-off, and returns the address at which the instance's portal takes it."""
        self.instances.ask(instance)
        hand_off = self.hand_offs.make(instance)
        return f"{instance.portal}#port={self.port}&handoff={hand_off.id}&protocol={PROTOCOL}&instance={instance.id}"

    def make_frame(self, place: Place, address: str = "", language: str | None = None) -> Frame:
        """Returns the frame of a page of a hand-off; `address` is that of its link."""
        instance = place.instance or front_door_pb2.Instance()
        return Frame(to_words(instance.name), instance.id, read_phrase(self.folder), language, address)
