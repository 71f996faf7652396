"""qualification-registry: serve, worker, migrate, migrate-after."""

from instance_profile.load import ProfileError
from qualification_registry.settings import PACKAGE, SERVICE
from servicekit import program

if __name__ == "__main__":
    commands = program.bind_commands(PACKAGE, "serve", "worker", *program.MIGRATIONS)
    program.run(SERVICE, commands, mistakes=ProfileError)
