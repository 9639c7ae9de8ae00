"""What drivers of every brand share: fetching within caps, tolerant tables, local time."""
