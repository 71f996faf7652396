"""Faults of the rows about propagation and lookups (SYN)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="SYN-01",
        breaks="A card reaches agencies whose own rule on the company it does not meet.",
        file="services/agency-sync/agency_sync/domain/propagation.py",
        old="is_same = rule.company_match is CompanyMatch.OFF or proven.company is CompanyComparison.SAME",
        new="is_same = rule.company_match in CompanyMatch",
        test="tests/contract/agency_sync/test_agency_rules.py::test_company_is_judged_by_the_other_agencys_rule",
    ),
    Fault(
        row="SYN-02",
        breaks="What an instance propagates in the night is carried out at once.",
        file="services/agency-sync/agency_sync/domain/schedule.py",
        old="        return tonight if now <= tonight else tonight + timedelta(days=1)\n",
        new="        return now\n",
        test="tests/contract/agency_sync/test_night.py::test_registration_reaches_the_other_agencies_in_the_night_of_the_same_day",
    ),
    Fault(
        row="SYN-03",
        breaks="Only the first registration of a card is propagated.",
        file="services/agency-sync/agency_sync/domain/intention_changes.py",
        old="        or registration.registration_id not in before.registration_ids\n",
        new="",
        test="tests/contract/agency_sync/test_propagation.py::test_agencies_of_a_later_qualification_follow_the_first_registration_at_one_of_them",
    ),
    Fault(
        row="SYN-08",
        breaks="A bidder that left an agency's roster is let in there as before.",
        file="services/certificate-registry/certificate_registry/store/lookup.py",
        old=") = 0 THEN {Verdict.NOT_QUALIFIED:d}",
        new=") < 0 THEN {Verdict.NOT_QUALIFIED:d}",
        test="tests/contract/certificate_registry/test_bidder_terms.py"
        "::test_bidder_that_left_an_agencys_roster_is_not_qualified_there",
    ),
    Fault(
        row="SYN-05",
        breaks="Nobody is told when a planned propagation is carried out.",
        file="services/agency-sync/agency_sync/convert/agency_sync.py",
        old="        planned_at=write_timestamp(propagation.planned_at) if propagation.planned_at else None,\n",
        new="",
        test="tests/contract/agency_sync/test_night.py::test_plan_says_when_it_is_carried_out",
    ),
    Fault(
        row="SYN-04",
        breaks="A renewal goes to the other agencies although the user chose that it does not.",
        file="services/agency-sync/agency_sync/domain/intention_changes.py",
        old="        if registration.origin is Origin.PROPAGATION or registration.stays_here:\n",
        new="        if registration.origin is Origin.PROPAGATION:\n",
        test="tests/contract/agency_sync/test_night.py"
        "::test_renewal_of_the_afternoon_is_carried_out_in_the_night_where_the_user_chose_so",
    ),
    Fault(
        row="SYN-06",
        breaks="An agency's system loses the last change of each message.",
        file="protos/python/toroku_feed/sqlite_store.py",
        old="            _write_cards(connection, changes)\n\n",
        new="            _write_cards(connection, changes[:-1])\n\n",
        test="tests/contract/agency_sync/test_feed_kills.py"
        "::test_kill_of_an_agencys_system_loses_nothing_and_doubles_nothing",
    ),
    Fault(
        row="SYN-07",
        breaks="What an agency's system could not store counts as stored.",
        file="protos/python/toroku_feed/sqlite_store.py",
        old='                self._writer.execute("ROLLBACK")\n',
        new='                self._writer.execute("COMMIT")\n',
        test="tests/contract/agency_sync/test_snapshots.py"
        "::test_agency_whose_system_is_down_holds_no_other_up_and_finds_everything",
    ),
    Fault(
        row="SYN-09",
        breaks="The batch registers a card again where it was registered by hand on the same day.",
        file="services/agency-sync/agency_sync/domain/propagation.py",
        old="        if existing.state is RegistrationState.GOOD and intention.replaces_at(rule.agency):\n",
        new="        if existing.state is RegistrationState.GOOD:\n",
        test="tests/contract/agency_sync/test_night.py::test_who_registered_at_another_agency_by_hand_is_found_there_and_nothing_is_done_twice",
    ),
)
