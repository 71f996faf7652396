"""The check that every key of a profile has a reader, on a small model."""

from pathlib import Path

import pytest

from tools.profile_readers import Key, ReadByName, Uses, find_problems, find_uses

MODEL = """
from dataclasses import dataclass


class Part:
    model_config = 1


@dataclass
class Rules:
    limit: int
    unread_rule: int


class Inner(Part):
    used: int
    renewal: int


class Later(Part):
    inside: int


class Profile(Part):
    inner: Inner
    several: tuple[Inner, ...]
    later: Later | None
    by_method: int
    by_name: int
    only_checked: int
    listed: int

    def find_rules(self) -> Rules:
        return Rules(self.by_method, 1)

    def list_keys(self) -> list[int]:
        return [self.listed]

    def unused_method(self) -> int:
        return self.inner.renewal
"""
READER = """
from small.model import Inner, Profile


class Other:
    renewal: int = 1
    only_checked: int = 2


NAMES = ["by_name"]


def read(profile: Profile, inner: Inner | None, other: Other) -> object:
    used = [part.used for part in (profile.inner, *profile.several)]
    later = [other.renewal, other.only_checked, profile.list_keys()]
    return used, later, profile.find_rules().limit, inner, [getattr(profile, name) for name in NAMES]
"""
CHECK = """
from small.model import Profile


def check(profile: Profile) -> bool:
    return profile.only_checked > 0
"""
NAMED = ReadByName("small.model.Profile", "small.reader")
LATER = Key("small.model.Profile", "later")


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> Uses:
    folder = tmp_path_factory.mktemp("sources")
    package = folder / "small"
    package.mkdir()
    for name, text in (("__init__", ""), ("model", MODEL), ("reader", READER), ("check", CHECK)):
        (package / f"{name}.py").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return find_uses(
            ["small"],
            base="small.model.Part",
            checks={"small.check"},
            listings={Key("small.model.Profile", "list_keys")},
        )


def write(problems: list[tuple[str, int, str]]) -> list[str]:
    return sorted(text.partition(";")[0] for _, _, text in problems)


def test_keys_without_a_reader_are_found_by_their_class(uses: Uses) -> None:
    problems = find_problems(uses, unbuilt={LATER}, by_name={NAMED: "a table of names"})
    assert write(problems) == [
        # A field of that name of another class is read, and a method that nobody calls reads it.
        "Inner.renewal: nothing reads it",
        # Read by another class's name, by a check, and by a list of keys only.
        "Profile.listed: nothing reads it",
        "Profile.only_checked: nothing reads it",
        "Rules.unread_rule: nothing reads it",
    ]
    lines = {text.partition(":")[0]: (Path(file).name, line) for file, line, text in problems}
    assert lines["Inner.renewal"] == ("model.py", 1 + MODEL.splitlines().index("    renewal: int"))


def test_exceptions_excuse_exactly_what_they_name(uses: Uses) -> None:
    # Without them: the key itself, all that stands below it, and what a module reads by name.
    found = write(find_problems(uses, unbuilt=(), by_name={}))
    assert {
        "Profile.later: nothing reads it",
        "Later.inside: nothing reads it",
        "Profile.by_name: nothing reads it",
    } <= (set(found))


def test_exceptions_that_are_none_any_more_are_found(uses: Uses) -> None:
    elsewhere = ReadByName("small.model.Inner", "small.reader")
    unbuilt = {LATER, Key("small.model.Inner", "used")}
    found = write(find_problems(uses, unbuilt=unbuilt, by_name={NAMED: "", elsewhere: ""}))
    assert "Inner.used: is read" in found
    assert "READ_BY_NAME: small.reader reads no key of small.model.Inner that has no other reader" in found
