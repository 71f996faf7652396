"""While `card-agent serve` runs, it asks once a day whether a newer version of the agent was released."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from card_agent.release_notices import fetch_notice, locate_program
from card_agent.trust import TrustedInstance
from refusals import Refusal

_SECONDS_BETWEEN = 24 * 60 * 60.0


def look_for_releases(folder: Path, trusted: Callable[[], Sequence[TrustedInstance]]) -> None:
    """Begins to fetch the notices that trusted instances name, in a thread that ends with the program.

    A person without network notices nothing of it.
    """

    def look() -> None:
        while True:
            fetch_all(locate_program(), folder, trusted)
            time.sleep(_SECONDS_BETWEEN)

    threading.Thread(target=look, name="looking for releases", daemon=True).start()


def fetch_all(program: Path, folder: Path, trusted: Callable[[], Sequence[TrustedInstance]]) -> None:
    """Fetches the notices that the trusted instances name; none where the trust file can't be read."""
    try:
        instances = trusted()
    except Refusal:
        return
    for instance in instances:
        if instance.releases:
            fetch_notice(program, folder, instance.releases, instance.authority)
