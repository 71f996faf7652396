"""contact-notification: serve, worker, migrate, migrate-after, erase-bidder, list-failed-mails, send-failed-mails."""

from contact_notification.settings import PACKAGE, SERVICE
from instance_profile.load import ProfileError
from servicekit import program

if __name__ == "__main__":
    program.run(
        SERVICE,
        program.bind_commands(PACKAGE, "serve", "worker", *program.MIGRATIONS),
        with_arguments=program.bind_commands(PACKAGE, "erase-bidder", "list-failed-mails", "send-failed-mails"),
        mistakes=ProfileError,
    )
