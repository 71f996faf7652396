"""A browser's session: what the portal knows of a browser, beside its drafts."""

from dataclasses import dataclass

# Agents that a session may know: an earlier one can be at work in another tab.
MOST_HAND_OFFS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A session by the SHA-256 of its id, and the card agent that opened the portal last: port and hand-off.

    `hand_offs` are all that were opened in it. The port is 0 before there was one.
    """

    session_sha256: bytes
    port: int = 0
    hand_off: str = ""
    hand_offs: tuple[str, ...] = ()

    @property
    def has_agent(self) -> bool:
        """Returns whether an agent is known."""
        return self.port > 0
