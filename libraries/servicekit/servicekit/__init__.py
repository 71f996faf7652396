"""What every service needs, and nothing of the domain."""

import os

# gRPC's core writes lines of its own about handshakes that strangers fail at, in the middle of our log. It reads this
# when it is imported, which no service does before this package; a developer may ask for the lines.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
