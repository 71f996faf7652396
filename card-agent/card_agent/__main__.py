"""The command `card-agent`, also as `python -m card_agent`."""

import os

# What gRPC's core has to say about a failed handshake is said in our words; a developer may ask for its own. It reads
# this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from card_agent.command import main

if __name__ == "__main__":
    main()
