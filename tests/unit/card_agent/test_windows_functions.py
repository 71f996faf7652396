"""The functions of Windows that the agent calls, held against the declarations that Microsoft documents for them."""

import ast
import ctypes
import re
import struct
from ctypes import wintypes
from pathlib import Path
from socket import inet_aton
from typing import Any

import card_agent
from card_agent.local_page import windows_sockets
from card_agent.local_page.windows_sockets import SIGNATURES, SidAndAttributes, TcpRow, find_process

# As the pages of learn.microsoft.com declare them, without the names of the parameters.
DECLARATIONS = {
    "iphlpapi": ["DWORD GetExtendedTcpTable(PVOID, PDWORD, BOOL, ULONG, TCP_TABLE_CLASS, ULONG)"],
    "kernel32": ["HANDLE OpenProcess(DWORD, BOOL, DWORD)", "BOOL CloseHandle(HANDLE)"],
    "advapi32": [
        "BOOL OpenProcessToken(HANDLE, DWORD, PHANDLE)",
        "BOOL GetTokenInformation(HANDLE, TOKEN_INFORMATION_CLASS, LPVOID, DWORD, PDWORD)",
        "DWORD GetLengthSid(PSID)",
    ],
}
# "Windows Data Types" of the same documentation; an enumeration is an int.
TYPES: dict[str, Any] = {
    "BOOL": wintypes.BOOL,
    "DWORD": wintypes.DWORD,
    "HANDLE": wintypes.HANDLE,
    "LPVOID": ctypes.c_void_p,
    "PDWORD": ctypes.POINTER(wintypes.DWORD),
    "PHANDLE": ctypes.POINTER(wintypes.HANDLE),
    "PSID": ctypes.c_void_p,
    "PVOID": ctypes.c_void_p,
    "TCP_TABLE_CLASS": ctypes.c_int,
    "TOKEN_INFORMATION_CLASS": ctypes.c_int,
    "ULONG": wintypes.ULONG,
}


def read_declaration(declaration: str) -> tuple[str, tuple[Any, tuple[Any, ...]]]:
    found = re.fullmatch(r"(\w+) (\w+)\((.*)\)", declaration)
    assert found
    return found[2], (TYPES[found[1]], tuple(TYPES[name] for name in found[3].split(", ")))


def test_signatures_are_the_documented_ones() -> None:
    documented = {
        (library, name): signature
        for library, declarations in DECLARATIONS.items()
        for name, signature in map(read_declaration, declarations)
    }
    assert dict(SIGNATURES) == documented


def test_structures_have_the_documented_layout() -> None:
    # MIB_TCPROW_OWNER_PID: six DWORDs. SID_AND_ATTRIBUTES: a pointer and a DWORD.
    assert [(name, getattr(TcpRow, name).offset) for name, _ in TcpRow._fields_] == [
        ("state", 0),
        ("local_address", 4),
        ("local_port", 8),
        ("remote_address", 12),
        ("remote_port", 16),
        ("owning_pid", 20),
    ]
    assert ctypes.sizeof(TcpRow) == 24
    pointer = ctypes.sizeof(ctypes.c_void_p)
    assert (SidAndAttributes.sid.offset, SidAndAttributes.attributes.offset) == (0, pointer)


def test_process_of_a_connection_is_found_in_a_table_of_windows() -> None:
    browser, agent = ("127.0.0.1", 49_700), ("127.0.0.1", 51_234)
    # Each connection on one machine has two rows, one for each end. Behind a port come two bytes that do not count.
    rows = [(agent, browser, 4711), (browser, agent, 815), (("127.0.0.1", 49_701), agent, 42)]
    table = struct.pack("<I", len(rows)) + b"".join(
        struct.pack(
            "<I4sH2s4sH2sI", 5, inet_aton(one[0]), swap(one[1]), b"??", inet_aton(other[0]), swap(other[1]), b"??", pid
        )
        for one, other, pid in rows
    )
    assert find_process(table, browser, agent) == 815
    assert find_process(table, agent, browser) == 4711
    assert find_process(table, browser, ("127.0.0.1", 1)) is None
    assert find_process(b"", browser, agent) is None


def test_every_call_of_a_library_has_a_signature() -> None:
    # Without one, ctypes would cut a handle to an int.
    users = {
        file.name
        for file in Path(card_agent.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "ctypes" for name in node.names)
    }
    assert users == {"windows_sockets.py"}
    loaded = set(re.findall(r'_load\("(\w+)", "(\w+)"\)', Path(windows_sockets.__file__).read_text("utf-8")))
    assert loaded == set(SIGNATURES)


def swap(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "big"), "little")
