"""Finds, by the sources' syntax trees, the keys of the metadata that each raise of a reason gives.

A raise is a call of `Refusal`, `Violation` or `explain`, or of a class with a field `reason`, with a reason that the
sources spell out; or such a call in a function that takes the reason as a parameter, for each call of that function; or
a function that returns a reason, alone or followed by its metadata. What passes on the reason of another refusal is
none. Keys are followed through dict literals, `|`, `|=`, spreads, local variables, parameters, and functions that
return a dict. A raise whose keys cannot be followed has None; nothing is guessed.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tools.reasons_in_sources import REASON, ROOT, SOURCES

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

# The most variables, parameters and functions that one value is followed through; it also ends recursion.
_MOST_STEPS = 12


@dataclass(frozen=True, slots=True)
class Raise:
    """One raise: its module and function, the reason, and the keys of its metadata, None where they are not known.

    A reason that ends with `*` stands for all reasons with that beginning.
    """

    place: str
    reason: str
    keys: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Signature:
    """The parameters of what makes a refusal, and the names of those with the reason and with its metadata."""

    parameters: tuple[str, ...]
    reason: str = "reason"
    metadata: str | None = "metadata"


@dataclass(frozen=True, slots=True)
class _Module:
    path: str
    tree: ast.Module
    parents: Mapping[ast.AST, ast.AST]
    functions: Mapping[str, Function]
    # By the name of what is called, without what that is an attribute of.
    calls: Mapping[str, Sequence[ast.Call]]

    def enclosing(self, node: ast.AST) -> Function | None:
        """Returns the innermost function that contains a node."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, Function):
            parent = self.parents.get(parent)
        return parent


@dataclass(frozen=True, slots=True)
class _Scope:
    """The place at which an expression is evaluated.

    `arguments` are those of the call by which its function was reached, None where it was not reached by a call.
    """

    module: _Module
    function: Function | None
    arguments: "Mapping[str, tuple[ast.expr, _Scope]] | None" = None


class _Unknown(Exception):
    """The value is not spelled out in a way that is followed."""


_RAISERS = {
    "Refusal": _Signature(("reason", "code", "metadata", "violations")),
    "Violation": _Signature(("field", "reason", "metadata")),
    "explain": _Signature(("reason", "metadata")),
}


def find_raises(files: Iterable[tuple[str, str]] | None = None) -> list[Raise]:
    """Returns every raise in the sources, or in `files`, pairs of a path and a text."""
    return list(_Sources(_read_sources() if files is None else files).find())


class _Sources:
    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        self.modules = [_parse(path, text) for path, text in files]
        self.raisers = dict(_RAISERS)
        for module in self.modules:
            self.raisers |= _find_classes_with_reason(module)

    def find(self) -> Iterator[Raise]:
        for module in self.modules:
            for node in ast.walk(module.tree):
                scope = _Scope(module, module.enclosing(node))
                if isinstance(node, ast.Call) and _name(node.func) in self.raisers:
                    yield from self._find_in_call(node, scope)
                elif isinstance(node, ast.Return) and node.value is not None:
                    yield from self._find_in_return(node.value, scope)

    def _find_in_call(self, call: ast.Call, scope: _Scope) -> Iterator[Raise]:
        signature = self.raisers[_name(call.func)]
        arguments = _arguments(call, signature.parameters)
        if signature.reason not in arguments:
            return
        metadata = arguments.get(signature.metadata) if signature.metadata else None
        yield from self._expand(arguments[signature.reason], scope, metadata, scope, ())

    def _expand(
        self,
        reason: ast.expr,
        scope: _Scope,
        metadata: ast.expr | None,
        inner: _Scope,
        callers: Sequence[ast.Call],
    ) -> Iterator[Raise]:
        """Yields the raises with this reason; where it is a parameter, those of each call of its function.

        `scope` is where the reason stands, `inner` where the metadata do, reached through `callers`.
        """
        function = scope.function
        if function is not None and isinstance(reason, ast.Name) and reason.id in _parameters(function):
            for caller, outer in self._find_calls(function):
                arguments = _arguments(caller, _parameters(function))
                if reason.id in arguments and caller not in callers:
                    reached = _Scope(
                        scope.module, function, {name: (value, outer) for name, value in arguments.items()}
                    )
                    at = reached if inner is scope else _rebind(inner, scope, reached)
                    yield from self._expand(arguments[reason.id], outer, metadata, at, (*callers, caller))
            return
        place = f"{scope.module.path}:{function.name if function else ''}"
        for one in self._reasons(reason, scope):
            yield Raise(place, one, self._keys_or_none(metadata, inner))

    def _find_in_return(self, value: ast.expr, scope: _Scope) -> Iterator[Raise]:
        """A returned reason: whoever makes the refusal of it has only the metadata that are returned with it."""
        elements = value.elts if isinstance(value, ast.Tuple) else [value]
        text = elements[0].value if elements and isinstance(elements[0], ast.Constant) else None
        if isinstance(text, str) and REASON.fullmatch(text):
            place = f"{scope.module.path}:{scope.function.name if scope.function else ''}"
            yield Raise(place, text, self._keys_or_none(elements[1] if len(elements) > 1 else None, scope))

    def _find_calls(self, function: Function) -> Iterator[tuple[ast.Call, _Scope]]:
        for module in self.modules:
            for call in module.calls.get(function.name, ()):
                yield call, _Scope(module, module.enclosing(call))

    def _reasons(self, value: ast.expr, scope: _Scope) -> set[str]:
        match value:
            case ast.Constant(value=str(text)) if REASON.fullmatch(text):
                return {text}
            case ast.IfExp():
                return self._reasons(value.body, scope) | self._reasons(value.orelse, scope)
            case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
                return {f"{text}*"}
            case ast.Name():
                values, _ = _assignments(value, scope)
                return {reason for one in values for reason in self._reasons(one, scope)}
        return set()

    def _keys_or_none(self, value: ast.expr | None, scope: _Scope) -> frozenset[str] | None:
        try:
            return frozenset(self._keys(value, scope, _MOST_STEPS))
        except _Unknown:
            return None

    def _keys(self, value: ast.expr | None, scope: _Scope, steps: int) -> set[str]:
        if not steps:
            raise _Unknown
        match value:
            case None | ast.Constant(value=None):
                return set()
            case ast.Dict():
                keys: set[str] = set()
                for key, item in zip(value.keys, value.values, strict=True):
                    keys |= self._keys(item, scope, steps) if key is None else {self._text(key, scope)}
                return keys
            case ast.BinOp(op=ast.BitOr()):
                return self._keys(value.left, scope, steps) | self._keys(value.right, scope, steps)
            case ast.BoolOp(op=ast.Or()):
                return next(filter(None, (self._keys(one, scope, steps) for one in value.values)), set())
            case ast.IfExp():
                return self._keys(value.body, scope, steps) & self._keys(value.orelse, scope, steps)
            case ast.Name():
                return self._keys_of_variable(value, scope, steps - 1)
            case ast.Call():
                return self._keys_of_call(value, scope, steps - 1)
        raise _Unknown

    def _keys_of_variable(self, name: ast.Name, scope: _Scope, steps: int) -> set[str]:
        if scope.function is not None and name.id in _parameters(scope.function):
            if scope.arguments is None:
                raise _Unknown
            if name.id in scope.arguments:
                return self._keys(*scope.arguments[name.id], steps)
            return self._keys(_default(scope.function, name.id), scope, steps)
        values, additions = _assignments(name, scope)
        if not values:
            raise _Unknown
        keys = set.intersection(*(self._keys(value, scope, steps) for value in values))
        return keys.union(*(self._keys(addition, scope, steps) for addition in additions))

    def _keys_of_call(self, call: ast.Call, scope: _Scope, steps: int) -> set[str]:
        name = _name(call.func)
        if name == "dict":
            keys = set().union(*(self._keys(argument, scope, steps) for argument in call.args))
            return keys.union(keyword.arg for keyword in call.keywords if keyword.arg)
        # The function of that name in the same module, or the only one that there is.
        modules = [scope.module] if name in scope.module.functions else self.modules
        candidates = [(module, module.functions[name]) for module in modules if name in module.functions]
        if len(candidates) != 1:
            raise _Unknown
        ((module, function),) = candidates
        arguments = _arguments(call, _parameters(function))
        reached = _Scope(module, function, {parameter: (value, scope) for parameter, value in arguments.items()})
        returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        if not returned:
            raise _Unknown
        return set.intersection(*(self._keys(value, reached, steps) for value in returned))

    def _text(self, value: ast.expr, scope: _Scope) -> str:
        match value:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue():
                return self._text(value.value, scope)
            case ast.JoinedStr():
                return "".join(self._text(part, scope) for part in value.values)
            case ast.Name(id=name) if scope.arguments and name in scope.arguments:
                return self._text(*scope.arguments[name])
        raise _Unknown


def _rebind(inner: _Scope, outer: _Scope, reached: _Scope) -> _Scope:
    """Replaces, in the arguments that led to `inner`, the scope `outer` by the same one as reached by a call."""
    arguments = {
        name: (value, reached if scope is outer else _rebind(scope, outer, reached))
        for name, (value, scope) in (inner.arguments or {}).items()
    }
    return _Scope(inner.module, inner.function, arguments if inner.arguments is not None else None)


def _assignments(name: ast.Name, scope: _Scope) -> tuple[list[ast.expr], list[ast.expr]]:
    """Returns the values that a local variable may have at a place, and the dicts that are always added to it.

    Looks backwards through the blocks around the place, up to the assignment that is always made. No value is returned
    where the variable also gets one in another way, as by a loop.
    """
    values: list[ast.expr] = []
    additions: list[ast.expr] = []
    node: ast.AST = name
    while not isinstance(node, Function | ast.Module):
        parent = scope.module.parents[node]
        for block in (getattr(parent, field, None) for field in ("body", "orelse", "finalbody")):
            if not isinstance(block, list) or node not in block:
                continue
            for statement in reversed(block[: block.index(node)]):
                for one in ast.walk(statement):
                    if _is_bound_otherwise(name.id, one):
                        return [], []
                assigned = [value for one in ast.walk(statement) for value in _assigned(name.id, one)]
                values += assigned
                additions += _added(name.id, statement)
                if _assigned(name.id, statement):
                    return values, additions
        if _is_bound_otherwise(name.id, parent):
            return [], []
        node = parent
    return values, additions


def _assigned(name: str, statement: ast.AST) -> list[ast.expr]:
    """Returns the value that a statement itself assigns to a variable."""
    if isinstance(statement, ast.AnnAssign) and _name(statement.target) == name and statement.value is not None:
        return [statement.value]
    if not isinstance(statement, ast.Assign):
        return []
    for target in statement.targets:
        if isinstance(target, ast.Name) and target.id == name:
            return [statement.value]
        if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
            pairs = zip(target.elts, statement.value.elts, strict=False)
            values = [value for one, value in pairs if isinstance(one, ast.Name) and one.id == name]
            if values:
                return values
    return []


def _added(name: str, statement: ast.AST) -> list[ast.expr]:
    """Returns the dict that a statement itself adds to a variable: by `|=`, or by the assignment of one key."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=target), op=ast.BitOr()) if target == name:
            return [statement.value]
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant() as key)]):
            return [ast.Dict([key], [statement.value])] if target == name else []
    return []


def _is_bound_otherwise(name: str, node: ast.AST) -> bool:
    """Returns whether a loop, a `with` or the unpacking of a value gives a variable its value."""
    targets: list[ast.AST] = []
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    elif isinstance(node, ast.Assign) and not isinstance(node.value, ast.Tuple):
        targets = [target for target in node.targets if isinstance(target, ast.Tuple)]
    return any(isinstance(one, ast.Name) and one.id == name for target in targets for one in ast.walk(target))


def _read_sources() -> Iterator[tuple[str, str]]:
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if "build" not in file.relative_to(ROOT).parts:
                yield _path_as_imported(file), file.read_text("utf-8")


def _path_as_imported(file: Path) -> str:
    folder, *parts = file.relative_to(ROOT).parts
    return "/".join(parts if folder == "card-agent" else parts[1:])


def _parse(path: str, text: str) -> _Module:
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    calls: defaultdict[str, list[ast.Call]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls[_name(node.func)].append(node)
    return _Module(path, tree, parents, functions, calls)


def _find_classes_with_reason(module: _Module) -> dict[str, _Signature]:
    signatures = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name not in _RAISERS:
            fields = tuple(
                statement.target.id
                for statement in node.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            )
            if "reason" in fields:
                signatures[node.name] = _Signature(fields, metadata="metadata" if "metadata" in fields else None)
    return signatures


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _parameters(function: Function) -> tuple[str, ...]:
    """Returns the names of a function's parameters in the order of a call, without `self` and `cls`."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    keywords = [argument.arg for argument in function.args.kwonlyargs]
    return (*(names[1:] if names[:1] in (["self"], ["cls"]) else names), *keywords)


def _default(function: Function, parameter: str) -> ast.expr | None:
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    keywords = zip((argument.arg for argument in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
    return defaults.get(parameter) or dict(keywords).get(parameter)


def _arguments(call: ast.Call, parameters: tuple[str, ...]) -> dict[str, ast.expr]:
    """Returns the arguments of a call by parameter; what is spread by `*` is left out."""
    positional: dict[str, ast.expr] = {}
    for parameter, argument in zip(parameters, call.args, strict=False):
        if isinstance(argument, ast.Starred):
            break
        positional[parameter] = argument
    return positional | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
