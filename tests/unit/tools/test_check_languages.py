"""The check of clients in other languages finds what they cannot work with."""

from pathlib import Path

import pytest

from tools.check_languages import PROTOS, CheckFailed, check_language, list_protos

HEAD = 'syntax = "proto3";\npackage toroku.{package}.v1;\noption csharp_namespace = "Toroku.{package}.V1";\n'


def write_proto(folder: Path, package: str, file: str, body: str) -> None:
    path = folder / "toroku" / package / "v1" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD.format(package=package) + body)


@pytest.mark.parametrize("language", ["C#", "Node"])
def test_proto_files_of_this_repository_work(language: str) -> None:
    assert f"{len(list_protos(PROTOS))} files" in check_language(language)


def test_two_files_of_one_base_name_are_refused_by_csharp(tmp_path: Path) -> None:
    write_proto(tmp_path, "one", "service.proto", "message A {}")
    write_proto(tmp_path, "two", "service.proto", "message B {}")
    with pytest.raises(CheckFailed, match=r"Service\.cs: Tried to write the same file twice"):
        check_language("C#", tmp_path)


def test_warning_is_a_failure(tmp_path: Path) -> None:
    write_proto(tmp_path, "one", "a.proto", "message A {}")
    write_proto(tmp_path, "two", "b.proto", 'import "toroku/one/v1/a.proto";')
    with pytest.raises(CheckFailed, match=r"warning: Import toroku/one/v1/a\.proto is unused"):
        check_language("C#", tmp_path)


def test_file_that_node_cannot_resolve_is_a_failure(tmp_path: Path) -> None:
    write_proto(tmp_path, "one", "a.proto", "message A { oneof b { string c = 1; } reserved 5 to max; }")
    assert "1 files loaded" in check_language("Node", tmp_path)
    write_proto(tmp_path, "one", "a.proto", "message A { string c = 1;")
    with pytest.raises(CheckFailed, match=r"a\.proto"):
        check_language("Node", tmp_path)
