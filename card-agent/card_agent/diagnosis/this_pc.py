"""The agent and the PC: versions, language, folders, the log, and whether the agent's pages run."""

import locale
import os
import platform
import socket
import struct
import sys
import urllib.request
from datetime import datetime
from pathlib import Path

from card_agent.console import diagnosis_words as words
from card_agent.console.words import Words
from card_agent.diagnosis.findings import Finding, Section
from card_agent.log_file import find_log_file
from card_agent.release import read_version
from refusals.language import read_system_language

_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 2.0


def look_at_this_pc(configuration: Path, now: datetime, port: int | None, newer: Words | None) -> Section:
    """Returns what is to be known of this PC. `port` is where the agent's pages were last; `newer` names a release."""
    encodings = f"{locale.getencoding()}, {sys.getfilesystemencoding()}"
    findings = [
        Finding(words.DIAGNOSED_AT, now.astimezone().isoformat(timespec="seconds")),
        Finding(words.VERSION, read_version()),
        *([Finding(words.NEWER, newer, is_problem=True)] if newer is not None else []),
        Finding(words.SYSTEM, f"{platform.platform()}, {platform.machine()}"),
        Finding(words.PYTHON, f"{platform.python_version()}, {struct.calcsize('P') * 8} bit"),
        Finding(words.LANGUAGE, f"{read_system_language()} ({_list_locale()})"),
        Finding(words.ENCODING, encodings),
        Finding(words.PROXY, words.SET if urllib.request.getproxies() else words.NOT_SET),
        Finding(words.FOLDER, str(configuration)),
        _look_at_log(configuration),
        _look_at_pages(port),
    ]
    return Section(words.THIS_PC, tuple(findings))


def _list_locale() -> str:
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    return ", ".join(f"{name}={os.environ[name]}" for name in names if os.environ.get(name)) or "-"


def _look_at_log(configuration: Path) -> Finding:
    file = find_log_file(configuration)
    if os.access(file, os.W_OK):
        return Finding(words.LOG, str(file))
    return Finding(words.LOG, words.LOG_MISSING, is_problem=True, advice=words.LOG_ADVICE)


def _look_at_pages(port: int | None) -> Finding:
    if port is not None:
        try:
            with socket.create_connection((_LOOPBACK, port), _CONNECT_SECONDS):
                return Finding(words.PAGES, words.fill(words.RUNNING, port=str(port)))
        except OSError:
            pass
    # Whoever works at the terminal needs none.
    return Finding(words.PAGES, words.NOT_RUNNING, advice=words.PAGES_ADVICE)
