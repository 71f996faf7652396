"""The gRPC service UserLookup: convert, call one operation, convert."""

from typing_extensions import override

from certificate_registry.convert import registry as convert
from certificate_registry.domain.verdict import LookupKey
from certificate_registry.operations.resolve_user import UserResolver
from servicekit.context import Context
from toroku.certificate.v1 import user_lookup_pb2, user_lookup_pb2_grpc


class UserLookup(user_lookup_pb2_grpc.UserLookupServicer):
    """The lookup of one instance."""

    def __init__(self, *, resolver: UserResolver) -> None:
        self._resolver = resolver

    @override
    async def ResolveUser(
        self, request: user_lookup_pb2.ResolveUserRequest, context: Context
    ) -> user_lookup_pb2.ResolveUserResponse:
        """Resolves a card to its bidder. The busiest call: keep it short."""
        key = LookupKey(request.agency, request.category, request.certificate_sha256)
        resolution = self._resolver.resolve(key, request.certificate, possession_verified=request.possession_verified)
        return convert.write_resolution(await resolution)
