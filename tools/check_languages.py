"""Checks that clients in Java, C#, Go and Node can be made from the proto files; reports each language in one line.

The code is generated into a temporary folder, and a warning counts as an error. Debian's protoc generates it: Java code
compiles only with the runtime of the same release, which is Debian's too, and the protoc of grpcio-tools knows neither
Java nor C#.

- Java: messages and stubs are generated and compiled, with the example for agencies in docs/howto.
- C#: messages are generated. They are not compiled, because Debian has no package of the runtime, Google.Protobuf.
- Go: messages and stubs are generated and compiled, without a network.
- Node: @grpc/proto-loader loads the files and finds each method and each field; the same for google.rpc.BadRequest.

Python is what the services run on, so it is not checked here.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # comes without types

CHECKOUT = Path(__file__).resolve().parent.parent
PROTOS = CHECKOUT / "protos"
# The folder of google/rpc/*.proto.
ERROR_PROTOS = Path(error_details_pb2.__file__).parents[2]
# What an agency's client in Java looks like; it reads the reason of a refusal, so it needs google/rpc too.
JAVA_EXAMPLES = CHECKOUT / "docs" / "howto"
ERROR_FILES = ("google/rpc/status.proto", "google/rpc/error_details.proto")
GRPC_JAVA_PLUGIN = "/usr/bin/grpc_java_plugin"
JAVA_LIBRARIES = Path("/usr/share/java")
JARS = (
    "protobuf.jar",
    "grpc-api.jar",
    "grpc-stub.jar",
    "grpc-protobuf.jar",
    "guava.jar",
    # Annotations that guava and the stubs carry.
    "error-prone-annotations.jar",
    "geronimo-annotation-1.3-spec.jar",
)
# With these set, a Java program writes a line to standard error that is no warning.
JAVA_SETTINGS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JDK_JAVAC_OPTIONS", "_JAVA_OPTIONS")
GO_LIBRARIES = Path("/usr/share/gocode")
# Go compiles its libraries once, not at every check.
GO_CACHE = CHECKOUT / ".toroku" / "go-cache"


class CheckFailed(Exception):
    """A language for which the proto files do not work; the text is the output of the tool that says so."""


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None, folder: Path = CHECKOUT) -> str:
    """Returns the standard output of a command; raises CheckFailed if it fails or prints anything to standard error."""
    inherited = {name: value for name, value in os.environ.items() if name not in JAVA_SETTINGS}
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**inherited, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CheckFailed(f"{command[0]} is not installed: run `python3 tools/set_up.py check`") from error
    if result.returncode != 0 or result.stderr.strip():
        raise CheckFailed((result.stderr + result.stdout).strip() or f"{command[0]} ended with {result.returncode}")
    return result.stdout


def list_protos(protos: Path) -> list[str]:
    """Returns the proto files of a folder, relative to it."""
    return sorted(str(path.relative_to(protos)) for path in (protos / "toroku").rglob("*.proto"))


def generate(protos: Path, *options: str) -> None:
    """Runs protoc over all proto files; raises CheckFailed."""
    run(["protoc", f"--proto_path={protos}", *options, *list_protos(protos)])


def check_java(protos: Path, output: Path) -> str:
    """Generates and compiles messages, stubs and the examples; returns what was done."""
    plugin = f"--plugin=protoc-gen-grpc-java={GRPC_JAVA_PLUGIN}"
    generate(protos, plugin, f"--java_out={output}", f"--grpc-java_out={output}")
    run(["protoc", f"--proto_path={ERROR_PROTOS}", f"--java_out={output}", *ERROR_FILES])
    generated = sorted(output.rglob("*.java"))
    examples = sorted(JAVA_EXAMPLES.rglob("*.java")) if protos == PROTOS else []
    missing = [name for name in JARS if not (JAVA_LIBRARIES / name).exists()]
    if missing:
        raise CheckFailed(f"{JAVA_LIBRARIES} lacks {', '.join(missing)}: run `python3 tools/set_up.py check`")
    # javac runs for seconds only, for which these settings of its virtual machine are the fastest.
    fast = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"]
    class_path = ":".join(str(JAVA_LIBRARIES / name) for name in JARS)
    strict = ["-Xlint:all", "-Werror", "-proc:none", "-encoding", "UTF-8"]
    run(["javac", *fast, *strict, "-d", output / "classes", "-cp", class_path, *generated, *examples])
    return f"{len(generated)} files generated and compiled, {len(examples)} examples compiled"


def check_csharp(protos: Path, output: Path) -> str:
    """Generates messages; returns what was done."""
    generate(protos, f"--csharp_out={output}")
    return f"{len(list(output.rglob('*.cs')))} files generated"


def check_go(protos: Path, output: Path) -> str:
    """Generates and compiles messages and stubs; returns what was done."""
    sources = output / "src"
    sources.mkdir()
    generate(protos, f"--go_out={sources}", f"--go-grpc_out={sources}")
    environment = {
        # Debian's libraries lie in the layout of a GOPATH.
        "GO111MODULE": "off",
        "GOPATH": f"{output}:{GO_LIBRARIES}",
        "GOCACHE": str(GO_CACHE),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
    }
    run(["go", "build", "./toroku/..."], environment, sources)
    return f"{len(list(sources.rglob('*.go')))} files generated and compiled"


def check_node(protos: Path, output: Path) -> str:
    """Loads all files and compares services and messages with what protoc finds; returns what was done."""
    described = output / "described"
    generate(protos, f"--descriptor_set_out={described}")
    files = descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes()).file
    folders = ":".join(str(folder) for folder in (protos, ERROR_PROTOS))
    script = CHECKOUT / "tools" / "load_protos.js"
    loaded = json.loads(run(["node", script, folders, *list_protos(protos), "google/rpc/error_details.proto"]))
    services, messages = loaded["services"], loaded["messages"]
    for file in files:
        for service in file.service:
            _compare(f"{file.package}.{service.name}", [method.name for method in service.method], services)
        for message in file.message_type:
            _compare(f"{file.package}.{message.name}", [field.name for field in message.field], messages)
    violation = messages.get("google.rpc.BadRequest.FieldViolation", [])
    for field in ("field", "reason", "description"):
        if field not in violation:
            raise CheckFailed(f"google.rpc.BadRequest.FieldViolation has no {field}")
    count = sum(len(file.service) for file in files)
    return f"{len(files)} files loaded, with all methods of {count} services"


def _compare(name: str, expected: list[str], loaded: Mapping[str, list[str]]) -> None:
    if sorted(expected) != sorted(loaded.get(name, [])):
        raise CheckFailed(
            f"{name} has {', '.join(expected)}, but Node finds {', '.join(loaded.get(name, ['nothing']))}"
        )


CHECKS: Mapping[str, Callable[[Path, Path], str]] = {
    "Java": check_java,
    "C#": check_csharp,
    "Go": check_go,
    "Node": check_node,
}


def check_language(language: str, protos: Path = PROTOS) -> str:
    """Returns what was done for a language; raises CheckFailed."""
    with tempfile.TemporaryDirectory() as temporary:
        return CHECKS[language](protos, Path(temporary))


def main() -> int:
    """Checks all languages at once, prints a line for each, and returns the exit status."""
    start = time.monotonic()
    failed = False
    with ThreadPoolExecutor() as pool:
        runs = {language: pool.submit(check_language, language) for language in CHECKS}
        for language, outcome in runs.items():
            try:
                print(f"clients in {language}: {outcome.result()}")
            except CheckFailed as failure:
                failed = True
                print(f"clients in {language}: the proto files do not work\n{failure}", file=sys.stderr)
    print(f"languages checked in {time.monotonic() - start:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
