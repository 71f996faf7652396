"""Rules for the proto files that buf does not know."""

import re
from collections import Counter
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[3] / "protos"
FILES = sorted((PROTOS / "toroku").rglob("*.proto"))


def test_no_two_proto_files_have_one_base_name() -> None:
    # The generator for C# writes one file per base name, and refuses a second one.
    assert [name for name, count in Counter(file.name for file in FILES).items() if count > 1] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_names_in_other_languages_follow_from_the_package(file: Path) -> None:
    text = file.read_text("utf-8")
    package = ".".join(file.relative_to(PROTOS).parent.parts)
    name, version = package.split(".")[-2:]
    assert f"\npackage {package};\n" in text
    assert dict(re.findall(r"^option (\w+) = (.+);$", text, re.MULTILINE)) == {
        "csharp_namespace": f'"{package.title()}"',
        "go_package": f'"{package.replace(".", "/")};{name}{version}"',
        "java_multiple_files": "true",
        "java_package": f'"{package}"',
    }


def test_each_grpc_service_has_a_file_of_its_name() -> None:
    services = {file.stem: re.findall(r"^service (\w+)", file.read_text("utf-8"), re.MULTILINE) for file in FILES}
    assert any(services.values())
    for stem, names in services.items():
        assert [re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names] in ([], [stem])
