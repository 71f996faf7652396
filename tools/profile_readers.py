"""Finds the keys of the profile that nothing reads: `python -m tools.profile_readers`, a part of `make check`.

A key without a reader promises what nothing does. mypy checks the sources and tells of which class the object of every
attribute is, so that a field `renewal` of another class is no reader. A reader stands outside the model and outside
what only checks a profile; a method of the model passes what it reads on to where it is called. A key that nothing
carries out yet stands in `instance_profile.unbuilt` instead, and leaves it with its first reader.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mypy import build
from mypy.main import process_options
from mypy.modulefinder import BuildSource
from mypy.nodes import (
    Argument,
    CallExpr,
    ClassDef,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    MypyFile,
    NameExpr,
    Statement,
    StrExpr,
    TypeInfo,
    Var,
)
from mypy.patterns import Pattern
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from instance_profile.base import Part
from instance_profile.unbuilt import UNBUILT

ROOT = Path(__file__).parent.parent
SOURCES = ("libraries/instance-profile", "services")
BASE = f"{Part.__module__}.{Part.__qualname__}"

# Modules that only check a profile. Below: methods that list keys without using their values.
CHECKS = frozenset(
    {"instance_profile.authority_certificates", "instance_profile.consistency", "instance_profile.unbuilt"}
)


class Key(NamedTuple):
    """A field of a class of the model, by the class's full name; also a method of it."""

    owner: str
    name: str


LISTINGS = frozenset({Key("instance_profile.roster_mapping.RosterMapping", "list_columns")})


class ReadByName(NamedTuple):
    """A module that reads keys of a class by `getattr`, with names that stand in it as strings."""

    owner: str
    module: str


READ_BY_NAME = {
    ReadByName("instance_profile.roster_mapping.RosterMapping", "qualification_registry.domain.roster_lines"): (
        "a table has the rule for the texts of each column, with the name of the column's key"
    ),
}


@dataclass(slots=True)
class Uses:
    """What the sources have of a model, and who reads it."""

    # All keys of the model, with file and line.
    places: dict[Key, tuple[str, int]] = field(default_factory=dict)
    # The classes that a key can hold.
    classes: dict[Key, set[str]] = field(default_factory=dict)
    # What is read outside the model: keys, and methods that read keys.
    read: set[Key] = field(default_factory=set)
    # What each method of the model reads.
    by_method: dict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    # By module: classes of which it reads keys by name, and its strings.
    by_name: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    strings: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def list_read_keys(self) -> set[Key]:
        """Returns the keys that are read outside the model, also by way of its methods."""
        found: set[Key] = set()
        waiting = list(self.read)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self.by_method.get(key, ())
        return found & self.places.keys()

    def list_keys_read_by_name(self, by_name: ReadByName) -> set[Key]:
        """Returns the keys of a class that a module reads by name."""
        if by_name.owner not in self.by_name[by_name.module]:
            return set()
        names = self.strings[by_name.module]
        return {key for key in self.places if key.owner == by_name.owner and key.name in names}

    def list_inner_keys(self, key: Key) -> Iterator[Key]:
        """Yields a key, and all keys of the classes that stand below it."""
        owners: set[str] = set()
        waiting = [key]
        while waiting:
            current = waiting.pop()
            yield current
            new = self.classes.get(current, set()) - owners
            owners |= new
            waiting += [inner for inner in self.places if inner.owner in new]


def find_uses(sources: Sequence[str], *, base: str, checks: Collection[str], listings: Collection[Key]) -> Uses:
    """Returns the uses of a model in files or folders, which mypy must find without fault.

    The model is every class below `base`, and every dataclass beside one; `checks` are modules, and `listings` methods,
    whose reads do not count. Raises ValueError with mypy's findings.
    """
    files, options = process_options(list(sources))
    options.export_types = True
    options.preserve_asts = True
    # A module that mypy takes from its cache has no types of expressions; one whose text is given is checked.
    given = [BuildSource(file.path, file.module, Path(file.path or "").read_text("utf-8")) for file in files]
    result = build.build(given, options)
    if result.errors:
        raise ValueError("\n".join(result.errors))
    states = {source.module: result.graph[source.module] for source in given if source.module not in checks}
    trees = {module: state.tree for module, state in states.items() if state.tree is not None}
    model = _Model(base, trees)
    uses = Uses(places=model.places, classes=model.classes)
    for module, tree in trees.items():
        _collect_reads(module, tree, result.types, model, uses)
    for method in listings:
        uses.by_method.pop(method, None)
    return uses


def find_problems(
    uses: Uses, *, unbuilt: Collection[Key], by_name: Mapping[ReadByName, str]
) -> list[tuple[str, int, str]]:
    """Returns what is wrong, with file and line: keys without a reader, and exceptions that are none any more."""
    read = uses.list_read_keys()
    named = {exception: uses.list_keys_read_by_name(exception) for exception in by_name}
    later = {inner for key in unbuilt for inner in uses.list_inner_keys(key)}
    excused = later.union(*named.values())
    problems = [
        (*place, f"{_write(key)}: nothing reads it; read it, take it out, or put it into instance_profile.unbuilt")
        for key, place in uses.places.items()
        if key not in read and key not in excused
    ]
    problems += [
        (*uses.places[key], f"{_write(key)}: is read; take it out of instance_profile.unbuilt")
        for key in unbuilt
        if key in read
    ]
    problems += [
        (__file__, 1, f"READ_BY_NAME: {exception.module} reads no key of {exception.owner} that has no other reader")
        for exception, keys in named.items()
        if not keys - read
    ]
    return sorted(problems)


def main() -> int:
    """Prints every key without a reader; returns the exit status."""
    uses = find_uses([str(ROOT / source) for source in SOURCES], base=BASE, checks=CHECKS, listings=LISTINGS)
    unbuilt = {
        Key(f"{rule.part.__module__}.{rule.part.__qualname__}", rule.key) for rule in UNBUILT if rule.asks is None
    }
    problems = find_problems(uses, unbuilt=unbuilt, by_name=READ_BY_NAME)
    for file, line, problem in problems:
        print(f"{Path(file).relative_to(ROOT)}:{line}: {problem}", file=sys.stderr)
    print(f"{len(uses.places)} keys of the profile, {len(problems)} without what they need")
    return 1 if problems else 0


# What syntax consists of, and attributes that lead from it to what is defined elsewhere.
_SYNTAX = (Expression, Statement, Argument, Pattern)
_LINKS = frozenset({"node", "info", "type", "def_var", "original_def", "variable", "unanalyzed_type"})


class _Model:
    """The classes of a model, their keys, and the modules in which they are."""

    def __init__(self, base: str, trees: Mapping[str, MypyFile]) -> None:
        self.classes: dict[Key, set[str]] = {}
        self.places: dict[Key, tuple[str, int]] = {}
        self.owners: set[str] = set()
        self.modules: set[str] = set()
        infos: list[tuple[MypyFile, TypeInfo]] = []
        for module, tree in trees.items():
            inside = [node.node for node in tree.names.values() if isinstance(node.node, TypeInfo)]
            inside = [info for info in inside if info.module_name == module]
            if any(info.has_base(base) for info in inside):
                self.modules.add(module)
                infos += [(tree, info) for info in inside if info.has_base(base) or "dataclass" in info.metadata]
        self.owners = {info.fullname for _, info in infos}
        for tree, info in infos:
            for name, symbol in info.names.items():
                variable = symbol.node
                is_key = isinstance(variable, Var) and not variable.is_classvar and not name.startswith(("_", "model_"))
                if is_key and isinstance(variable, Var) and variable.line > 0 and not symbol.plugin_generated:
                    key = Key(info.fullname, name)
                    self.places[key] = (tree.path, variable.line)
                    self.classes[key] = set(_list_classes(variable.type)) & self.owners

    def find_key(self, info: TypeInfo, name: str) -> Key | None:
        """Returns the key, or the method, that a name of an object of a class is; None outside the model."""
        for base in info.mro:
            if name in base.names:
                return Key(base.fullname, name) if base.fullname in self.owners else None
        return None


def _collect_reads(module: str, tree: MypyFile, types: Mapping[Expression, Type], model: _Model, uses: Uses) -> None:
    """Adds what a module reads of the model; `types` has the types of all expressions."""
    methods = list(_list_methods(tree.defs, "")) if module in model.modules else []
    for expression in _list_expressions(tree):
        if isinstance(expression, StrExpr):
            uses.strings[module].add(expression.value)
        elif isinstance(expression, CallExpr) and _is_getattr(expression):
            for info in _list_infos(types.get(expression.args[0])):
                uses.by_name[module].update(base.fullname for base in info.mro)
        elif isinstance(expression, MemberExpr):
            for info in _list_infos(types.get(expression.expr)):
                key = model.find_key(info, expression.name)
                if key is not None and module not in model.modules:
                    uses.read.add(key)
                elif key is not None:
                    inside = [method for method, first, last in methods if first <= expression.line <= last]
                    for method in inside:
                        uses.by_method[method].add(key)


def _list_expressions(tree: MypyFile) -> list[Expression]:
    """Returns all expressions of a module. (mypy's own visitors are compiled and can't be derived from.)"""
    found: dict[int, Expression] = {}
    seen: set[int] = set()
    attributes: dict[str, list[str]] = {}
    waiting: list[object] = [*tree.defs]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, _SYNTAX) and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, Expression):
                found[id(node)] = node
            kind = type(node).__name__
            if kind not in attributes:
                attributes[kind] = _list_attributes(node)
            waiting += [getattr(node, name, None) for name in attributes[kind]]
    return list(found.values())


def _list_attributes(node: object) -> list[str]:
    """Returns the attributes of a node that have parts of it; others lead to definitions elsewhere."""
    names = {name for base in type(node).__mro__ for name, value in vars(base).items() if hasattr(value, "__set__")}
    return sorted(name for name in names if not name.startswith("_") and name not in _LINKS)


def _list_methods(statements: Sequence[Statement], owner: str) -> Iterator[tuple[Key, int, int]]:
    """Yields the methods of classes, with their first and last lines."""
    for statement in statements:
        function = statement.func if isinstance(statement, Decorator) else statement
        if isinstance(statement, ClassDef):
            yield from _list_methods(statement.defs.body, statement.fullname)
        elif isinstance(function, FuncDef) and owner:
            yield Key(owner, function.name), function.line, function.end_line or function.line


def _is_getattr(call: CallExpr) -> bool:
    return isinstance(call.callee, NameExpr) and call.callee.fullname == "builtins.getattr"


def _list_infos(type: Type | None) -> Iterator[TypeInfo]:
    """Yields the classes of an object of this type."""
    proper = get_proper_type(type)
    if isinstance(proper, Instance):
        yield proper.type
    elif isinstance(proper, UnionType):
        for item in proper.items:
            yield from _list_infos(item)
    elif isinstance(proper, TypeVarType):
        yield from _list_infos(proper.upper_bound)


def _list_classes(type: Type | None) -> Iterator[str]:
    """Yields the classes that a key of this type can hold, also in a tuple or a mapping."""
    for info in _list_infos(type):
        yield info.fullname
    proper = get_proper_type(type)
    arguments = proper.args if isinstance(proper, Instance) else proper.items if isinstance(proper, UnionType) else ()
    for argument in arguments:
        yield from _list_classes(argument)


def _write(key: Key) -> str:
    return f"{key.owner.rsplit('.', 1)[-1]}.{key.name}"


if __name__ == "__main__":
    raise SystemExit(main())
