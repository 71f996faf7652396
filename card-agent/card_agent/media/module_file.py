"""For which machine a library was built, from its header, before it is loaded.

A program of 64 bits can't load a library of 32 bits, and the system's own message for that helps nobody.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from refusals import Code, Refusal

# ELF: e_ident and e_machine (gABI, chapter 4). PE: offset of its header in the DOS header, Machine in the COFF header
# (Microsoft, PE Format). Mach-O: mach_header and fat_header (Apple, loader.h and fat.h).
_ELF = b"\x7fELF"
_DOS, _PE = b"MZ", b"PE\0\0"
_MACH_O = {b"\xce\xfa\xed\xfe": "<", b"\xcf\xfa\xed\xfe": "<", b"\xfe\xed\xfa\xce": ">", b"\xfe\xed\xfa\xcf": ">"}
_MACH_O_OF_SEVERAL = b"\xca\xfe\xba\xbe"
# A class file of Java begins with the same four bytes; its next number is above this.
_MOST_MACHINES = 20
_MOST_HEADER_BYTES = 4096
_NAMES = {
    ("ELF", 3): "x86, 32 bit",
    ("ELF", 40): "ARM, 32 bit",
    ("ELF", 62): "x86-64, 64 bit",
    ("ELF", 183): "ARM64, 64 bit",
    ("PE", 0x014C): "x86, 32 bit",
    ("PE", 0x01C4): "ARM, 32 bit",
    ("PE", 0x8664): "x86-64, 64 bit",
    ("PE", 0xAA64): "ARM64, 64 bit",
    ("Mach-O", 0x00000007): "x86, 32 bit",
    ("Mach-O", 0x0000000C): "ARM, 32 bit",
    ("Mach-O", 0x01000007): "x86-64, 64 bit",
    ("Mach-O", 0x0100000C): "ARM64, 64 bit",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The format of a program or library, and the number that the format gives to its processor."""

    format: str
    number: int

    @override
    def __str__(self) -> str:
        return _NAMES.get((self.format, self.number), f"{self.format} {self.number}")


def read_machines(path: Path) -> frozenset[Machine]:
    """Returns for which machines a program or library was built, several on macOS only; none if it is neither.

    Raises OSError.
    """
    with path.open("rb") as file:
        header = file.read(_MOST_HEADER_BYTES)
    try:
        return frozenset(_read_header(header))
    except struct.error:
        return frozenset()


def check_module(module: Path, host: Path) -> None:
    """Raises MODULE_NOT_FOUND, MODULE_NOT_LIBRARY, or MODULE_OTHER_MACHINE if `host`, a program, can't load it."""
    try:
        machines = read_machines(module)
    except FileNotFoundError as error:
        raise Refusal("MODULE_NOT_FOUND", Code.NOT_FOUND, {"module": str(module)}) from error
    except (OSError, ValueError) as error:
        raise refuse_library(module) from error
    try:
        of_host = read_machines(host)
    except OSError:
        of_host = frozenset()
    if not machines:
        raise refuse_library(module)
    # A host that is a script has no machine of its own.
    if of_host and not machines & of_host:
        metadata = {"module": str(module), "machine": _write(machines), "host_machine": _write(of_host)}
        raise Refusal("MODULE_OTHER_MACHINE", Code.INVALID_ARGUMENT, metadata)


def refuse_library(module: Path) -> Refusal:
    """Returns the refusal MODULE_NOT_LIBRARY."""
    return Refusal("MODULE_NOT_LIBRARY", Code.INVALID_ARGUMENT, {"module": str(module)})


def _read_header(header: bytes) -> list[Machine]:
    if header.startswith(_ELF):
        order = ">" if header[5:6] == b"\2" else "<"
        return [Machine("ELF", struct.unpack_from(f"{order}H", header, 18)[0])]
    if header.startswith(_DOS):
        offset = struct.unpack_from("<I", header, 0x3C)[0]
        if header[offset : offset + 4] == _PE:
            return [Machine("PE", struct.unpack_from("<H", header, offset + 4)[0])]
    if header[:4] in _MACH_O:
        return [Machine("Mach-O", struct.unpack_from(f"{_MACH_O[header[:4]]}I", header, 4)[0])]
    if header.startswith(_MACH_O_OF_SEVERAL):
        count = struct.unpack_from(">I", header, 4)[0]
        if count <= _MOST_MACHINES:
            return [Machine("Mach-O", struct.unpack_from(">I", header, 8 + 20 * number)[0]) for number in range(count)]
    return []


def _write(machines: frozenset[Machine]) -> str:
    return " / ".join(sorted(str(machine) for machine in machines))
