"""The settings file: the PKCS#11 modules and the certificate files of this PC beside the cards in readers."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from card_agent.private_files import write_private
from refusals import Code, Refusal

FILE_NAME = "settings.yaml"
_MODULES, _FILES = "modules", "files"
_KEYS = {_MODULES, _FILES}


@dataclass(frozen=True, slots=True)
class Settings:
    """The paths of the modules and of the certificate files, each once and in the order in which they were added."""

    modules: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()


def read_settings(file: Path) -> Settings:
    """Returns the settings, none if there is no file. A relative path lies beside the file.

    Raises FILE_UNREADABLE, and SETTINGS_FILE_INVALID with `part`.
    """
    try:
        values = yaml.safe_load(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error
    except yaml.YAMLError as error:
        raise _invalid(file, "YAML") from error
    if values is None:
        return Settings()
    if not isinstance(values, dict):
        raise _invalid(file, "YAML")
    for key in values:
        if key not in _KEYS:
            raise _invalid(file, str(key))
    return Settings(_read_paths(file, values, _MODULES), _read_paths(file, values, _FILES))


def write_settings(file: Path, settings: Settings) -> None:
    """Writes the settings. Raises FILE_UNWRITABLE."""
    values = {_MODULES: [str(path) for path in settings.modules], _FILES: [str(path) for path in settings.files]}
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
    except (OSError, ValueError) as error:
        raise Refusal("FILE_UNWRITABLE", Code.INVALID_ARGUMENT, {"file": str(file)}) from error


def _read_paths(file: Path, values: dict[str, object], key: str) -> tuple[Path, ...]:
    paths = values.get(key) or []
    if not isinstance(paths, list) or not all(isinstance(path, str) and path for path in paths):
        raise _invalid(file, key)
    return tuple(dict.fromkeys(file.parent / path for path in paths))


def _invalid(file: Path, part: str) -> Refusal:
    return Refusal("SETTINGS_FILE_INVALID", Code.INVALID_ARGUMENT, {"file": str(file), "part": part[:80]})
