"""HQ's tables: SQL with names, migrations, and a PostgreSQL of our own where none is given. asyncpg lives here."""
