"""The system of an agency: keeps a copy of its feed, and answers from it also while the instance is away.

    python -m simulators.agency_system follow --address 127.0.0.1:8454 --copy feed.db --instance saitama \
        --agency saitama-prefecture --category construction --keys feed.pub --ca ca.crt --certificate … --key …
    python -m simulators.agency_system ask --copy feed.db --instance saitama --agency … --category … <SHA-256 of a card>

`follow` runs until it is stopped. `ask` reads the copy alone, beside it or without it, and ends with 0 where the card
is good.
"""

import argparse
import asyncio
import json
import logging
import sys
from datetime import datetime
from pathlib import Path

from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku_feed import Answer, Feed, LocalAnswers, SqliteStore, Subscriber, Trust, load_public_keys, open_channel


async def follow(
    copy: Path, feed: Feed, *, address: str, keys: Path, ca: Path, certificate: Path, private_key: Path, name: str
) -> None:
    """Follows the feed into the copy until it is cancelled."""
    channel = open_channel(address, ca=ca, certificate=certificate, private_key=private_key)
    store = SqliteStore(copy, feed)
    try:
        trust = Trust(feed, load_public_keys(keys.read_bytes()))
        await Subscriber(FeedStub(channel), store=store, trust=trust, name=name).follow()
    finally:
        store.close()
        await channel.close(None)


async def ask(copy: Path, feed: Feed, certificate_sha256: bytes, at: datetime | None = None) -> Answer:
    """Returns whether a card is good, by the copy alone."""
    store = SqliteStore(copy, feed)
    try:
        return await LocalAnswers(store).is_good(certificate_sha256, at)
    finally:
        store.close()


def describe(answer: Answer) -> str:
    """Returns an answer as a line of JSON."""
    bidder_id = answer.entry.bidder_id if answer.entry is not None else None
    as_of = answer.as_of.isoformat() if answer.as_of is not None else None
    return json.dumps({"answer": answer.reason, "bidder_id": bidder_id, "as_of": as_of})


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    following, asking = commands.add_parser("follow"), commands.add_parser("ask")
    for command in (following, asking):
        command.add_argument("--copy", type=Path, required=True, help="the file of the copy")
        for name in ("instance", "agency", "category"):
            command.add_argument(f"--{name}", required=True)
    following.add_argument("--address", required=True, help="agency-sync's agency listener, host:port")
    following.add_argument("--name", default="example", help="the name of this system")
    for name in ("keys", "ca", "certificate", "key"):
        following.add_argument(f"--{name}", type=Path, required=True, help="a PEM file")
    asking.add_argument("card", type=bytes.fromhex, help="SHA-256 of the certificate in DER, hexadecimal")
    given = parser.parse_args(arguments)
    feed = Feed(given.instance, given.agency, given.category)
    if given.command == "ask":
        answer = asyncio.run(ask(given.copy, feed, given.card))
        print(describe(answer))
        return 0 if answer else 1
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    files = {"keys": given.keys, "ca": given.ca, "certificate": given.certificate, "private_key": given.key}
    try:
        asyncio.run(follow(given.copy, feed, address=given.address, name=given.name, **files))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
