"""`card-agent diagnose`: what a help desk asks about this PC (CRD-09)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from card_agent.commands.options import LanguageOption, TrustFileOption
from card_agent.commands.surroundings import (
    find_configuration,
    find_sources,
    open_front_door,
    person_at_terminal,
)
from card_agent.console import diagnosis_words
from card_agent.console.person import Person
from card_agent.console.words import say
from card_agent.diagnosis.cards import look_at_certificates, look_at_media
from card_agent.diagnosis.findings import Section, count_problems, find_refused
from card_agent.diagnosis.instances import LookedAt, look_at_instances, name_authorities
from card_agent.diagnosis.text import list_advice, say_value, write_text
from card_agent.diagnosis.this_pc import look_at_this_pc
from card_agent.known_instances import FOLDER, read_known_instances
from card_agent.local_page.running import read_running
from card_agent.media.inventory import MediaSources, find_media
from card_agent.operation.calls import call
from card_agent.private_files import check_writable, write_private
from card_agent.release_notices import locate_program, say_what_is_newer
from card_agent.signing.card_choice import list_issuers
from card_agent.signing.card_use import do_busily
from card_agent.trust import FILE_NAME, Target, TrustedInstance, read_trust_file
from refusals import Code, Refusal
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2

_CALL_SECONDS = 10.0
_EXIT_PROBLEMS = 1


def diagnose(
    output: Annotated[
        Path | None, typer.Option("--output", help="結果を書くファイル / File to write the result to.")
    ] = None,
    trust_file: TrustFileOption = None,
    language: LanguageOption = None,
) -> None:
    """パソコン、カード、接続の確認（問合せ用） / Checks PC, cards and connections, for the help desk."""
    with person_at_terminal(language) as person:
        if output is not None:
            _check_output(output)
        configuration = find_configuration()
        sections = _look(person, configuration, trust_file or configuration / FILE_NAME)
        for section in sections:
            rows = [(finding.label, say_value(finding)) for finding in section.findings]
            advice = [
                f"{say(finding.label, person.language)}: {line}"
                for finding in section.findings
                for line in list_advice(finding, person.language)
            ]
            person.show(section.title, rows, advice)
        problems = count_problems(sections)
        person.show_message(diagnosis_words.count_problems(problems))
        if output is not None:
            _write_output(output, write_text(sections, person.language))
            person.show(diagnosis_words.WRITTEN, [(diagnosis_words.FILE, str(output))])
            person.show_message(diagnosis_words.NO_SECRET)
        if problems:
            raise typer.Exit(_EXIT_PROBLEMS)


def _look(person: Person, configuration: Path, trust_file: Path) -> Sequence[Section]:
    now = datetime.now(UTC)
    newer = say_what_is_newer(locate_program(), configuration)
    running = read_running(configuration)
    sections = [look_at_this_pc(configuration, now, running.port if running is not None else None, newer)]
    with person.show_waiting():
        looked_at = _look_at_instances(trust_file)
    known = [each.instance for each in looked_at if each.instance is not None]
    known = known or list(read_known_instances(configuration / FOLDER))
    try:
        sources = find_sources()
    except Refusal as refusal:
        sources = MediaSources()
        sections.append(Section(diagnosis_words.FOLDER, (find_refused(diagnosis_words.FOLDER, refusal),)))
    found = do_busily(person, lambda: find_media(sources, list_issuers(known), now))
    sections += [look_at_media(found), look_at_certificates(found, name_authorities(known))]
    return [*sections, *(each.section for each in looked_at)]


def _look_at_instances(trust_file: Path) -> Sequence[LookedAt]:
    try:
        return look_at_instances(read_trust_file(trust_file), _describe)
    except Refusal as refusal:
        return (LookedAt(Section(diagnosis_words.TRUSTED, (find_refused(diagnosis_words.TRUSTED, refusal),))),)


def _describe(trusted: TrustedInstance) -> front_door_pb2.Instance:
    with open_front_door(Target(trusted.endpoint, trusted.authority, trusted.id)) as front_door:
        request = entry_pb2.DescribeInstanceRequest()
        return call(front_door.entry.DescribeInstance, request, seconds=_CALL_SECONDS).instance


def _check_output(output: Path) -> None:
    try:
        check_writable(output)
    except OSError as error:
        raise _unwritable(output) from error


def _write_output(output: Path, text: str) -> None:
    try:
        write_private(output, text)
    except OSError as error:
        raise _unwritable(output) from error


def _unwritable(output: Path) -> Refusal:
    return Refusal("FILE_UNWRITABLE", Code.INVALID_ARGUMENT, {"file": str(output)})
