"""portal: serve, worker, migrate, migrate-after."""

from instance_profile.load import ProfileError
from portal.settings import PACKAGE, SERVICE
from servicekit import program

if __name__ == "__main__":
    commands = program.bind_commands(PACKAGE, "serve", "worker", *program.MIGRATIONS)
    program.run(SERVICE, commands, mistakes=ProfileError)
