"""What alembic runs: the steps in one transaction on the connection that `migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    # Two workers that start at once: the second waits, then finds nothing left to do.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305814)")
    context.run_migrations()
