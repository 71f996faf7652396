"""What the instances said of themselves the last time that the agent's pages asked them (DescribeInstance)."""

from collections.abc import Sequence
from pathlib import Path

from google.protobuf.message import DecodeError

from toroku.frontdoor.v1 import front_door_pb2

# In the folder of a person's files: a file for each instance, `<id>.pb`.
FOLDER = "instances"
_SUFFIX = ".pb"


def read_known_instances(folder: Path) -> Sequence[front_door_pb2.Instance]:
    """Returns the instances as they were described last, in the order of their ids; none that can't be read."""
    instances: list[front_door_pb2.Instance] = []
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            instances.append(front_door_pb2.Instance.FromString(file.read_bytes()))
        except (OSError, DecodeError):
            continue
    return instances
