"""What every service needs, and nothing of the domain."""

import os

# gRPC's core logs failed handshakes of strangers between our own log lines. It reads this variable when it is imported,
# which no service does before this package. A developer may set it to see these lines.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
