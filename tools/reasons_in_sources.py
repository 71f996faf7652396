"""Finds the reasons that the sources can raise, by their syntax trees; used by docs/errors.md and by tests.

A reason is one of these: the first argument of `Refusal`, the second of `Violation`, the field `reason` of any other
class; the argument of a function that passes it on to one of these, wherever that function is called; the value that a
function returns, alone or as the first element of a tuple.
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
_REASON_PART = re.compile(r"[A-Z]+")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _ReasonParameter:
    """The parameter by which a function or class takes a reason: its position and its name."""

    position: int
    name: str


@dataclass(slots=True)
class _Module:
    component: str
    tree: ast.Module
    # The innermost function that contains a node; nodes outside functions are absent.
    enclosing: dict[ast.AST, Function]


@cache
def map_reasons_to_components() -> Mapping[str, set[str]]:
    """Returns for every reason the components that raise it (`certificate-registry`, `card-agent`, `servicekit`, …)."""
    modules = [_parse(file) for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py"))]
    parameters: dict[str, _ReasonParameter] = {
        "Refusal": _ReasonParameter(0, "reason"),
        "Violation": _ReasonParameter(1, "reason"),
        "explain": _ReasonParameter(0, "reason"),
    }
    for module in modules:
        parameters |= _find_classes_with_reason(module)
    components: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for reason in _find_returned_reasons(module.tree):
            components[reason].add(module.component)
    count = -1
    # A function that passes a reason on may itself be called by another one, so repeat until no function is new.
    while count != len(parameters):
        count = len(parameters)
        for module in modules:
            for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
                parameter = parameters.get(_get_name(call.func))
                argument = _get_argument(call, parameter) if parameter else None
                if argument is None:
                    continue
                for reason in _find_reasons(argument, module):
                    components[reason].add(module.component)
                function = module.enclosing.get(call)
                if isinstance(argument, ast.Name) and function and (own := _find_parameter(function, argument.id)):
                    parameters.setdefault(function.name, own)
    return components


@cache
def map_reasons_to_rpcs() -> Mapping[str, set[str]]:
    """Returns for every reason the RPCs (`CertificateRegistry.Register`) whose comment in a proto file names it."""
    rpcs: dict[str, set[str]] = defaultdict(set)
    for file in sorted(PROTOS.rglob("*.proto")):
        comment: list[str] = []
        service = ""
        for line in file.read_text("utf-8").splitlines():
            text = line.strip()
            if text.startswith("//"):
                comment.append(text)
                continue
            if match := re.match(r"(service|rpc) (\w+)", text):
                kind, name = match.groups()
                if kind == "service":
                    service = name
                else:
                    for reason in REASON.finditer(" ".join(comment)):
                        rpcs[reason[0]].add(f"{service}.{name}")
            comment = []
    return rpcs


def _parse(file: Path) -> _Module:
    relative = file.relative_to(ROOT).parts
    tree = ast.parse(file.read_text("utf-8"))
    enclosing: dict[ast.AST, Function] = {}
    for function in ast.walk(tree):
        if isinstance(function, Function):
            # An inner function is walked after the outer one, so its nodes end up with it.
            enclosing.update((node, function) for node in ast.walk(function) if node is not function)
    return _Module(relative[1] if relative[0] in ("libraries", "services") else relative[0], tree, enclosing)


def _find_classes_with_reason(module: _Module) -> dict[str, _ReasonParameter]:
    parameters = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            fields = [
                statement.target.id
                for statement in node.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            ]
            if "reason" in fields and node.name not in ("Refusal", "Violation"):
                parameters[node.name] = _ReasonParameter(fields.index("reason"), "reason")
    return parameters


def _get_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _get_argument(call: ast.Call, parameter: _ReasonParameter) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == parameter.name:
            return keyword.value
    return call.args[parameter.position] if parameter.position < len(call.args) else None


def _find_parameter(function: Function, name: str) -> _ReasonParameter | None:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    if name in names:
        position = names.index(name)
        # Calls of a method leave out `self` or `cls`.
        return _ReasonParameter(position - 1 if names[0] in ("self", "cls") else position, name)
    keywords = [argument.arg for argument in function.args.kwonlyargs]
    return _ReasonParameter(10**6, name) if name in keywords else None


def _find_returned_reasons(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Return):
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and REASON.fullmatch(value.value):
                yield value.value


def _find_reasons(argument: ast.expr, module: _Module) -> Iterator[str]:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        if argument.value:
            yield argument.value
    elif isinstance(argument, ast.JoinedStr):
        # f"PURPOSE_FOR_ANOTHER_{what}": any word in capitals in the module may be the placeholder's value.
        start = argument.values[0]
        if isinstance(start, ast.Constant) and isinstance(start.value, str):
            yield from (f"{start.value}{word}" for word in _find_texts(module.tree) if _REASON_PART.fullmatch(word))
    elif isinstance(argument, ast.IfExp):
        yield from _find_reasons(argument.body, module)
        yield from _find_reasons(argument.orelse, module)
    elif isinstance(argument, ast.Name):
        function = module.enclosing.get(argument)
        if function is None or _find_parameter(function, argument.id) is None:
            # A variable: any text in the module that looks like a reason may be its value.
            yield from (text for text in _find_texts(module.tree) if REASON.fullmatch(text))
    elif not isinstance(argument, ast.Attribute):
        yield from (text for text in _find_texts(argument) if REASON.fullmatch(text))


def _find_texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
