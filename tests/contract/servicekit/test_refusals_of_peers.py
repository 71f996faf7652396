"""Who calls a service knows whether that service refused, or could not be asked."""

from pathlib import Path

import grpc
import pytest

from refusals import Refusal
from refusals.status import from_rpc_error
from tests.support.example_profile import example_profile
from tests.support.scrape import free_address
from tests.support.services.front_door import running_front_door
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc


async def refusal_of(channel: grpc.aio.Channel) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await entry_pb2_grpc.EntryStub(channel).EndSession(entry_pb2.EndSessionRequest(session_token="x" * 65))
    return from_rpc_error(caught.value)


async def test_refusal_of_a_service_is_told_from_one_that_was_never_asked(tmp_path: Path) -> None:
    async with running_front_door(example_profile(), tmp_path) as front_door:
        assert (await refusal_of(front_door.channel)).is_from_peer
    async with grpc.aio.insecure_channel(free_address()) as channel:
        refusal = await refusal_of(channel)
    assert (refusal.reason, refusal.is_from_peer) == ("PEER_UNREACHABLE", False)
