"""The command `card-agent`, also as `python -m card_agent`."""

import os

# Failed handshakes are explained by a refusal instead of gRPC's own log, unless a developer sets this variable. gRPC
# reads it during its import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from card_agent.command import main

if __name__ == "__main__":
    main()
