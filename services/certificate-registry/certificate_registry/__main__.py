"""certificate-registry: serve, serve-lookup, worker, migrate, migrate-after, erase-card."""

from certificate_registry.settings import LOOKUP, PACKAGE, SERVICE
from instance_profile.load import ProfileError
from servicekit import program

if __name__ == "__main__":
    program.run(
        SERVICE,
        program.bind_commands(PACKAGE, "serve", "serve-lookup", "worker", *program.MIGRATIONS),
        with_arguments=program.bind_commands(PACKAGE, "erase-card"),
        names={"serve-lookup": LOOKUP},
        mistakes=ProfileError,
    )
