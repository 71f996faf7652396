"""The plain HTTP server of the metrics, which connections that say nothing can't fill."""

import logging
import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from typing_extensions import override

log = logging.getLogger(__name__)

# Open connections at most, each with a thread of its own; a newer one ends the oldest, so that a scrape, which takes
# milliseconds, always gets in.
MOST_CONNECTIONS = 16
# Seconds without a byte after which a connection is closed.
IDLE_TIMEOUT = 5.0


class _Handler(WSGIRequestHandler):
    """Handles one request, without a line in the log."""

    timeout = IDLE_TIMEOUT

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Serves the metrics of a registry, with at most MOST_CONNECTIONS connections at a time."""

    # A connection that is still open does not delay the end of the process.
    daemon_threads = True
    # Connections that wait to be accepted. The first packet of any further one is dropped, and sent again after a
    # second at the earliest.
    request_queue_size = 128

    @classmethod
    def open(cls, host: str, port: int, registry: CollectorRegistry) -> Self:
        """Listens at an address; an empty host means all of the machine's. Raises OSError where it can't."""
        (family, _, _, _, _), *_ = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        bound = type(cls.__name__, (cls,), {"address_family": family})
        server: Self = bound((host, port), _Handler)
        server.set_app(make_wsgi_app(registry))
        return server

    def __init__(self, *arguments: Any) -> None:
        self._is_ending = False
        self._open: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def serve_until_end(self) -> None:
        """Handles connections until `end`; `serve_forever` would look twice a second for its end."""
        while not self._is_ending:
            self.handle_request()

    def end(self) -> None:
        """Ends `serve_until_end`, by a last connection."""
        self._is_ending = True
        socket.create_connection(self.socket.getsockname()[:2], IDLE_TIMEOUT).close()

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        """Handles a connection in a thread of its own; ends the oldest one where there are too many."""
        with self._lock:
            while len(self._open) >= MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                _end(oldest)
            self._open[request] = None
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        """Closes a connection."""
        with self._lock:
            self._open.pop(request, None)
            super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs what went wrong with a request, unless its client was silent or went away."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a scrape failed")


def _end(connection: socket.socket) -> None:
    # Its thread wakes up, and closes it.
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("the connection had ended already")
