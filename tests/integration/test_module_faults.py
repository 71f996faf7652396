"""What a vendor's PKCS#11 module may do wrong, and what the agent makes of it (CRD-08).

A stub of SoftHSM's module crashes, hangs, prints, counts and hides; it runs in the real child process.
"""

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from card_agent.media.module_process import HOST_VARIABLE, TimeLimits
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from card_agent.media.token import Pin, choose_algorithm
from refusals import Refusal
from tests.support.pkcs11_modules import PIN, SoftToken, list_logins

WRONG = "987654"
USER, AGAIN = "1", "2"
SHORT = TimeLimits(start=1.5, read=1.5, log_in=0.4, sign=0.4, end=0.4)
ELF_OF_32_BIT = b"\x7fELF\1\1\1" + bytes(9) + b"\3\0\3\0\1\0\0\0" + bytes(64)


@dataclass(frozen=True, slots=True)
class Stub:
    """The stub module for one test, its log of PINs and its number of tries; `monkeypatch` gives it its faults."""

    module: Path
    folder: Path
    card_der: bytes
    monkeypatch: pytest.MonkeyPatch

    def behave(self, fault: str = "", habits: str = "") -> None:
        """Sets what the module does wrong from now on."""
        self.monkeypatch.setenv("STUB_FAULT", fault)
        self.monkeypatch.setenv("STUB_HABITS", habits)

    def medium(self, limits: TimeLimits = SHORT) -> TokenInModule:
        """Returns the only token of the module."""
        return TokenInModule(Pkcs11Module(self.module, limits))

    def sign(self, pin: str = PIN, limits: TimeLimits = SHORT) -> bytes:
        """Has the token sign, as the agent does."""
        medium = self.medium(limits)
        with medium.open() as token:
            if not medium.pin_before_reading:
                assert [each.der for each in token.certificates()] == [self.card_der]
            token.verify_pin(Pin(pin))
            (certificate,) = token.certificates()
            return token.sign(certificate, b"data", choose_algorithm(certificate.certificate))

    def refused(self, pin: str = PIN) -> Refusal:
        """Returns why the token does not sign."""
        with pytest.raises(Refusal) as refused:
            self.sign(pin)
        return refused.value

    @property
    def logins(self) -> list[str]:
        """The PINs that reached the module, by type of user."""
        return list(list_logins(self.folder / "log"))


@pytest.fixture
def stub(stub_of_the_session: Path, soft_token: SoftToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    for name, value in soft_token.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STUB_SOFTHSM", str(soft_token.module))
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("STUB_TRIES", str(tmp_path / "tries"))
    return Stub(stub_of_the_session, tmp_path, soft_token.card.der, monkeypatch)


@pytest.mark.parametrize("function", ["C_GetFunctionList", "C_Initialize", "C_Login", "C_Sign"])
def test_crash_of_a_module_is_refused_and_the_next_try_signs(stub: Stub, function: str) -> None:
    stub.behave(f"crash {function}")
    assert stub.refused().reason == "MODULE_CRASHED"
    assert stub.logins == ([USER] if function in ("C_Login", "C_Sign") else [])
    stub.behave()
    assert stub.sign()


@pytest.mark.parametrize("function", ["C_GetFunctionList", "C_Initialize", "C_Login", "C_Sign"])
def test_hanging_module_is_stopped_and_the_next_try_signs(stub: Stub, function: str) -> None:
    stub.behave(f"hang {function}")
    began = time.monotonic()
    refusal = stub.refused()
    assert (refusal.reason, refusal.metadata["module"]) == ("MODULE_NOT_ANSWERING", str(stub.module))
    assert time.monotonic() - began < 5
    # A PIN that may have been counted is not sent again.
    assert stub.logins == ([USER] if function in ("C_Login", "C_Sign") else [])
    stub.behave()
    assert stub.sign()


@pytest.mark.parametrize(
    ("function", "reason"), [("C_Initialize", "MODULE_FAILED"), ("C_Login", "CARD_FAILED"), ("C_Sign", "CARD_FAILED")]
)
def test_error_of_a_module_is_shown_by_its_name_or_number(stub: Stub, function: str, reason: str) -> None:
    number, code = ("0x80000042", "0x80000042") if function == "C_Sign" else ("5", "GeneralError")
    stub.behave(f"{number} {function}")
    refusal = stub.refused()
    assert (refusal.reason, refusal.metadata["code"]) == (reason, code)


def test_module_that_prints_does_not_disturb(stub: Stub, capfd: pytest.CaptureFixture[str]) -> None:
    stub.behave("noise C_Initialize")
    assert stub.sign()
    assert capfd.readouterr() == ("", "")


def test_wrong_pin_says_what_the_module_knows_and_is_sent_once(stub: Stub) -> None:
    medium = stub.medium()
    with medium.open() as token:
        for pin, reason, tries_left in (
            (WRONG, "CARD_PIN_WRONG_UNCOUNTED", None),
            (WRONG, "CARD_PIN_WRONG", 1),
            (PIN, "", None),
            (WRONG, "CARD_PIN_WRONG_UNCOUNTED", None),
            (WRONG, "CARD_PIN_WRONG", 1),
            (WRONG, "CARD_PIN_BLOCKED", 0),
            (PIN, "CARD_PIN_BLOCKED", 0),
        ):
            before = len(stub.logins)
            if reason:
                with pytest.raises(Refusal) as refused:
                    token.verify_pin(Pin(pin))
                assert refused.value.reason == reason
                assert refused.value.metadata.get("tries_left") == ("1" if reason == "CARD_PIN_WRONG" else None)
            else:
                token.verify_pin(Pin(pin))
            assert len(stub.logins) == before + 1
            assert token.pin_tries_left() == tries_left
    (found,) = medium.module.list_media()
    assert (found.tries_left, len(found.certificates)) == (0, 1)


@pytest.mark.parametrize("pin", ["", "１２３４５６", "秘密", "123456\udcff"])
def test_pin_that_no_card_has_never_reaches_the_module(stub: Stub, pin: str) -> None:
    assert stub.refused(pin).reason == "MODULE_PIN_CHARACTERS"
    assert stub.logins == []


def test_pin_of_a_wrong_length_is_refused(stub: Stub) -> None:
    stub.behave(habits="short-pin")
    assert stub.refused().reason == "MODULE_PIN_FORM"


def test_certificates_behind_the_pin_are_read_after_it(stub: Stub) -> None:
    stub.behave(habits="hidden")
    (found,) = stub.medium().module.list_media()
    assert (found.certificates, found.refusal) == ((), None)
    assert found.medium is not None
    assert found.medium.pin_before_reading
    assert stub.medium().pin_before_reading
    assert stub.sign()
    assert stub.logins == [USER]


def test_key_that_wants_the_pin_again_gets_it_for_one_signature(stub: Stub) -> None:
    stub.behave(habits="pin-again")
    assert stub.sign()
    assert stub.logins == [USER, AGAIN]


def test_module_without_hashes_signs_what_the_agent_has_padded(stub: Stub) -> None:
    usual = stub.sign()
    stub.behave(habits="raw")
    assert stub.sign() == usual


def test_reader_with_a_keypad_is_refused_before_a_pin_is_asked(stub: Stub) -> None:
    stub.behave(habits="pin-pad")
    (found,) = stub.medium().module.list_media()
    assert found.refusal is not None
    assert found.refusal.reason == "MODULE_PIN_PAD"
    assert stub.refused().reason == "MODULE_PIN_PAD"
    assert stub.logins == []


def test_modules_at_once_do_not_wait_for_the_one_that_hangs(stub: Stub, soft_token: SoftToken) -> None:
    stub.behave("hang C_Initialize")
    reasons: list[str] = []
    limits = TimeLimits(start=3.0)
    hanging = threading.Thread(
        target=lambda: reasons.extend(
            each.refusal.reason for each in Pkcs11Module(stub.module, limits).list_media() if each.refusal
        )
    )
    hanging.start()
    (found,) = Pkcs11Module(soft_token.module).list_media()
    assert len(found.certificates) == 1
    assert hanging.is_alive()
    hanging.join()
    assert reasons == ["MODULE_NOT_ANSWERING"]


def test_pin_is_in_no_command_line_no_environment_and_no_memory_image(stub: Stub) -> None:
    stub.behave("hang C_Sign")
    seen: list[bytes] = []

    def look() -> None:
        while not stub.logins:
            time.sleep(0.01)
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    text = (process / name).read_bytes()
                except OSError:
                    continue
                if name == "cmdline" and b"module_child" in text:
                    seen.append((process / "limits").read_bytes())
                assert PIN.encode() not in text

    watching = threading.Thread(target=look)
    watching.start()
    stub.refused()
    watching.join()
    # Nor would a crash write the memory to a file.
    assert any(re.search(rb"Max core file size +0 +0 ", limits) for limits in seen)


def test_agent_that_ends_takes_a_hanging_module_with_it(stub: Stub) -> None:
    stub.behave("hang C_Initialize")
    program = f"""
import threading, time
from pathlib import Path
from card_agent.media.pkcs11 import Pkcs11Module
threading.Thread(target=Pkcs11Module(Path({str(stub.module)!r})).list_media, daemon=True).start()
while not (found := "".join(each.read_text() for each in Path("/proc/self/task").glob("*/children"))):
    time.sleep(0.02)
print(found)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    status = Path("/proc", ended.stdout.strip(), "status")
    deadline = time.monotonic() + 10
    # Killed, but perhaps not taken note of by the process that inherited it.
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("content", [b"", b"MZ", b"PK\3\4 no library", b"\x7fELF", b"\xca\xfe\xba\xbe\0\0\0\x37"])
def test_file_that_is_no_library_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "module.dll"
    path.write_bytes(content)
    (found,) = Pkcs11Module(path).list_media()
    assert found.refusal is not None
    assert (found.refusal.reason, found.place) == ("MODULE_NOT_LIBRARY", str(path))


def test_missing_module_folder_and_other_library_are_refused(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*/libz.so.1"))
    for path, reason in (
        (tmp_path / "no.so", "MODULE_NOT_FOUND"),
        (tmp_path, "MODULE_NOT_LIBRARY"),
        (library, "MODULE_NOT_LIBRARY"),
    ):
        (found,) = Pkcs11Module(path).list_media()
        assert found.refusal is not None
        assert found.refusal.reason == reason


def test_module_of_another_machine_is_named_and_served_by_a_host_of_that_machine(stub: Stub, tmp_path: Path) -> None:
    module = tmp_path / "of-32-bit.so"
    module.write_bytes(ELF_OF_32_BIT)
    (found,) = Pkcs11Module(module).list_media()
    assert found.refusal is not None
    assert found.refusal.reason == "MODULE_OTHER_MACHINE"
    assert found.refusal.metadata["machine"] == "x86, 32 bit"
    # A stand-in for a build of 32 bits: it serves another file, which this machine can load.
    host = tmp_path / "host"
    served = str(stub.module).encode("unicode_escape").decode().replace("\\", "\\\\")
    host.write_text(
        f'#!/bin/sh\n[ "$1" = host-module ] || exit 1\n'
        f"sed -u 's|{module}|{served}|' | '{sys.executable}' -m card_agent host-module\n"
    )
    host.chmod(0o755)
    stub.monkeypatch.setenv(HOST_VARIABLE, str(host))
    (found,) = Pkcs11Module(module).list_media()
    assert [each.certificate.der for each in found.certificates] == [stub.card_der]
    stub.monkeypatch.setenv(HOST_VARIABLE, str(tmp_path / "no-host"))
    (found,) = Pkcs11Module(module).list_media()
    assert found.refusal is not None
    assert found.refusal.reason == "MODULE_HOST_UNUSABLE"
