"""The type of the context that gRPC passes to every method of a servicer."""

from typing import Any, TypeAlias

import grpc

# The generic parameters are the request and response types, which a servicer's own signature already names.
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
