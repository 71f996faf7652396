"""Resets a card after a PKCS#11 module used it: many modules leave the PIN verified for the next program.

OpenSC's does so, for example, although it is told to log out; the card forgets only when nobody is connected any more.
Runs in the module's child process.
"""

from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

# A slot's description in CK_SLOT_INFO has no room for more bytes.
_MOST_BYTES = 64


def reset_card(reader: str) -> None:
    """Resets the card in the reader that a module describes so, if it is a reader of PC/SC. Raises nothing.

    May wait for the transaction of another program.
    """
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        return
    _, names = scard.SCardListReaders(context, [])
    for name in names:
        if name.encode()[:_MOST_BYTES].decode(errors="replace").rstrip() == reader:
            _reset(context, name)
    scard.SCardReleaseContext(context)


def _reset(context: int, reader: str) -> None:
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    result, handle, _ = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
    if result == scard.SCARD_S_SUCCESS:
        scard.SCardDisconnect(handle, scard.SCARD_RESET_CARD)
