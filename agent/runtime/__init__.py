"""The only place where stages are put in order: pollers on the store's tick, backfill, the live cycle, health."""
