"""A relay in front of a server, which can hold back the server's answers, as a network does that fails."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_BYTES = 65536


@dataclass(slots=True)
class Relay:
    """The relay's own endpoint as `host:port`; while `may_answer` is cleared, answers wait."""

    endpoint: str
    may_answer: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def relay_to(endpoint: str) -> Iterator[Relay]:
    """Relays TCP connections to the endpoint until the end of the block."""
    host, _, port = endpoint.rpartition(":")
    sockets: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(f"127.0.0.1:{listener.getsockname()[1]}")
        relay.may_answer.set()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection((host, int(port)))
                    sockets.extend((client, server))
                    for source, target, may_pass in ((client, server, None), (server, client, relay.may_answer)):
                        threading.Thread(target=_pass_on, args=(source, target, may_pass), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield relay
        finally:
            relay.may_answer.set()
            # accept() does not return when its socket is only closed.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()


def _pass_on(source: socket.socket, target: socket.socket, may_pass: threading.Event | None) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(_MOST_BYTES):
            if may_pass is not None:
                may_pass.wait()
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
