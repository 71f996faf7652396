"""The command `card-agent`, also as `python -m card_agent`."""

import os
import sys

# Failed handshakes are explained by a refusal instead of gRPC's own log, unless a developer sets this variable. gRPC
# reads it during its import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> None:
    """Runs the command line, or serves a PKCS#11 module to another process of the agent."""
    # Each use of such a card starts this program, so that it should not read the whole agent.
    if sys.argv[1:] == ["host-module"]:
        from card_agent.media.module_child import main as serve_module

        serve_module()
    else:
        from card_agent.command import main as run_command_line

        run_command_line()


if __name__ == "__main__":
    main()
