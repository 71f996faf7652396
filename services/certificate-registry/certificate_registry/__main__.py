"""certificate-registry: serve, serve-lookup, worker, migrate, migrate-after."""

from certificate_registry.settings import LOOKUP, PACKAGE, SERVICE
from instance_profile.load import ProfileError
from servicekit import program

if __name__ == "__main__":
    program.run(
        SERVICE,
        program.bind_commands(PACKAGE, "serve", "serve-lookup", "worker", *program.MIGRATIONS),
        names={"serve-lookup": LOOKUP},
        mistakes=ProfileError,
    )
