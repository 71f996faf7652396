"""front-door: serve. It has no worker and no database."""

from front_door.settings import PACKAGE, SERVICE
from instance_profile.load import ProfileError
from servicekit import program

if __name__ == "__main__":
    program.run(SERVICE, program.bind_commands(PACKAGE, "serve"), mistakes=ProfileError)
