"""agency-sync: serve, worker, migrate, migrate-after."""

from agency_sync.settings import PACKAGE, SERVICE
from instance_profile.load import ProfileError
from servicekit import program

if __name__ == "__main__":
    commands = program.bind_commands(PACKAGE, "serve", "worker", *program.MIGRATIONS)
    program.run(SERVICE, commands, mistakes=ProfileError)
