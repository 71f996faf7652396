"""One deliberate fault for each requirement row that is met, and the test that fails by it (`make row-faults`).

fault       what a fault is
faults      the tables of faults, one module per group of rows
rules       what is checked of the tables without running anything
tree_copy   a copy of the repository whose own code runs, also in processes that its tests start
outcomes    a pytest plugin that records how each test ended
trial       tries faults in copies
"""
