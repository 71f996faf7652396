"""Resets a card after a PKCS#11 module used it: many modules leave the PIN verified for the next program.

OpenSC's does so, for example, although it is told to log out; the card forgets only when nobody is connected any more.
"""

import threading

from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

# Another program may be in the middle of a transaction; then its own end has to do.
_SECONDS = 3.0
# A slot's description in CK_SLOT_INFO has no room for more bytes.
_MOST_BYTES = 64


def reset_card(reader: str) -> None:
    """Resets the card in the reader that a module describes so, if it is a reader of PC/SC. Never fails."""
    thread = threading.Thread(target=_reset, args=(reader,), name="resetting the card", daemon=True)
    thread.start()
    thread.join(_SECONDS)


def _reset(reader: str) -> None:
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        return
    try:
        _, names = scard.SCardListReaders(context, [])
        for name in names:
            if name.encode()[:_MOST_BYTES].decode(errors="replace").rstrip() == reader:
                _reset_in(context, name)
    finally:
        scard.SCardReleaseContext(context)


def _reset_in(context: int, reader: str) -> None:
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    result, handle, _ = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
    if result == scard.SCARD_S_SUCCESS:
        scard.SCardDisconnect(handle, scard.SCARD_RESET_CARD)
