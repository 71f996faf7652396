"""A gRPC server that nobody calls, and nothing else: what the library does at rest by itself."""

import grpc
import uvloop


async def serve() -> None:
    """Serves nothing until the process is ended."""
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print("serving", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
