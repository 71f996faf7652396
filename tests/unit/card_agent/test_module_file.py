"""For which machine a PKCS#11 module was built, read from its header (CRD-08)."""

import struct
import sys
from pathlib import Path

import pytest

from card_agent.media.module_file import check_module, read_machines
from refusals import Refusal


def elf(machine: int, *, big_endian: bool = False) -> bytes:
    order = ">" if big_endian else "<"
    return b"\x7fELF" + bytes([2, 2 if big_endian else 1, 1]) + bytes(9) + struct.pack(f"{order}HH", 3, machine)


def pe(machine: int, offset: int = 0x80) -> bytes:
    return (
        (b"MZ" + bytes(0x3A) + struct.pack("<I", offset)).ljust(offset, b"\0") + b"PE\0\0" + struct.pack("<H", machine)
    )


def mach_o(machine: int) -> bytes:
    return b"\xcf\xfa\xed\xfe" + struct.pack("<I", machine)


def of_several(*machines: int) -> bytes:
    parts = b"".join(struct.pack(">IIIII", machine, 0, 0, 0, 0) for machine in machines)
    return b"\xca\xfe\xba\xbe" + struct.pack(">I", len(machines)) + parts


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (elf(3), {"x86, 32 bit"}),
        (elf(62), {"x86-64, 64 bit"}),
        (elf(183), {"ARM64, 64 bit"}),
        (elf(22, big_endian=True), {"ELF 22"}),
        (pe(0x014C), {"x86, 32 bit"}),
        (pe(0x8664), {"x86-64, 64 bit"}),
        (pe(0xAA64, offset=0xF0), {"ARM64, 64 bit"}),
        (mach_o(0x01000007), {"x86-64, 64 bit"}),
        (of_several(0x01000007, 0x0100000C), {"x86-64, 64 bit", "ARM64, 64 bit"}),
        # A class file of Java, version 55.
        (b"\xca\xfe\xba\xbe\0\0\0\x37" + bytes(60), set()),
        (pe(0x8664)[:-2], set()),
        (b"MZ" + bytes(0x3A) + b"\xff\xff\xff\x7f", set()),
        (b"\x7fELF", set()),
        (b"", set()),
        (b"#!/bin/sh\n", set()),
    ],
)
def test_machines_are_read_from_every_format(header: bytes, names: set[str], tmp_path: Path) -> None:
    path = tmp_path / "module"
    path.write_bytes(header)
    assert {str(machine) for machine in read_machines(path)} == names


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_module_fits_a_host_of_one_of_its_machines(tmp_path: Path) -> None:
    module = write(tmp_path / "module", of_several(0x01000007, 0x0100000C))
    check_module(module, write(tmp_path / "host", mach_o(0x0100000C)))
    with pytest.raises(Refusal) as refused:
        check_module(module, write(tmp_path / "old", mach_o(7)))
    assert refused.value.reason == "MODULE_OTHER_MACHINE"
    assert refused.value.metadata["host_machine"] == "x86, 32 bit"
    assert refused.value.metadata["machine"] == "ARM64, 64 bit / x86-64, 64 bit"


def test_library_of_another_system_is_another_machine(tmp_path: Path) -> None:
    module = write(tmp_path / "module.dll", pe(0x8664))
    with pytest.raises(Refusal, match="MODULE_OTHER_MACHINE"):
        check_module(module, write(tmp_path / "host", elf(62)))


def test_this_program_loads_what_was_built_for_this_machine() -> None:
    host = Path(sys.executable).resolve()
    check_module(next(Path("/usr/lib").glob("*/libc.so.6")), host)


def test_host_that_is_a_script_is_not_judged(tmp_path: Path) -> None:
    check_module(write(tmp_path / "module", elf(3)), write(tmp_path / "host", b"#!/bin/sh\n"))
