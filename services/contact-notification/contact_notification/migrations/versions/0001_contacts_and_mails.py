"""Contacts, staged and active, and the outbox of mails."""

from alembic import op

from history.tables import create_history
from officers.tables import create_directory
from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_jobs_schema(op.get_bind())
    create_history(op.execute)
    create_directory(op.execute)
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
    op.execute("CREATE TABLE epoch (one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row), epoch bigint NOT NULL)")
    op.execute("INSERT INTO epoch (epoch) VALUES (1)")
    op.execute(
        """
        CREATE TABLE contact_owners (
            owner_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            purpose text NOT NULL CHECK (purpose IN ('representative', 'card')),
            category text NOT NULL,
            bidder_id text NOT NULL,
            certificate_sha256 bytea CHECK (length(certificate_sha256) = 32),
            version bigint NOT NULL DEFAULT 0,
            contact_id uuid REFERENCES contacts,
            former_contact_id uuid,
            counts_from timestamptz,
            has_successor boolean NOT NULL DEFAULT false,
            state_epoch bigint NOT NULL DEFAULT 0,
            state_number bigint NOT NULL DEFAULT 0,
            CHECK ((purpose = 'card') = (certificate_sha256 IS NOT NULL)),
            CHECK ((version > 0) = (contact_id IS NOT NULL)),
            CHECK ((version > 0) = (counts_from IS NOT NULL))
        )
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX contact_owners_bidders
            ON contact_owners (bidder_id, category) WHERE purpose = 'representative'
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX contact_owners_cards
            ON contact_owners (certificate_sha256, category, bidder_id) WHERE purpose = 'card'
        """
    )
    op.execute("CREATE INDEX contact_owners_of_bidder ON contact_owners (bidder_id, category)")
    op.execute(
        """
        CREATE TABLE contact_versions (
            owner_id uuid NOT NULL REFERENCES contact_owners,
            version bigint NOT NULL CHECK (version > 0),
            contact_id uuid NOT NULL REFERENCES contacts,
            counts_from timestamptz NOT NULL,
            brought_by bytea NOT NULL CHECK (length(brought_by) = 32),
            request_id uuid NOT NULL,
            agency text NOT NULL,
            company_name text NOT NULL,
            PRIMARY KEY (owner_id, version)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE contact_at_agency (
            owner_id uuid NOT NULL,
            agency text NOT NULL,
            counts_from timestamptz NOT NULL,
            counts_until timestamptz CHECK (counts_until >= counts_from),
            version bigint NOT NULL,
            planned_by uuid,
            then_version bigint,
            PRIMARY KEY (owner_id, agency, counts_from),
            FOREIGN KEY (owner_id, version) REFERENCES contact_versions,
            FOREIGN KEY (owner_id, then_version) REFERENCES contact_versions,
            CHECK (then_version IS NULL OR planned_by IS NOT NULL),
            CHECK (then_version > version)
        )
        """
    )
    # At an agency at most one earlier version counts.
    op.execute(
        """
        CREATE UNIQUE INDEX contact_at_agency_open
            ON contact_at_agency (owner_id, agency) WHERE counts_until IS NULL
        """
    )
    op.execute(
        """
        CREATE INDEX contact_at_agency_planned ON contact_at_agency (planned_by, agency)
            WHERE counts_until IS NULL AND planned_by IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE TABLE contact_changes (
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            request_id uuid NOT NULL,
            change_id uuid NOT NULL UNIQUE,
            request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
            agency text NOT NULL,
            category text NOT NULL,
            bidder_id text NOT NULL,
            company jsonb NOT NULL,
            card_contact_id uuid REFERENCES contacts,
            representative_contact_id uuid REFERENCES contacts,
            changed_fields text[] NOT NULL,
            propagate boolean NOT NULL,
            counts_from timestamptz NOT NULL,
            history_number bigint NOT NULL,
            history_digest bytea NOT NULL CHECK (length(history_digest) = 32),
            PRIMARY KEY (certificate_sha256, request_id)
        )
        """
    )
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
            kind text NOT NULL CHECK (kind IN (
                'registration', 'registration_notice', 'officer_invitation', 'officer_certificate_expiring',
                'card_suspended', 'card_resumed', 'bidder_suspended', 'bidder_resumed', 'binding_undone',
                'card_approval_decided', 'change', 'renewal', 'renewal_notice', 'registration_reopened',
                'predecessor_linked'
            )),
            certificate_sha256 bytea,
            request_id uuid,
            registration_id uuid,
            card_serial text,
            agency text NOT NULL,
            category text,
            bidder_id text,
            registered_at timestamptz,
            holder_name text,
            happened_at timestamptz,
            person_id text,
            valid_until timestamptz,
            approval_number text,
            is_approved boolean,
            renewal_request_id uuid,
            old_certificate_sha256 bytea,
            old_card_serial text,
            propagate boolean,
            changed_fields text[],
            card_contact_id uuid REFERENCES contacts,
            company_name text,
            history_number bigint,
            entry_registry text,
            entry_digest bytea CHECK (length(entry_digest) = 32),
            entry_position bigint,
            entry_head_number bigint,
            entry_head_sha256 bytea CHECK (length(entry_head_sha256) = 32),
            entry_proof bytea,
            state text NOT NULL CHECK (state IN ('waiting', 'written', 'without_contacts')),
            recipients jsonb NOT NULL,
            received_at timestamptz NOT NULL,
            FOREIGN KEY (certificate_sha256, request_id) REFERENCES staged_registrations,
            CHECK ((state = 'waiting') = (jsonb_array_length(recipients) > 0)),
            CHECK ((kind IN ('registration', 'registration_notice')) = (request_id IS NOT NULL)),
            CHECK (request_id IS NOT NULL OR renewal_request_id IS NOT NULL OR state = 'written'),
            CHECK (request_id IS NULL OR (card_contact_id IS NULL AND company_name IS NULL)),
            CHECK ((entry_registry IS NULL) = (entry_digest IS NULL)),
            CHECK ((entry_position IS NULL) = (entry_head_number IS NULL)),
            CHECK ((entry_position IS NULL) = (entry_head_sha256 IS NULL)),
            CHECK (entry_proof IS NULL OR entry_position IS NOT NULL)
        )
        """
    )
    op.execute("CREATE INDEX notices_waiting ON notices (certificate_sha256, request_id) WHERE state = 'waiting'")
    op.execute(
        """
        CREATE INDEX notices_waiting_for_renewals ON notices (certificate_sha256, category)
            WHERE state = 'waiting' AND renewal_request_id IS NOT NULL
        """
    )
    op.execute("CREATE INDEX notices_oldest ON notices (received_at) WHERE state <> 'waiting'")
    op.execute(
        """
        CREATE TABLE mails (
            mail_id uuid PRIMARY KEY,
            message_id text NOT NULL UNIQUE,
            notice_id uuid NOT NULL REFERENCES notices,
            contact_id uuid REFERENCES contacts,
            mail_address text NOT NULL,
            recipient_name text NOT NULL DEFAULT '',
            sealed_secret bytea CHECK (sealed_secret IS NULL OR state = 'written'),
            state text NOT NULL CHECK (state IN ('written', 'sent', 'failed')),
            written_at timestamptz NOT NULL,
            waits_since timestamptz NOT NULL DEFAULT now(),
            sent_at timestamptz,
            failed_at timestamptz,
            tried_at timestamptz,
            result text CHECK (
                result IN (
                    'not_an_address', 'refused', 'given_up', 'put_off', 'server_unusable', 'secret_unreadable', 'erased'
                )
            ),
            answer text,
            UNIQUE (notice_id, contact_id),
            CHECK (mail_address = '' OR (contact_id IS NULL AND state IN ('written', 'failed'))),
            CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
            CHECK ((state = 'failed') = (failed_at IS NOT NULL)),
            CHECK (
                (state = 'failed')
                = coalesce(result NOT IN ('put_off', 'server_unusable', 'secret_unreadable'), false)
            ),
            CHECK (recipient_name = '' OR mail_address <> '')
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
