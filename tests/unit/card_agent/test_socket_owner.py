"""Whose socket the other end of a connection is, on Linux for real and on Windows by the documented tables."""

import ctypes
import os
import socket
from ctypes import wintypes

import pytest

from card_agent.local_page.socket_owner import is_own_socket
from card_agent.local_page.windows_sockets import SIGNATURES, SidAndAttributes, TcpRow, find_process

# By the reference of the Windows API: the result, and the arguments in their order.
_DOCUMENTED = {
    ("iphlpapi", "GetExtendedTcpTable"): "DWORD(PVOID, PDWORD, BOOL, ULONG, TCP_TABLE_CLASS, ULONG)",
    ("kernel32", "OpenProcess"): "HANDLE(DWORD, BOOL, DWORD)",
    ("kernel32", "CloseHandle"): "BOOL(HANDLE)",
    ("advapi32", "OpenProcessToken"): "BOOL(HANDLE, DWORD, PHANDLE)",
    ("advapi32", "GetTokenInformation"): "BOOL(HANDLE, TOKEN_INFORMATION_CLASS, LPVOID, DWORD, PDWORD)",
    ("advapi32", "GetLengthSid"): "DWORD(PSID)",
}
_TYPES = {
    "DWORD": wintypes.DWORD,
    "ULONG": wintypes.ULONG,
    "BOOL": wintypes.BOOL,
    "HANDLE": wintypes.HANDLE,
    "PVOID": ctypes.c_void_p,
    "LPVOID": ctypes.c_void_p,
    "PSID": ctypes.c_void_p,
    "PDWORD": ctypes.POINTER(wintypes.DWORD),
    "PHANDLE": ctypes.POINTER(wintypes.HANDLE),
    # Enumerations are int in C.
    "TCP_TABLE_CLASS": ctypes.c_int,
    "TOKEN_INFORMATION_CLASS": ctypes.c_int,
}
CLIENT, SERVER = ("127.0.0.1", 50123), ("127.0.0.1", 49200)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv4 by an IPv6 socket"])
def test_socket_of_this_user_is_own_and_one_that_does_not_exist_is_not(family: socket.AddressFamily) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(family) as client:
        server_end = listener.getsockname()
        client.connect(server_end if family == socket.AF_INET else (f"::ffff:{server_end[0]}", server_end[1]))
        client_end = ("127.0.0.1", client.getsockname()[1])
        assert is_own_socket(client_end, server_end)
        assert not is_own_socket(client_end, ("127.0.0.1", 1))
        assert not is_own_socket(("127.0.0.2", client_end[1]), server_end)


def test_socket_of_another_user_is_not_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
        assert not is_own_socket(client.getsockname(), listener.getsockname())


@pytest.mark.parametrize("function", sorted(_DOCUMENTED))
def test_signature_for_windows_is_the_documented_one(function: tuple[str, str]) -> None:
    result, _, arguments = _DOCUMENTED[function].rstrip(")").partition("(")
    assert SIGNATURES[function] == (_TYPES[result], tuple(_TYPES[each] for each in arguments.split(", ")))
    assert SIGNATURES.keys() == _DOCUMENTED.keys()


def test_structures_for_windows_have_the_documented_sizes() -> None:
    # MIB_TCPROW_OWNER_PID is six DWORDs; SID_AND_ATTRIBUTES a pointer and a DWORD, padded to two pointers.
    assert ctypes.sizeof(TcpRow) == 6 * 4
    assert ctypes.sizeof(SidAndAttributes) == 2 * ctypes.sizeof(ctypes.c_void_p)


def _write_row(local: tuple[str, int], remote: tuple[str, int], process: int) -> bytes:
    # As the table lies in memory: each address in network byte order, each port in the first two bytes of a DWORD.
    ends = (socket.inet_aton(end[0]) + end[1].to_bytes(2, "big") + b"\0\0" for end in (local, remote))
    return (5).to_bytes(4, "little") + b"".join(ends) + process.to_bytes(4, "little")


def test_process_of_a_connection_is_found_by_both_of_its_ends() -> None:
    rows = [_write_row(SERVER, CLIENT, 4), _write_row(CLIENT, ("127.0.0.1", 80), 5), _write_row(CLIENT, SERVER, 4711)]
    table = len(rows).to_bytes(4, "little") + b"".join(rows)
    assert find_process(table, CLIENT, SERVER) == 4711
    assert find_process(table, SERVER, CLIENT) == 4
    assert find_process(table, ("127.0.0.1", 50124), SERVER) is None
    assert find_process(b"", CLIENT, SERVER) is None
