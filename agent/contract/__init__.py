"""The words every other folder speaks: records, metrics, layout, wire. Frozen data and pure functions, no I/O."""
