"""The health probe of an image: `python -m servicekit.probe` queries the health port of this container's process.

Exits with 0 if the process serves, else with 1 and one sentence. It reads TOROKU_HEALTH_LISTEN directly and imports
nothing but grpc, because every probe starts a new process.
"""

import os
import sys

import grpc

METHOD = "/grpc.health.v1.Health/Check"
# HealthCheckResponse (gRPC health checking protocol) as bytes: field 1, the state.
STATES = {b"": "UNKNOWN", b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING", b"\x08\x03": "SERVICE_UNKNOWN"}
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104  # compared with, not listened at
PATIENCE = 3.0


def probe_address(listen: str) -> str:
    """Returns the address by which a process that listens at `listen` (`host:port`) is reached from its container."""
    host, _, port = listen.rpartition(":")
    return f"{EVERY_ADDRESS.get(host, host)}:{port}"


def find_failure(listen: str) -> str | None:
    """Returns None if the process that listens at `listen` serves, else a sentence with the cause."""
    if not listen:
        return "TOROKU_HEALTH_LISTEN is empty, so there is no health port to query: set it, for example to 0.0.0.0:8081"
    address = probe_address(listen)
    # The container's own address is not behind the proxy of its environment.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        try:
            answer = check(b"", timeout=PATIENCE)
        except grpc.RpcError as error:
            return f"the health port at {address} does not answer: {error.code().name}, {error.details()}"
    state = STATES.get(answer, "in an unknown state")
    return None if state == "SERVING" else f"the process at {address} is {state}; see its log"


if __name__ == "__main__":
    sys.exit(find_failure(os.environ.get("TOROKU_HEALTH_LISTEN", "")))
