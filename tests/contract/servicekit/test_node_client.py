"""A client in Node, with other people's gRPC and protobuf, reads what a refusal says."""

import asyncio
import json
import os
from pathlib import Path

from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # comes without types

from tests.support.echo_service import NAME, running_echo_service

CHECKOUT = Path(__file__).parents[3]
CLIENT = Path(__file__).with_name("refused_call.js")
GOOGLE_PROTOS = Path(error_details_pb2.__file__).parents[2]


async def test_node_client_reads_reason_and_metadata_of_each_field(tmp_path: Path) -> None:
    async with running_echo_service(tmp_path) as echo:
        files = echo.services.service("front-door")
        assert files.trusted is not None
        process = await asyncio.create_subprocess_exec(
            "node",
            CLIENT,
            *(echo.internal, NAME, files.trusted, files.certificate, files.private_key),
            *(CHECKOUT / "protos", GOOGLE_PROTOS),
            env={**os.environ, "NODE_PATH": str(CHECKOUT / "tools" / "node_modules")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(output) == {
        "code": 3,
        "reason": "FIELDS_INVALID",
        "metadata": {"agency": "川口市"},
        "violations": [
            {
                "field": "card_contact.address",
                "reason": "FIELD_TOO_LONG",
                "metadata": {"most": "60", "actual": "61"},
            }
        ],
    }
