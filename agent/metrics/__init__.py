"""Which kernel is fed what. Pure: observations and layout in, numbers out."""
