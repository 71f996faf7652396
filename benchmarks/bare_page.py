"""The least that a page can be which has a card sign: PC/SC's own functions behind one address, and a fixed answer.

    python -m benchmarks.bare_page <commands, in hexadecimal, with commas between them> <bytes of the answer>

It prints the port on which it listens.
"""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from benchmarks.card import use_bare


def main(commands: list[bytes], length: int) -> None:
    """Serves until the process ends."""
    page = "x" * length

    async def sign(request: Request) -> Response:
        await request.body()
        await run_in_threadpool(use_bare, commands)
        return HTMLResponse(page)

    application = Starlette(routes=[Route("/sign", sign, methods=["POST"])])
    # As the agent's server; with the protocol's number asyncio sends the end of an answer at once.
    config = uvicorn.Config(
        application, http="h11", loop="asyncio", ws="none", lifespan="off", log_level="warning", access_log=False
    )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main([bytes.fromhex(command) for command in sys.argv[1].split(",")], int(sys.argv[2]))
