"""The faults of all rows that are met, one module per group of rows.

entry           ENT
card            CRD
qualification   QUA
registration    REG
change          CHG
renewal         REN
propagation     SYN
life            LIF

And `model`: faults of no row, which the model-based test finds.
"""

from tools.row_faults.faults import card, change, entry, life, model, propagation, qualification, registration, renewal

FAULTS = (
    *entry.FAULTS,
    *card.FAULTS,
    *qualification.FAULTS,
    *registration.FAULTS,
    *change.FAULTS,
    *renewal.FAULTS,
    *propagation.FAULTS,
    *life.FAULTS,
)
# Tried like the others, by their names, and held against no row.
MODEL_FAULTS = model.FAULTS
