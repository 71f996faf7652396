"""Where the agent finds the notice of the newest release: beside its program, in its owner's folder, or by https.

Beside the program lies the file with the keys that sign releases, which came with the package. Without it nothing is
read.
"""

import contextlib
import re
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typing_extensions import override

from card_agent.console.words import Words
from card_agent.private_files import write_private
from card_agent.release import (
    MOST_NOTICE_BYTES,
    NoticeRefused,
    Release,
    is_newer,
    read_notice,
    read_version,
    say_newer,
)

NOTICE_FILE = "release.json"
KEYS_FILE = "release-keys.pem"
FETCH_SECONDS = 5.0
_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def locate_program() -> Path:
    """Returns the folder of the packaged program; of the package where it runs from its sources."""
    return Path(sys.executable).resolve().parent if getattr(sys, "frozen", False) else Path(__file__).parent


def read_keys(program: Path) -> Sequence[Ed25519PublicKey]:
    """Returns the keys that sign releases: those of the file beside the program, none where there is no such file."""
    try:
        pem = (program / KEYS_FILE).read_bytes()
        keys = [load_pem_public_key(block) for block in _PEM_BLOCK.findall(pem)]
    except (OSError, ValueError, UnsupportedAlgorithm):
        return ()
    return tuple(key for key in keys if isinstance(key, Ed25519PublicKey))


def find_newest(program: Path, configuration: Path, *, now: datetime | None = None) -> Release | None:
    """Returns the newest release of which a good notice speaks, beside the program or in the owner's folder.

    A notice that can't be read, or that none of the keys has signed, counts as none.
    """
    keys = read_keys(program)
    if not keys:
        return None
    newest: Release | None = None
    for folder in (program, configuration):
        with contextlib.suppress(OSError, NoticeRefused):
            release = read_notice(_read_bounded(folder / NOTICE_FILE), keys, now=now or datetime.now(UTC))
            if newest is None or is_newer(release.version, newest.version):
                newest = release
    return newest


def say_what_is_newer(program: Path, configuration: Path) -> Words | None:
    """Returns the sentence that a newer version exists, from the notices on this PC; None where none is known."""
    return say_newer(find_newest(program, configuration), read_version())


def fetch_notice(program: Path, configuration: Path, address: str, authority: Path | None = None) -> None:
    """Fetches a notice by https, and keeps it in the owner's folder if it is good and the newest; a failure is silent.

    Nothing is sent but the request, and a redirect is not followed. `authority`: CA certificates (PEM) that verify the
    server too, beside the system's.
    """
    keys = read_keys(program)
    if not keys:
        return
    with contextlib.suppress(OSError, HTTPException, ValueError, NoticeRefused):
        context = ssl.create_default_context()
        if authority is not None:
            context.load_verify_locations(authority)
        notice = _fetch(address, context)
        release = read_notice(notice, keys, now=datetime.now(UTC))
        known = find_newest(program, configuration)
        if known is None or is_newer(release.version, known.version):
            configuration.mkdir(parents=True, exist_ok=True)
            write_private(configuration / NOTICE_FILE, notice.decode())


class _WithoutRedirects(urllib.request.HTTPRedirectHandler):
    @override
    def redirect_request(self, *_: object) -> None:
        return None


def _fetch(address: str, context: ssl.SSLContext) -> bytes:
    if not address.startswith("https://"):
        raise ValueError("not https")
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _WithoutRedirects())
    opener.addheaders = [("User-Agent", "toroku-card-agent")]
    with opener.open(address, timeout=FETCH_SECONDS) as answer:
        content: bytes = answer.read(MOST_NOTICE_BYTES + 1)
    return content


def _read_bounded(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MOST_NOTICE_BYTES + 1)
