"""Numbered migrations; each runs whole or not at all."""
