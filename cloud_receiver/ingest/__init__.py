"""From a message to a committed row and its answer."""
