"""Rules for the proto files that buf does not know."""

import re
from collections import Counter
from pathlib import Path

FILES = sorted((Path(__file__).parents[3] / "protos" / "toroku").rglob("*.proto"))


def test_no_two_proto_files_have_one_base_name() -> None:
    # The generator for C# writes one file per base name, and refuses a second one.
    assert [name for name, count in Counter(file.name for file in FILES).items() if count > 1] == []


def test_each_grpc_service_has_a_file_of_its_name() -> None:
    services = {file.stem: re.findall(r"^service (\w+)", file.read_text("utf-8"), re.MULTILINE) for file in FILES}
    assert any(services.values())
    for stem, names in services.items():
        assert [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names] in ([], [stem])
