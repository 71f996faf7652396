"""A process with the commands and the health port of a service and no function, for tests of the launcher.

TOROKU_STAND_IN selects a fault: `fail` (serve ends at once), `fail-migrate`, `deaf` (SIGTERM is ignored),
`worker-dies` (the worker ends after it was ready).
"""

import asyncio
import json
import os
import signal
import sys

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer


def migrate() -> None:
    for database in json.loads(os.environ["TOROKU_DATABASES"]).values():
        with psycopg.connect(database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS migrated (at timestamptz DEFAULT now())")
            connection.execute("INSERT INTO migrated DEFAULT VALUES")


async def serve(fault: str, command: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, (lambda: None) if fault == "deaf" else stop.set)
    servicer = HealthServicer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["TOROKU_HEALTH_LISTEN"])
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    if fault == "worker-dies" and command == "worker":
        loop.call_later(0.3, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    fault, command = os.environ.get("TOROKU_STAND_IN", ""), sys.argv[1]
    if fault == f"fail-{command}" or (fault == "fail" and command == "serve"):
        sys.exit("the stand-in was asked to fail")
    if command == "migrate":
        migrate()
    else:
        asyncio.run(serve(fault, command))
