"""Begin: registry, epochs, observations, batches, coverage, gaps, quarantine, raw batches.

Keys are text in C order where the wire says words. `store` is the number of a row of `stores`: names are unique only
within a tenant. Times are UTC seconds since 1970, intervals [start, end), as in the contract.
"""

from alembic import op

revision = "0001"
down_revision = None

STORES = """
CREATE TABLE stores (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL,
    store text NOT NULL,
    UNIQUE (tenant, store)
)
"""
# The registry: whose numbers a device brings is said here, never by the topic it writes to.
DEVICES = """
CREATE TABLE devices (
    device text PRIMARY KEY,
    store integer NOT NULL REFERENCES stores,
    added bigint NOT NULL
)
"""
SENSORS = """
CREATE TABLE sensors (
    store integer NOT NULL REFERENCES stores,
    sensor text COLLATE "C" NOT NULL,
    first_seen bigint NOT NULL,
    PRIMARY KEY (store, sensor)
)
"""
# One sequence for all devices: the epoch of the box that replaced another outranks the other's.
EPOCHS = """
CREATE TABLE epochs (
    ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text NOT NULL REFERENCES devices,
    epoch text NOT NULL,
    first_seen bigint NOT NULL,
    UNIQUE (device, epoch)
)
"""
# (epoch, number) is the version of the row, epoch being an ordinal; value NULL is a withdrawal. No clock
# that is right says 2100: such a row would break whoever shows it.
OBSERVATIONS = """
CREATE TABLE observations (
    store integer NOT NULL,
    sensor text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL,
    metric text COLLATE "C" NOT NULL,
    start bigint NOT NULL CHECK (start > 0),
    origin smallint NOT NULL,
    "end" bigint NOT NULL CHECK ("end" < 4102444800),
    value double precision,
    quality smallint NOT NULL,
    lower double precision,
    upper double precision,
    n double precision,
    device text NOT NULL,
    epoch bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (store, sensor, place, metric, start, origin)
)
"""
OBSERVATIONS_BY_START = "CREATE INDEX observations_start ON observations USING brin (start)"
BATCHES = """
CREATE TABLE batches (
    device text NOT NULL REFERENCES devices,
    id text COLLATE "C" NOT NULL,
    sha text NOT NULL,
    epoch text NOT NULL,
    lane text NOT NULL,
    schema text NOT NULL,
    rows integer NOT NULL,
    bytes integer NOT NULL,
    received bigint NOT NULL,
    PRIMARY KEY (device, id)
)
"""
COVERAGE = """
CREATE TABLE coverage (
    device text NOT NULL REFERENCES devices,
    epoch text NOT NULL,
    ranges int8multirange NOT NULL,
    PRIMARY KEY (device, epoch)
)
"""
GAPS = """
CREATE TABLE gaps (
    store integer NOT NULL,
    sensor text COLLATE "C" NOT NULL,
    start bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    "end" bigint NOT NULL CHECK ("end" < 4102444800),
    state text NOT NULL,
    numbers int8multirange NOT NULL,
    device text NOT NULL,
    epoch bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (store, sensor, start, reason)
)
"""
# A message that comes again is counted, not kept again: a device that repeats itself cannot fill the disk.
QUARANTINE = """
CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    sha text NOT NULL,
    device text,
    reason text NOT NULL,
    payload bytea NOT NULL,
    received bigint NOT NULL,
    times integer NOT NULL DEFAULT 1,
    UNIQUE (topic, sha)
)
"""
# Batches of a schema newer than this receiver, to be decoded after its upgrade.
RAW_BATCHES = """
CREATE TABLE raw_batches (
    device text NOT NULL,
    id text COLLATE "C" NOT NULL,
    schema text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (device, id),
    FOREIGN KEY (device, id) REFERENCES batches
)
"""
WORKERS = "CREATE TABLE workers (worker text PRIMARY KEY, boot bigint NOT NULL)"


def upgrade() -> None:
    for statement in (
        *(STORES, DEVICES, SENSORS, EPOCHS, OBSERVATIONS, OBSERVATIONS_BY_START),
        *(BATCHES, COVERAGE, GAPS, QUARANTINE, RAW_BATCHES, WORKERS),
    ):
        op.execute(statement)
