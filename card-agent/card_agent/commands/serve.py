"""`card-agent serve`: the pages by which a web portal has a card read and a purpose signed."""

import contextlib
import os
import threading
import webbrowser
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from card_agent.commands.options import LanguageOption, TrustFileOption
from card_agent.commands.releases import look_for_releases
from card_agent.commands.surroundings import (
    find_configuration,
    find_sources,
    open_front_door,
    person_at_terminal,
)
from card_agent.console import serve_words
from card_agent.console.person import Person
from card_agent.console.words import Words
from card_agent.known_instances import FOLDER
from card_agent.local_page.agent import Agent
from card_agent.local_page.instances import KnownInstances
from card_agent.local_page.running import (
    RunningAgent,
    be_the_only_one,
    make_secret,
    open_listener,
    save_running,
    tell_running,
)
from card_agent.local_page.server import PageServer
from card_agent.local_page.start_page import begin
from card_agent.media.found import FoundMedium
from card_agent.media.insertions import InsertionCounter
from card_agent.media.inventory import Issuer, find_media
from card_agent.operation.calls import call
from card_agent.release import read_version
from card_agent.release_notices import locate_program, say_what_is_newer
from card_agent.trust import FILE_NAME, Target, TrustedInstance, WatchedTrustFile, read_trust_file
from refusals import Refusal
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2

_SCHEME = "toroku:"


def serve(
    address: Annotated[
        str | None,
        typer.Argument(
            help="ブラウザーから渡されるアドレス（toroku:start）。内容は使用しない"
            " / What a browser calls the program with (toroku:start); nothing in it is used.",
        ),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option("--instance", help="画面を開くシステム / The instance whose portal is opened."),
    ] = None,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser",
            help="起動時にブラウザーを開くかどうか / Whether the start opens the browser, or only waits for it.",
        ),
    ] = True,
    trust_file: TrustFileOption = None,
    language: LanguageOption = None,
) -> None:
    """ブラウザーでの手続きを始め、ICカードの画面を提供する / Serves the card's pages to this PC's browser."""
    if address is not None and not address.startswith(_SCHEME):
        raise typer.BadParameter(address)
    with person_at_terminal(language) as person:
        folder = find_configuration()
        with be_the_only_one(folder) as is_first:
            if is_first:
                file = trust_file or folder / FILE_NAME
                if person.interactive:
                    # At a terminal somebody reads what is wrong with it; otherwise the first page says it.
                    read_trust_file(file)
                _serve(person, folder, file, instance, browser=browser)
            elif browser:
                tell_running(folder, instance)
                person.show_message(serve_words.ALREADY_RUNNING)


def _serve(person: Person, folder: Path, trust_file: Path, instance: str | None, *, browser: bool) -> None:
    listener = open_listener(folder)
    port: int = listener.getsockname()[1]
    agent = Agent(
        folder=folder,
        version=read_version(),
        port=port,
        trusted=WatchedTrustFile(trust_file).read,
        find_media=_find_media,
        count_insertions=InsertionCounter().count,
        instances=KnownInstances(_describe, folder / FOLDER),
        secret=make_secret(),
        open_browser=_open_browser,
        find_notices=partial(_find_notices, folder),
    )
    save_running(folder, RunningAgent(port, os.getpid(), agent.secret))
    look_for_releases(folder, agent.trusted)

    def start() -> None:
        # A trust file that can't be read is explained by the first page.
        with contextlib.suppress(Refusal):
            for trusted in agent.list_portals():
                agent.instances.ask(trusted)
        person.show_message(Words(f"{agent.origin}/", f"{agent.origin}/"))
        if browser:
            _open_browser(begin(agent, instance))

    PageServer(agent, listener).run(start)


def _describe(trusted: TrustedInstance) -> front_door_pb2.Instance:
    with open_front_door(Target(trusted.endpoint, trusted.authority, trusted.id)) as front_door:
        return call(front_door.entry.DescribeInstance, entry_pb2.DescribeInstanceRequest()).instance


def _find_media(issuers: Sequence[Issuer]) -> Sequence[FoundMedium]:
    return find_media(find_sources(), issuers, datetime.now(UTC))


def _find_notices(folder: Path) -> Sequence[Words]:
    newer = say_what_is_newer(locate_program(), folder)
    return [newer] if newer is not None else []


def _open_browser(address: str) -> None:
    # Some browsers end the call only when they end.
    threading.Thread(target=webbrowser.open, args=[address], name="opening the browser", daemon=True).start()
