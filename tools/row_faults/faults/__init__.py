"""The faults of all rows that are met, one module per group of rows.

entry           ENT
card            CRD
qualification   QUA
registration    REG
propagation     SYN
life            LIF
"""

from tools.row_faults.faults import card, entry, life, propagation, qualification, registration

FAULTS = (
    *entry.FAULTS,
    *card.FAULTS,
    *qualification.FAULTS,
    *registration.FAULTS,
    *propagation.FAULTS,
    *life.FAULTS,
)
