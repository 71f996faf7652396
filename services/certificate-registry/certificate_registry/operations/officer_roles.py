"""Roles of officers: granted by two persons, withdrawn by one (LIF-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.officer import (
    Officer,
    OfficerRole,
    read_role,
    read_roles,
    require_administrators_left,
    require_not_withdrawn,
    require_officer,
    require_role,
    require_without_roles,
)
from certificate_registry.operations.officer_deliveries import OfficerDeliveries, deliver_officers, stop_officers
from certificate_registry.operations.officer_invitations import describe_act
from certificate_registry.store import officers
from history.entries import Chain
from history.writing import write_history
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from officers.proposal import Approval, Target
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGrant:
    """What one administrator proposes and another one approves: roles for an officer."""

    chain: Chain
    method: str

    async def find_target(self, connection: Connection, request: Any) -> Target:
        """Returns the officer as it is now.

        Raises OFFICER_REASON_INVALID, ROLE_UNKNOWN, ROLE_FOR_OPERATOR_ONLY, OFFICER_UNKNOWN, OFFICER_WITHDRAWN,
        OFFICER_HAS_ROLE.
        """
        check_reason(request.reason)
        roles = read_roles(request.roles, request.agency)
        officer = require_officer(await officers.lock_officer(connection, request.person_id), request.agency)
        require_not_withdrawn(officer)
        require_without_roles(officer, roles)
        version = officer.version
        return Target(agency=officer.agency, version=f"{version.epoch}.{version.number}")

    async def carry_out(self, connection: Connection, request: Any, approval: Approval, now: datetime) -> None:
        """Grants the roles; `find_target` has just checked that this can be done."""
        officer = require_officer(await officers.lock_officer(connection, request.person_id), request.agency)
        roles = officer.roles | read_roles(request.roles, request.agency)
        await officers.change_roles(connection, officer.person_id, roles)
        entry = describe_act(
            approval.proposed,
            HistoryAction.ROLE_GRANTED,
            officer.agency,
            now,
            before={"person_id": officer.person_id, "roles": sorted(officer.roles)},
            after={
                "person_id": officer.person_id,
                "roles": sorted(roles),
                "reason": request.reason,
                "proposal_id": str(approval.proposal_id),
                "approved_by": approval.act.officer.name,
            },
        )
        await write_history(connection, self.chain, [entry])
        await jobs.enqueue_together(connection, deliver_officers([officer.person_id]))

    async def tell_others(self, _: Any) -> Sequence[str]:
        """Returns nobody: they are told by jobs, since nothing is wrong before they know of a further role."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWithdrawal:
    """Takes roles away, at once."""

    database: Database
    chain: Chain
    deliveries: OfficerDeliveries
    clock: DatabaseClock

    async def withdraw(
        self, act: OfficerAct, *, agency: str, person_id: str, role: str, reason: str
    ) -> tuple[Officer, datetime, Sequence[str]]:
        """Returns the officer without the role, as it is now, and the services that do not know of it yet.

        Raises OFFICER_REASON_INVALID, ROLE_UNKNOWN, OFFICER_UNKNOWN, OFFICER_WITHDRAWN, OFFICER_WITHOUT_ROLE,
        LAST_ADMINISTRATOR, and as `take_act`.
        """
        check_reason(reason)
        withdrawn = read_role(role, agency)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await officers.lock_changes(connection)
            if await find_outcome(connection, act) is None:
                await take_act(connection, act, now)
                await self._withdraw(connection, act, agency, person_id, withdrawn, reason, now)
                await save_outcome(connection, act, {"person_id": person_id})
            officer = require_officer(await officers.find_officer(connection, person_id), agency)
        return officer, now, await self.deliveries.tell_now([person_id])

    async def _withdraw(
        self,
        connection: Connection,
        act: OfficerAct,
        agency: str,
        person_id: str,
        role: OfficerRole,
        reason: str,
        now: datetime,
    ) -> None:
        officer = require_officer(await officers.lock_officer(connection, person_id), agency)
        require_not_withdrawn(officer)
        require_role(officer, role)
        if role is OfficerRole.ADMINISTRATOR:
            administrators = await officers.list_administrators(connection, now)
            is_by_operator = act.officer.is_operators_officer
            require_administrators_left(administrators, {person_id}, is_by_operator=is_by_operator)
        roles = officer.roles - {role}
        await officers.change_roles(connection, person_id, roles)
        entry = describe_act(
            act,
            HistoryAction.ROLE_WITHDRAWN,
            agency,
            now,
            before={"person_id": person_id, "roles": sorted(officer.roles)},
            after={"person_id": person_id, "roles": sorted(roles), "reason": reason},
        )
        await write_history(connection, self.chain, [entry])
        await jobs.enqueue_together(connection, stop_officers([person_id]))
