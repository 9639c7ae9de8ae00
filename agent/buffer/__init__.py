"""The buffer: one SQLite file in which every number of the store waits until HQ has it."""
