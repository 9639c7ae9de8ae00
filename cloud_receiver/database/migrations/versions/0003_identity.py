"""Identity: which devices were revoked, their passwords, codes for enrolment, and the certificates given to them."""

from alembic import op

revision = "0003"
down_revision = "0002"

# `revoked` is when; a revoked id is never used again. `password` is the broker's hash, never the password.
DEVICES = "ALTER TABLE devices ADD COLUMN revoked bigint, ADD COLUMN password text"
# One code a device. `key` is the public key for which it was used: an answer that was lost on its way can be asked
# for again by the same key, and by no other.
ENROLMENTS = """
CREATE TABLE enrolments (
    device text PRIMARY KEY REFERENCES devices,
    code bytea NOT NULL,
    expires bigint NOT NULL,
    key bytea
)
"""
CERTIFICATES = """
CREATE TABLE certificates (
    serial text PRIMARY KEY,
    device text NOT NULL REFERENCES devices,
    begins bigint NOT NULL,
    ends bigint NOT NULL,
    made bigint NOT NULL
)
"""
CERTIFICATES_BY_DEVICE = "CREATE INDEX certificates_device ON certificates (device)"


def upgrade() -> None:
    for statement in (DEVICES, ENROLMENTS, CERTIFICATES, CERTIFICATES_BY_DEVICE):
        op.execute(statement)
