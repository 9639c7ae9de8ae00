"""Share: the secret name of the group in which the workers share their subscriptions.

Mosquitto denies nobody a subscription, only what it would deliver: a device that knew the name could join the group,
and every batch whose turn fell on it would be acknowledged and given to nobody (measured: with one intruder 10 of 20).
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE TABLE share (one boolean PRIMARY KEY CHECK (one), name text NOT NULL)")
