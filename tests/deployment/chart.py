"""The chart as rendered by Helm, and queries on its objects."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes without types, as the next one does
import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "toroku"
HELM = ROOT / "tools" / "node_modules" / ".bin" / "helm"
PROFILE = ROOT / "profiles" / "saitama.yaml"
VARIANTS = {file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").glob("*-values.yaml"))}
KUBERNETES = tuple(f"1.{minor}" for minor in range(28, 37))
# The sleep before a stop, the only thing that depends on the version of Kubernetes, differs between these two.
OLDEST, NEWEST = KUBERNETES[0], KUBERNETES[-1]
# The commands of servers.
SERVERS = ("serve", "serve-lookup")
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
RELEASE, NAMESPACE = "saitama", "toroku-saitama"

Document = dict[str, Any]


class HelmFailed(Exception):
    """Helm failed; the text is its output."""


def helm(*arguments: str | Path, home: Path | None = None) -> str:
    """Runs Helm with its caches in `home`; returns its output. Raises HelmFailed with its error output."""
    assert HELM.exists(), f"{HELM} is missing: python3 tools/set_up.py test installs it"
    command = [str(HELM), *map(str, arguments)]
    environ = os.environ | ({"HOME": str(home)} if home is not None else {})
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environ)
    if done.returncode != 0:
        raise HelmFailed(done.stdout + done.stderr)
    return done.stdout


@dataclass(frozen=True)
class Release:
    """All objects of one installation, including hooks and tests."""

    documents: tuple[Document, ...]

    def of_kind(self, kind: str) -> list[Document]:
        """Returns all objects of one kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def named(self, kind: str, name: str) -> Document:
        """Returns the object of this kind and name."""
        found = [document for document in self.of_kind(kind) if document["metadata"]["name"] == name]
        names = [document["metadata"]["name"] for document in self.of_kind(kind)]
        assert len(found) == 1, f"{kind} {name}: {len(found)} of {names}"
        return found[0]

    def pods(self) -> Iterator[tuple[str, Document]]:
        """Yields every pod of the release: its origin, and the pod with its metadata."""
        for document in self.documents:
            where = f"{document['kind']} {document['metadata']['name']}"
            if document["kind"] == "Pod":
                yield where, document
            elif document["kind"] in ("Deployment", "Job"):
                yield where, document["spec"]["template"]


def render(
    values: Sequence[Path | Mapping[str, Any]],
    *,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    kubernetes: str = NEWEST,
    profile: Path | None = PROFILE,
    overlay: Path | None = None,
    folder: Path | None = None,
) -> Release:
    """Renders a release from values, later ones overriding earlier; maps of values are written to `folder` first."""
    arguments: list[str | Path] = ["template", release, CHART, "--namespace", namespace]
    arguments += ["--kube-version", f"{kubernetes}.0"]
    if profile is not None:
        arguments += ["--set-file", f"profile={profile}"]
    if overlay is not None:
        arguments += ["--set-file", f"overlay={overlay}"]
    for number, given in enumerate(values):
        file = given
        if not isinstance(given, Path):
            assert folder is not None, "a map of values needs a folder to be written to"
            file = folder / f"values-{number}.yaml"
            file.write_text(yaml.safe_dump(dict(given), allow_unicode=True), "utf-8")
        assert isinstance(file, Path)
        arguments += ["--values", file]
    # The C loader is ten times faster.
    documents = yaml.load_all(helm(*arguments), Loader=yaml.CSafeLoader)
    return Release(tuple(document for document in documents if document))


@cache
def variant(name: str, kubernetes: str = NEWEST) -> Release:
    """Returns the values file of a variant in the chart's `ci` folder."""
    return render([VARIANTS[name]], kubernetes=kubernetes)


def values_of(name: str) -> Any:
    """Returns a variant's values, without the defaults."""
    return yaml.safe_load(VARIANTS[name].read_text("utf-8"))


def default_values() -> Any:
    """Returns the chart's default values."""
    return yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


@cache
def services() -> tuple[str, ...]:
    """Returns the chart's data about services."""
    return tuple(default_values()["services"])


@cache
def stateful_services() -> tuple[str, ...]:
    """Returns the services that keep a database, and so have a worker and migrations."""
    values = default_values()["services"]
    return tuple(name for name, own in values.items() if "database" in own and "of" not in own)


def containers(pod: Document) -> list[Document]:
    """Returns all containers of a pod, init containers first."""
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def environment(container: Document) -> dict[str, Any]:
    """Returns a container's variables: text, or the source of the value."""
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), f"twice in {container['name']}: {sorted(names)}"
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def own_containers(release: Release) -> Iterator[tuple[str, str, Document]]:
    """Yields service, command and container of every pod with a service's image."""
    for _, pod in release.pods():
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        if service in services():
            for container in containers(pod):
                (command,) = container["args"]
                yield service, command, container


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Returns whether a label selector matches; an empty one matches everything."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or ():
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


@cache
def _schema(kubernetes: str, kind: str, api_version: str) -> jsonschema.Draft202012Validator | None:
    """Returns the strict schema of a kind from the package kubernetes-validate, or None where that version has none.

    The package's own `validate` reads a megabyte of definitions for every object; here they are cached.
    """
    group, _, version = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
    file = _schemas(kubernetes) / f"{name}.json"
    if not file.is_file():
        return None
    return jsonschema.Draft202012Validator(json.loads(file.read_text()), registry=_definitions(kubernetes))


@cache
def _definitions(kubernetes: str) -> Any:
    definitions = Resource.from_contents(json.loads((_schemas(kubernetes) / "_definitions.json").read_text()))
    return definitions @ Registry()


def _schemas(kubernetes: str) -> Path:
    return SCHEMAS / f"v{kubernetes}.0-local-strict"


def schema_errors(document: Document, kubernetes: str) -> list[str] | None:
    """Returns the errors of an object in a version of Kubernetes; None where that version has no such kind."""
    return _errors(json.dumps(document), kubernetes)


@cache
def _errors(text: str, kubernetes: str) -> list[str] | None:
    # Cached, because many objects are equal in several variants.
    document = json.loads(text)
    validator = _schema(kubernetes, document["kind"], document["apiVersion"])
    if validator is None:
        return None
    name = f"{document['kind']} {document['metadata']['name']}"
    return [f"{name}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(document)]
