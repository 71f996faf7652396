"""Which reasons the sources can raise, read from their syntax trees; for the page of errors and for the tests of words.

A reason is the first argument of `Refusal`, the second of `Violation`, the field `reason` of any other class, or the
argument of a function that hands it on to one of these, wherever that function is called; or what a function returns,
alone or before its metadata.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ("libraries", "services", "card-agent")
PROTOS = ROOT / "protos" / "toroku"
REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_PART_OF_REASON = re.compile(r"[A-Z]+")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Taker:
    """A function or class that takes a reason: at which position, and under which name."""

    position: int
    name: str


@dataclass(slots=True)
class _Module:
    part: str
    tree: ast.Module
    # The innermost function around every node, where there is one.
    around: dict[ast.AST, Function]


@cache
def raised() -> Mapping[str, set[str]]:
    """Reason → the parts of the house that raise it (`certificate-registry`, `card-agent`, …)."""
    modules = [_module(file) for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py"))]
    takers: dict[str, _Taker] = {
        "Refusal": _Taker(0, "reason"),
        "Violation": _Taker(1, "reason"),
        "explain": _Taker(0, "reason"),
    }
    for module in modules:
        takers |= _classes_with_a_reason(module)
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for reason in _returned(module.tree):
            found[reason].add(module.part)
    known = -1
    # A function that hands a reason on may itself be called by one, so look until there is nothing new.
    while known != len(takers):
        known = len(takers)
        for module in modules:
            for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
                taker = takers.get(_name(call.func))
                given = _argument(call, taker) if taker else None
                if given is None:
                    continue
                for reason in _reasons(given, module):
                    found[reason].add(module.part)
                function = module.around.get(call)
                if isinstance(given, ast.Name) and function and (handed_on := _parameter(function, given.id)):
                    takers.setdefault(function.name, handed_on)
    return found


@cache
def named_in_protos() -> Mapping[str, set[str]]:
    """Reason → the RPCs (`CertificateRegistry.Register`) whose comment in a proto file names it."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(PROTOS.rglob("*.proto")):
        comment: list[str] = []
        service = ""
        for line in file.read_text("utf-8").splitlines():
            text = line.strip()
            if text.startswith("//"):
                comment.append(text)
                continue
            if matched := re.match(r"(service|rpc) (\w+)", text):
                kind, name = matched.groups()
                if kind == "service":
                    service = name
                else:
                    for reason in REASON.finditer(" ".join(comment)):
                        found[reason[0]].add(f"{service}.{name}")
            comment = []
    return found


def _module(file: Path) -> _Module:
    relative = file.relative_to(ROOT).parts
    tree = ast.parse(file.read_text("utf-8"))
    around: dict[ast.AST, Function] = {}
    for function in ast.walk(tree):
        if isinstance(function, Function):
            # An inner function is walked later, and so takes its nodes over.
            around.update((node, function) for node in ast.walk(function) if node is not function)
    return _Module(relative[1] if relative[0] in ("libraries", "services") else relative[0], tree, around)


def _classes_with_a_reason(module: _Module) -> dict[str, _Taker]:
    takers = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            fields = [
                statement.target.id
                for statement in node.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            ]
            if "reason" in fields and node.name not in ("Refusal", "Violation"):
                takers[node.name] = _Taker(fields.index("reason"), "reason")
    return takers


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _argument(call: ast.Call, taker: _Taker) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == taker.name:
            return keyword.value
    return call.args[taker.position] if taker.position < len(call.args) else None


def _parameter(function: Function, name: str) -> _Taker | None:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    if name in names:
        position = names.index(name)
        # A method is called without itself.
        return _Taker(position - 1 if names[0] in ("self", "cls") else position, name)
    keywords = [argument.arg for argument in function.args.kwonlyargs]
    return _Taker(10**6, name) if name in keywords else None


def _returned(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and REASON.fullmatch(value.value):
                yield value.value


def _reasons(given: ast.expr, module: _Module) -> Iterator[str]:
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        if given.value:
            yield given.value
    elif isinstance(given, ast.JoinedStr):
        # f"PURPOSE_FOR_ANOTHER_{what}": every word in capitals of the module may fill the place.
        start = given.values[0]
        if isinstance(start, ast.Constant) and isinstance(start.value, str):
            yield from (f"{start.value}{word}" for word in _texts(module.tree) if _PART_OF_REASON.fullmatch(word))
    elif isinstance(given, ast.IfExp):
        yield from _reasons(given.body, module)
        yield from _reasons(given.orelse, module)
    elif isinstance(given, ast.Name):
        function = module.around.get(given)
        if function is None or _parameter(function, given.id) is None:
            # A variable: whatever in the module looks like a reason may stand in it.
            yield from (text for text in _texts(module.tree) if REASON.fullmatch(text))
    elif not isinstance(given, ast.Attribute):
        yield from (text for text in _texts(given) if REASON.fullmatch(text))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
