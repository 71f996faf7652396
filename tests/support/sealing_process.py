"""A process that seals a history until it is killed: `python -m tests.support.sealing_process <dsn> <key file>`."""

import asyncio
import sys
from pathlib import Path

from history.sealing import load_sealing_key, seal_batch
from servicekit.database import Database
from tests.support.history import CHAIN


async def main(dsn: str, key_file: str) -> None:
    """Seals batch after batch, and never rests."""
    key = load_sealing_key(Path(key_file).read_bytes())
    async with Database.open(dsn, pool=1) as database:
        print("begins", flush=True)
        while True:
            await seal_batch(database, CHAIN, key)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
