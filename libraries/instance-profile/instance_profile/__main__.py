"""The commands `python -m instance_profile check FILE [--overlay FILE]` and `… schema [FILE]`."""

import argparse
import json
import sys
from pathlib import Path

from instance_profile.load import ProfileError, load_draft
from instance_profile.model import Profile


def main(arguments: list[str] | None = None) -> int:
    """Runs one of the two commands; returns the exit status 0, or 1 for an invalid profile."""
    parser = argparse.ArgumentParser(prog="python -m instance_profile", description="Profiles of Toroku instances.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check a profile or a draft: its errors, and what is not done yet")
    check.add_argument("file", type=Path)
    check.add_argument("--overlay", type=Path, help="the differences of one deployment")
    schema = commands.add_parser("schema", help="the JSON schema of profiles, for editors")
    schema.add_argument("file", type=Path, nargs="?", help="the file to write; by default standard output")
    given = parser.parse_args(arguments)
    if given.command == "schema":
        if given.file is None:
            sys.stdout.write(write_schema())
        else:
            given.file.write_text(write_schema(), "utf-8")
        return 0
    return _check(given.file, given.overlay)


def write_schema() -> str:
    """Returns the JSON schema of profiles, the content of `profiles/schema.json`."""
    return json.dumps(Profile.model_json_schema(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _check(file: Path, overlay: Path | None) -> int:
    try:
        draft = load_draft(file, overlay)
    except ProfileError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    for line in (*draft.not_in_force, *draft.not_carried_out):
        print(line)
    profile = draft.profile
    print(
        f"{file}: {profile.name.ja}: {len(profile.agencies)} agencies, {len(profile.categories)} categories, "
        f"{len(profile.roster_mappings)} roster mappings, {len(profile.card_authorities)} card authorities"
    )
    if draft.not_carried_out:
        print(
            f"{file}: a draft: {len(draft.not_carried_out)} keys are not carried out yet, so no service starts with it"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
