"""As much of the Kubernetes API as Helm needs: discovery of kinds; creating, reading and replacing objects.

Objects are only stored; no controller acts on them.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

Object = dict[str, Any]

# The kinds by API version that the chart makes where Secrets are supplied, and Helm's own record of a release.
KINDS: Mapping[str, Sequence[str]] = {
    "v1": ("ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
}


@contextmanager
def kubernetes_api(objects: Sequence[Object], folder: Path) -> Iterator[Path]:
    """Serves a cluster with these objects on loopback; yields the path of its kubeconfig."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(_discovery(), {_path(found): found for found in objects}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        file = folder / "kubeconfig"
        file.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
        file.chmod(0o600)
        yield file
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(discovery: Mapping[str, Object], objects: dict[str, Object]) -> type[BaseHTTPRequestHandler]:
    plurals = {_plural(kind): (version, kind) for version, kinds in KINDS.items() for kind in kinds}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            found = discovery.get(asked.path) or objects.get(asked.path)
            if found is None and asked.path.rpartition("/")[2] in plurals:
                selector = parse_qs(asked.query).get("labelSelector", [""])[0]
                wanted = dict(pair.split("=") for pair in selector.split(",") if pair)
                version, kind = plurals[asked.path.rpartition("/")[2]]
                found = {"kind": f"{kind}List", "apiVersion": version, "items": self._listed(asked.path, wanted)}
            self._answer(404 if found is None else 200, found)

        def do_POST(self) -> None:
            made = self._sent()
            objects[_path(made)] = made
            self._answer(201, made)

        def do_PUT(self) -> None:
            replaced = self._sent()
            objects[urlsplit(self.path).path] = replaced
            self._answer(200, replaced)

        def do_PATCH(self) -> None:
            # No test reads what a patch would change.
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def _listed(self, path: str, wanted: Mapping[str, str]) -> list[Object]:
            return [
                found
                for place, found in objects.items()
                if place.rpartition("/")[0] == path
                and wanted.items() <= (found["metadata"].get("labels") or {}).items()
            ]

        def _sent(self) -> Object:
            content: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content["metadata"].setdefault("namespace", urlsplit(self.path).path.split("/namespaces/")[1].split("/")[0])
            return content

        def _answer(self, status: int, body: Object | None) -> None:
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            content = json.dumps(body or missing).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, format: str, *arguments: object) -> None:
            """Suppresses the access log; the tests read Helm's output."""

    return Handler


def _discovery() -> dict[str, Object]:
    groups: dict[str, Object] = {}
    found: dict[str, Object] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    for api_version, kinds in KINDS.items():
        group, _, version = api_version.rpartition("/")
        resources = [
            {"name": _plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}
            for kind in kinds
        ]
        listed = {"kind": "APIResourceList", "groupVersion": api_version, "resources": resources}
        found[f"/apis/{api_version}" if group else f"/api/{version}"] = listed
        if group:
            named = {"groupVersion": api_version, "version": version}
            groups[group] = {"name": group, "versions": [named], "preferredVersion": named}
    found["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
    return found


def _path(found: Object) -> str:
    begin = "/apis" if "/" in found["apiVersion"] else "/api"
    metadata = found["metadata"]
    kind = _plural(found["kind"])
    return f"{begin}/{found['apiVersion']}/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}"


def _plural(kind: str) -> str:
    name = kind.lower()
    if name.endswith("y"):
        return name.removesuffix("y") + "ies"
    return name + ("es" if name.endswith("s") else "s")


def _kubeconfig(server: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": server}}],
        "users": [{"name": "fake", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
    }
