"""Sync: the buffer's outbox to HQ over MQTT, and HQ's answers back. A cursor that does not move is all offline is."""
