"""Whose socket one is on Windows: the process by GetExtendedTcpTable, and the user of its token.

Nobody has run this on Windows yet (docs/limitations.md). The signatures are data, so that a test holds them against the
documented ones.
"""

import ctypes
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any

# iphlpapi.h: TCP_TABLE_OWNER_PID_ALL; ws2def.h: AF_INET.
_TABLE_OWNER_PID_ALL, _AF_INET = 5, 2
# winnt.h: PROCESS_QUERY_LIMITED_INFORMATION, TOKEN_QUERY, TokenUser.
_QUERY_LIMITED, _TOKEN_QUERY, _TOKEN_USER = 0x1000, 0x0008, 1
_NO_ERROR, _BUFFER_TOO_SMALL = 0, 122
_MOST_ATTEMPTS = 5


# In structures with the size that a DWORD has on Windows; that of `wintypes` is as wide as this system's long.
class TcpRow(ctypes.Structure):
    """tcpmib.h: MIB_TCPROW_OWNER_PID; addresses and ports in network byte order."""

    _fields_ = (
        ("state", ctypes.c_uint32),
        ("local_address", ctypes.c_uint32),
        ("local_port", ctypes.c_uint32),
        ("remote_address", ctypes.c_uint32),
        ("remote_port", ctypes.c_uint32),
        ("owning_pid", ctypes.c_uint32),
    )


class SidAndAttributes(ctypes.Structure):
    """winnt.h: SID_AND_ATTRIBUTES, the only member of TOKEN_USER."""

    _fields_ = (("sid", ctypes.c_void_p), ("attributes", ctypes.c_uint32))


# Library and function: the result, and the arguments in their order.
SIGNATURES: Mapping[tuple[str, str], tuple[Any, tuple[Any, ...]]] = {
    ("iphlpapi", "GetExtendedTcpTable"): (
        wintypes.DWORD,
        (
            ctypes.c_void_p,
            ctypes.POINTER(wintypes.DWORD),
            wintypes.BOOL,
            wintypes.ULONG,
            ctypes.c_int,
            wintypes.ULONG,
        ),
    ),
    ("kernel32", "OpenProcess"): (wintypes.HANDLE, (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)),
    ("kernel32", "CloseHandle"): (wintypes.BOOL, (wintypes.HANDLE,)),
    ("advapi32", "OpenProcessToken"): (
        wintypes.BOOL,
        (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)),
    ),
    ("advapi32", "GetTokenInformation"): (
        wintypes.BOOL,
        (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD)),
    ),
    ("advapi32", "GetLengthSid"): (wintypes.DWORD, (ctypes.c_void_p,)),
}


def is_own_socket(socket_end: tuple[str, int], other_end: tuple[str, int]) -> bool:
    """Returns whether the IPv4 socket at `socket_end`, connected to `other_end`, is of a process of this user."""
    process = find_process(read_table(), socket_end, other_end)
    if process is None:
        return False
    own, other = _read_user(os.getpid()), _read_user(process)
    return own is not None and own == other


def find_process(table: bytes, socket_end: tuple[str, int], other_end: tuple[str, int]) -> int | None:
    """Returns the process of a connection in a MIB_TCPTABLE_OWNER_PID; None if it is not in it."""
    count = int.from_bytes(table[:4], "little")
    size = ctypes.sizeof(TcpRow)
    for number in range(count):
        row = TcpRow.from_buffer_copy(table, 4 + number * size)
        if (_read_end(row.local_address, row.local_port), _read_end(row.remote_address, row.remote_port)) == (
            socket_end,
            other_end,
        ):
            return int(row.owning_pid)
    return None


def read_table() -> bytes:
    """Returns the table of this PC's TCP connections over IPv4; empty where it can't be read."""
    size = wintypes.DWORD(0)
    function = _load("iphlpapi", "GetExtendedTcpTable")
    for _ in range(_MOST_ATTEMPTS):
        # It may grow between two calls.
        buffer = ctypes.create_string_buffer(size.value)
        result = function(buffer, ctypes.byref(size), False, _AF_INET, _TABLE_OWNER_PID_ALL, 0)
        if result == _NO_ERROR:
            return buffer.raw
        if result != _BUFFER_TOO_SMALL:
            break
    return b""


def _read_end(address: int, port: int) -> tuple[str, int]:
    # Only the first two bytes of a port in memory count, and they are in network byte order.
    return socket.inet_ntoa(address.to_bytes(4, "little")), int.from_bytes(port.to_bytes(4, "little")[:2], "big")


def _read_user(process: int) -> bytes | None:
    """Returns the security identifier of the user of a process; None where it can't be read."""
    with _opened(_load("kernel32", "OpenProcess")(_QUERY_LIMITED, False, process)) as handle:
        if not handle:
            return None
        token = wintypes.HANDLE()
        if not _load("advapi32", "OpenProcessToken")(handle, _TOKEN_QUERY, ctypes.byref(token)):
            return None
        with _opened(token.value) as opened:
            return _read_token_user(opened)


def _read_token_user(token: int | None) -> bytes | None:
    function, size = _load("advapi32", "GetTokenInformation"), wintypes.DWORD(0)
    function(token, _TOKEN_USER, None, 0, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    if not size.value or not function(token, _TOKEN_USER, buffer, size, ctypes.byref(size)):
        return None
    # The identifier itself lies in the same buffer.
    sid = SidAndAttributes.from_buffer(buffer).sid
    return ctypes.string_at(sid, _load("advapi32", "GetLengthSid")(sid)) if sid else None


@contextmanager
def _opened(handle: int | None) -> Iterator[int | None]:
    try:
        yield handle
    finally:
        if handle:
            _load("kernel32", "CloseHandle")(handle)


def _load(library: str, name: str) -> Any:
    function = getattr(ctypes.WinDLL(library), name)  # type: ignore[attr-defined,unused-ignore]  # Windows only
    function.restype, function.argtypes = SIGNATURES[library, name]
    return function
