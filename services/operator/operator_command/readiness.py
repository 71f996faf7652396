"""Asks a running instance, from outside, what it is: the last step of a start in containers."""

import os
from pathlib import Path
from string import Template

import grpc

from operator_command.instance_certificates import FRONT_DOOR
from operator_command.officer_connection import read_file
from refusals.status import from_rpc_error
from toroku.registration.v1.service_pb2 import DescribeInstanceRequest
from toroku.registration.v1.service_pb2_grpc import RegistrationStub

CALL_SECONDS = 30.0


def describe(endpoint: str, trusted: Path, words: Path | None) -> str:
    """The instance in a few lines, and then the words. Raises CLIENT_FILE_UNREADABLE and
    what the front door refuses.
    """
    credentials = grpc.ssl_channel_credentials(read_file(trusted))
    options = [("grpc.ssl_target_name_override", FRONT_DOOR)]
    with grpc.secure_channel(endpoint, credentials, options) as channel:
        try:
            answer = RegistrationStub(channel).DescribeInstance(
                DescribeInstanceRequest(), timeout=CALL_SECONDS, wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
    instance = answer.instance
    lines = [f"Toroku is ready: {instance.name.ja} ({instance.id})"]
    lines.append(f"{len(instance.agencies)} agencies, {len(instance.categories)} categories")
    if words is not None:
        lines += ["", Template(read_file(words).decode()).safe_substitute(os.environ)]
    return "\n".join(lines)
