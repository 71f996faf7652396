"""Contacts, staged and active, and the outbox of mails."""

from alembic import op

from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_jobs_schema(op.get_bind())
    op.execute(
        """
        CREATE TABLE contacts (
            contact_id uuid PRIMARY KEY,
            department text NOT NULL,
            postal_code text NOT NULL,
            address text NOT NULL,
            person_name text NOT NULL,
            telephone text NOT NULL,
            fax text NOT NULL,
            mail_address text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE staged_registrations (
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            request_id uuid NOT NULL,
            request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
            agency text NOT NULL,
            category text NOT NULL,
            bidder_id text NOT NULL,
            company jsonb NOT NULL,
            card_contact_id uuid NOT NULL REFERENCES contacts,
            representative_contact_id uuid REFERENCES contacts,
            person_in_charge text NOT NULL,
            reserves_representative boolean NOT NULL,
            state text NOT NULL CHECK (state IN ('pending', 'active', 'committed', 'not_signed')),
            staged_at timestamptz NOT NULL,
            registration_id uuid,
            PRIMARY KEY (certificate_sha256, request_id),
            CHECK ((state = 'active') = (registration_id IS NOT NULL)),
            CHECK (state = 'active' OR NOT reserves_representative OR representative_contact_id IS NOT NULL),
            CHECK (state IN ('pending', 'active') OR NOT reserves_representative)
        )
        """
    )
    # Two first registrations of a bidder in a category can't overwrite each other's representative contact.
    op.execute(
        """
        CREATE UNIQUE INDEX staged_registrations_reserve_representative
            ON staged_registrations (bidder_id, category) WHERE reserves_representative
        """
    )
    # A contractor's retries must not pile up: a card has one pending registration in a category.
    op.execute(
        """
        CREATE UNIQUE INDEX staged_registrations_one_pending
            ON staged_registrations (certificate_sha256, category) WHERE state = 'pending'
        """
    )
    op.execute("CREATE INDEX staged_registrations_pending ON staged_registrations (staged_at) WHERE state = 'pending'")
    op.execute(
        """
        CREATE TABLE abandoned_requests (
            certificate_sha256 bytea NOT NULL,
            request_id uuid NOT NULL,
            abandoned_at timestamptz NOT NULL,
            PRIMARY KEY (certificate_sha256, request_id)
        )
        """
    )
    op.execute("CREATE INDEX abandoned_requests_oldest ON abandoned_requests (abandoned_at)")
    op.execute(
        """
        CREATE TABLE representative_contacts (
            bidder_id text NOT NULL,
            category text NOT NULL,
            contact_id uuid NOT NULL REFERENCES contacts,
            counts_from timestamptz NOT NULL,
            PRIMARY KEY (bidder_id, category)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE card_contacts (
            certificate_sha256 bytea NOT NULL,
            category text NOT NULL,
            bidder_id text NOT NULL,
            contact_id uuid NOT NULL REFERENCES contacts,
            counts_from timestamptz NOT NULL,
            PRIMARY KEY (certificate_sha256, category)
        )
        """
    )
    op.execute("CREATE INDEX card_contacts_of_bidder ON card_contacts (bidder_id)")
    op.execute(
        """
        CREATE TABLE card_states (
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            category text NOT NULL,
            bidder_id text NOT NULL,
            agencies text[] NOT NULL,
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            PRIMARY KEY (certificate_sha256, category)
        )
        """
    )
    op.execute("CREATE INDEX card_states_of_bidder ON card_states (bidder_id, category)")
    op.execute(
        """
        CREATE TABLE notices (
            notice_id uuid PRIMARY KEY,
            kind text NOT NULL CHECK (kind IN ('registration', 'registration_notice')),
            registration_id uuid NOT NULL,
            certificate_sha256 bytea NOT NULL,
            request_id uuid NOT NULL,
            card_serial text NOT NULL,
            agency text NOT NULL,
            category text NOT NULL,
            bidder_id text NOT NULL,
            registered_at timestamptz NOT NULL,
            holder_name text NOT NULL,
            state text NOT NULL CHECK (state IN ('waiting', 'written', 'without_contacts')),
            recipients jsonb NOT NULL,
            received_at timestamptz NOT NULL,
            FOREIGN KEY (certificate_sha256, request_id) REFERENCES staged_registrations,
            CHECK ((state = 'waiting') = (jsonb_array_length(recipients) > 0))
        )
        """
    )
    op.execute("CREATE INDEX notices_waiting ON notices (certificate_sha256, request_id) WHERE state = 'waiting'")
    op.execute("CREATE INDEX notices_oldest ON notices (received_at) WHERE state <> 'waiting'")
    op.execute(
        """
        CREATE TABLE mails (
            mail_id uuid PRIMARY KEY,
            message_id text NOT NULL UNIQUE,
            notice_id uuid NOT NULL REFERENCES notices,
            contact_id uuid REFERENCES contacts,
            mail_address text NOT NULL,
            state text NOT NULL CHECK (state IN ('written', 'sent', 'failed')),
            written_at timestamptz NOT NULL,
            waits_since timestamptz NOT NULL DEFAULT now(),
            sent_at timestamptz,
            failed_at timestamptz,
            tried_at timestamptz,
            result text CHECK (
                result IN ('not_an_address', 'refused', 'given_up', 'put_off', 'server_unusable', 'erased')
            ),
            answer text,
            UNIQUE (notice_id, contact_id),
            CHECK (mail_address = '' OR (contact_id IS NULL AND state IN ('written', 'failed'))),
            CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
            CHECK ((state = 'failed') = (failed_at IS NOT NULL)),
            CHECK ((state = 'failed') = coalesce(result NOT IN ('put_off', 'server_unusable'), false))
        )
        """
    )
    # The three small questions about mails: when the last one was sent, which were refused since, which have failed.
    op.execute("CREATE INDEX mails_sent ON mails (sent_at) WHERE state = 'sent'")
    op.execute("CREATE INDEX mails_not_taken ON mails (tried_at) WHERE state <> 'sent'")
    op.execute("CREATE INDEX mails_failed ON mails (failed_at) WHERE state = 'failed'")
    op.execute(
        """
        CREATE TABLE registrations_without_contacts (
            certificate_sha256 bytea NOT NULL,
            request_id uuid NOT NULL,
            registration_id uuid NOT NULL,
            reason text NOT NULL CHECK (reason IN ('not_staged', 'not_signed')),
            found_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (certificate_sha256, request_id)
        )
        """
    )
