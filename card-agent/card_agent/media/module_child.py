"""The child process in which one PKCS#11 module runs: requests come on its standard input, answers go to its output.

A vendor's module may crash, hang, or print; here it hurts nobody but this process. It decides nothing: it calls the
module and hands back what that returned. A request and an answer are one line of JSON each, bytes in hexadecimal.
"""

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, BinaryIO

import pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass, SlotFlag

# After these the whole token is gone, and not only one value of an object.
_TOKEN_GONE = (pkcs11.DeviceRemoved, pkcs11.TokenNotPresent, pkcs11.DeviceError, pkcs11.SessionHandleInvalid)


class NotALibrary(Exception):
    """The file is no library, one that lacks a library of its own, or no PKCS#11 module."""


class HostedModule:
    """A module, its open sessions by slot, and the keys that were read last."""

    def __init__(self) -> None:
        self._library: Any = None
        self._slots: dict[int, Any] = {}
        self._sessions: dict[int, Any] = {}
        self._keys: dict[int, list[Any]] = {}
        # For keys that want the PIN again right before the signature; used for one.
        self._pins: dict[int, str] = {}
        # The readers whose cards have seen a PIN.
        self._readers: set[str] = set()

    def start(self, path: str) -> dict[str, Any]:
        """Loads the module and initializes it. Raises NotALibrary."""
        try:
            self._library = pkcs11.lib(path)
        except pkcs11.PKCS11Error as error:
            # The library has no exception of its own for this.
            if type(error) is pkcs11.PKCS11Error and "while loading" in str(error):
                raise NotALibrary from error
            raise
        return {}

    def tokens(self) -> dict[str, Any]:
        """Returns the slots, and the token in each."""
        slots = self._library.get_slots()
        self._slots = {slot.slot_id: slot for slot in slots}
        return {"slots": [_describe_slot(slot) for slot in slots]}

    def read(self, slot: int) -> dict[str, Any]:
        """Returns the certificates, the private keys and the mechanisms of a token, as far as it shows them now."""
        if slot not in self._sessions:
            self._sessions[slot] = self._slots[slot].get_token().open()
        session = self._sessions[slot]
        certificates = [
            {"id": _read_hex(each, Attribute.ID), "der": _read_hex(each, Attribute.VALUE)}
            for each in list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
        ]
        self._keys[slot] = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        keys = [
            {
                "id": _read_hex(each, Attribute.ID),
                "modulus": _read_hex(each, Attribute.MODULUS),
                "signs": _read(each, Attribute.SIGN) is not False,
            }
            for each in self._keys[slot]
        ]
        mechanisms = [each.name for each in self._slots[slot].get_mechanisms() if isinstance(each, Mechanism)]
        return {"certificates": certificates, "keys": keys, "mechanisms": mechanisms}

    def log_in(self, slot: int, pin: str) -> dict[str, Any]:
        """Sends the PIN to the token, once."""
        session = self._sessions.pop(slot, None)
        if session is not None:
            session.close()
        self._keys.pop(slot, None)
        self._readers.add(self._slots[slot].slot_description)
        self._sessions[slot] = self._slots[slot].get_token().open(user_pin=pin)
        self._pins[slot] = pin
        return {}

    def sign(self, slot: int, key: int, mechanism: str, parameter: Sequence[Any] | None, data: str) -> dict[str, Any]:
        """Returns what the mechanism makes of the data; `key` is its position among the keys that `read` returned."""
        pin = self._pins.pop(slot, None)
        private_key = self._keys[slot][key]
        values = None
        if parameter is not None:
            hash_name, salt_length = parameter
            values = (Mechanism[hash_name], pkcs11.MGF[hash_name], salt_length)
        wants_pin = _read(private_key, Attribute.ALWAYS_AUTHENTICATE) is True
        signature = private_key.sign(
            bytes.fromhex(data),
            mechanism=Mechanism[mechanism],
            mechanism_param=values,
            pin=pin if wants_pin else None,
        )
        return {"signature": signature.hex()}

    def end(self) -> dict[str, Any]:
        """Logs out, has the module release its cards, and resets those that have seen a PIN."""
        try:
            for session in self._sessions.values():
                session.close()
            if self._library is not None:
                self._library.finalize()
        finally:
            if self._readers:
                # Late, because it is needed for nothing else.
                from card_agent.media.card_reset import reset_card

                for reader in self._readers:
                    reset_card(reader)
        return {}


def main() -> None:
    """Serves one module until the agent ends or says so."""
    requests, answers = _take_pipes()
    _leave_no_trace()
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    module = HostedModule()
    calls: Mapping[str, Callable[..., dict[str, Any]]] = {
        "start": module.start,
        "tokens": module.tokens,
        "read": module.read,
        "log_in": module.log_in,
        "sign": module.sign,
        "end": module.end,
    }
    while True:
        request = json.loads(waiting.get())
        try:
            answer = calls[request["call"]](**request["arguments"])
        except Exception as error:
            # Nothing but its kind: the text of an error may show the PIN.
            answer = {"error": _name_error(error)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        if request["call"] == "end":
            # Without the clean-up of Python, in which a module may still crash.
            os._exit(0)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Returns the pipes of the agent, and gives the module others: it may print, or read what is typed."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _leave_no_trace() -> None:
    """Has a crash leave neither a file with the memory, in which the PIN may be, nor a window."""
    # The agent decides when it ends: Ctrl-C would come in the middle of a command to the card.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.SetErrorMode(msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX)
    else:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _receive(requests: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    for line in requests:
        waiting.put(line)
    # The agent has ended, and the module may hang.
    os._exit(1)


def _describe_slot(slot: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"slot": slot.slot_id, "reader": slot.slot_description, "token": None, "error": ""}
    if not slot.flags & SlotFlag.TOKEN_PRESENT:
        return described
    try:
        token = slot.get_token()
    except pkcs11.TokenNotPresent:
        return described
    except pkcs11.PKCS11Error as error:
        return described | {"error": _name_error(error)}
    names = {"label": token.label, "serial": token.serial.hex(), "model": token.model}
    return described | {"token": {**names, "flags": int(token.flags)}}


def _read(found: Any, attribute: Attribute) -> Any:
    """Returns a value of an object; None if it has none, or none that can be read."""
    try:
        return found[attribute]
    except _TOKEN_GONE:
        raise
    except (pkcs11.PKCS11Error, ValueError, NotImplementedError):
        return None


def _read_hex(found: Any, attribute: Attribute) -> str:
    value = _read(found, attribute)
    return value.hex() if isinstance(value, bytes) else ""


def _name_error(error: Exception) -> str:
    """Returns the name of a PKCS#11 error, or its number where the library has no name for it."""
    if type(error) is pkcs11.PKCS11Error:
        number = re.search(r"0x[0-9a-fA-F]+|\b[0-9]+\b", str(error))
        return number.group() if number else "PKCS11Error"
    return type(error).__name__


if __name__ == "__main__":
    main()
