"""What the instances say of themselves (DescribeInstance), kept, so that pages have words while one is away."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from card_agent.local_page.card_queue import run_in_thread
from card_agent.private_files import write_private_bytes
from card_agent.trust import TrustedInstance
from refusals import Refusal
from toroku.frontdoor.v1 import front_door_pb2

# Seconds for which a page waits for the words of an instance that never answered on this PC.
_WORDS_SECONDS = 3.0
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

DescribeInstance = Callable[[TrustedInstance], front_door_pb2.Instance]


@dataclass(slots=True)
class KnownInstances:
    """The instances as far as they are known. `describe` calls one and raises its refusals; `folder` keeps them."""

    describe: DescribeInstance
    folder: Path
    _known: dict[str, front_door_pb2.Instance] = field(default_factory=dict)
    _asked: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def ask(self, trusted: TrustedInstance) -> None:
        """Begins to ask an instance for what it says of itself now."""
        asked = self._asked.get(trusted.id)
        if asked is None or asked.done():
            self._asked[trusted.id] = asyncio.create_task(self._ask(trusted))

    async def get(self, trusted: TrustedInstance) -> front_door_pb2.Instance:
        """Returns what is known of an instance; nothing but its id where it never answered."""
        known = self._known.get(trusted.id) or self._read(trusted)
        if known is None and trusted.id in self._asked:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._asked[trusted.id]), _WORDS_SECONDS)
            known = self._known.get(trusted.id)
        if known is None:
            name = front_door_pb2.Text(ja=trusted.id, en=trusted.id)
            return front_door_pb2.Instance(id=trusted.id, name=name)
        self._known[trusted.id] = known
        return known

    async def _ask(self, trusted: TrustedInstance) -> None:
        # Without an answer the words are those of before; what the card signs names its instance in any case.
        with contextlib.suppress(Refusal):
            described = await run_in_thread(lambda: self.describe(trusted))
            if described.id != trusted.id:
                return
            self._known[trusted.id] = described
            with contextlib.suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                write_private_bytes(self._file(trusted), described.SerializeToString())

    def _read(self, trusted: TrustedInstance) -> front_door_pb2.Instance | None:
        if not _FILE_NAME.fullmatch(trusted.id):
            return None
        try:
            return front_door_pb2.Instance.FromString(self._file(trusted).read_bytes())
        except (OSError, DecodeError):
            return None

    def _file(self, trusted: TrustedInstance) -> Path:
        return self.folder / f"{trusted.id}.pb"
