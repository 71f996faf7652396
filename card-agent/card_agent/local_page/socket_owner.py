"""Whose socket the other end of a connection on this PC is: everybody on a terminal server shares 127.0.0.1."""

import os
import socket
import sys
from pathlib import Path

from card_agent.local_page import windows_sockets

# Ends of a connection: address and port.
End = tuple[str, int]

# The tables, and what stands before an IPv4 address in each: in the second one it is that of an IPv6 socket (RFC 4291,
# 2.5.5.2), as the kernel writes it.
_TABLES = ((Path("/proc/net/tcp"), ""), (Path("/proc/net/tcp6"), "0000000000000000FFFF0000"))
# Behind the addresses: state, queues, timer, retransmissions, user.
_USER_COLUMN = 4


def is_own_socket(socket_end: End, other_end: End) -> bool:
    """Returns whether the IPv4 socket at `socket_end`, connected to `other_end`, is this user's.

    A socket that the system does not know is not. Where the system can't be asked, as on macOS, every socket counts as
    this user's.
    """
    if sys.platform == "linux":
        return _find_user(socket_end, other_end) == os.geteuid()
    if sys.platform == "win32":  # type: ignore[unreachable,unused-ignore]  # on the other system
        return windows_sockets.is_own_socket(socket_end, other_end)
    return True


def _find_user(socket_end: End, other_end: End) -> int | None:
    """Returns the number of the user whose socket it is (proc(5), /proc/net/tcp); None if it is unknown."""
    local, remote = _write_end(socket_end), _write_end(other_end)
    for table, mark in _TABLES:
        try:
            content = table.read_text("ascii")
        except OSError:
            continue
        # Found as text, because a busy server's table has thousands of lines.
        _, found, rest = content.partition(f" {mark}{local} {mark}{remote} ")
        if found:
            return int(rest.split()[_USER_COLUMN])
    return None


def _write_end(end: End) -> str:
    # The kernel prints the four bytes as a number of the machine's byte order.
    number = int.from_bytes(socket.inet_aton(end[0]), sys.byteorder)
    return f"{number:08X}:{end[1]:04X}"
