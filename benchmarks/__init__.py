"""The benchmarks of `make bench`: ratios of two things measured side by side in one run, never a time limit."""
