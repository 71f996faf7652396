"""The settings file."""

import stat
from pathlib import Path

import pytest

from card_agent.settings import Settings, read_settings, write_settings
from refusals import Refusal


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "設定" / "settings.yaml"
    settings = Settings((Path("/opt/認証局/module.so"),), (Path("/home/山田 太郎/card.p12"),))
    write_settings(file, settings)
    assert read_settings(file) == settings
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_missing_or_empty_file_has_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    assert read_settings(file) == Settings()
    file.write_text("")
    assert read_settings(file) == Settings()


def test_relative_path_lies_beside_the_file_and_each_is_there_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("files: [card.p12, card.p12]\n")
    assert read_settings(file) == Settings(files=(tmp_path / "card.p12",))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("files: [", "YAML"),
        ("- files", "YAML"),
        ("pins: ['1']", "pins"),
        ("modules: /a.so", "modules"),
        ("files: [1]", "files"),
    ],
)
def test_refusal_of_a_wrong_file_names_the_part(content: str, part: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(Refusal) as refused:
        read_settings(file)
    assert (refused.value.reason, refused.value.metadata["part"]) == ("SETTINGS_FILE_INVALID", part)
