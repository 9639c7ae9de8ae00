"""What every part stands on: clock, tasks, MQTT link, SQLite, logs, TOML, systemd. No word of the domain."""
