"""A store with shoppers and cameras that answer over HTTP as real ones do, and that keeps the truth."""
