"""The health probe of an image: `python -m servicekit.probe` asks the health port of this container's process.

Exit status 0 where it serves, else 1 with one sentence. Reads TOROKU_HEALTH_LISTEN by itself and imports nothing but
grpc, because it is started anew for every question.
"""

import os
import sys

import grpc

METHOD = "/grpc.health.v1.Health/Check"
# HealthCheckResponse (gRPC health checking protocol) as bytes: field 1, the state.
STATES = {b"": "UNKNOWN", b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING", b"\x08\x03": "SERVICE_UNKNOWN"}
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}  # noqa: S104 (asked, not listened at)
PATIENCE = 3.0


def asked_address(listen: str) -> str:
    """Where a process that listens at `listen` (`host:port`) is asked from its own container."""
    host, _, port = listen.rpartition(":")
    return f"{EVERY_ADDRESS.get(host, host)}:{port}"


def complaint(listen: str) -> str | None:
    """None where the process that listens at `listen` serves, else a sentence that says what is wrong."""
    if not listen:
        return "TOROKU_HEALTH_LISTEN is empty, so there is no health port to ask: set it, for example to 0.0.0.0:8081"
    address = asked_address(listen)
    # A proxy of the container's environment has nothing to do with the container's own address.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        try:
            answer = check(b"", timeout=PATIENCE)
        except grpc.RpcError as error:
            return f"the health port at {address} does not answer: {error.code().name}, {error.details()}"
    state = STATES.get(answer, "in a state that is not known here")
    return None if state == "SERVING" else f"the process at {address} is {state}; its log says why"


if __name__ == "__main__":
    sys.exit(complaint(os.environ.get("TOROKU_HEALTH_LISTEN", "")))
