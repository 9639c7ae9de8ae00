"""Watch: partitions by time, streams and forks, health and presence of devices, who writes a sensor, stable views.

Rows already there move into the catch-all partition; `partitions.ensure` takes them out of it at the next start.
Where TimescaleDB is in this database, observations are its hypertable instead.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

CHUNK = 30 * 86_400  # s of observations a chunk of TimescaleDB

# `stream` 0 is what counts; any other is the number of a fork, and no figure reads it.
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
    stream integer NOT NULL DEFAULT 0,
    PRIMARY KEY (store, sensor, place, metric, start, origin, stream)
)
"""
FROM_BEFORE = """
INSERT INTO observations (store, sensor, place, metric, start, origin, "end", value, quality, lower, upper, n,
                          device, epoch, number)
SELECT store, sensor, place, metric, start, origin, "end", value, quality, lower, upper, n, device, epoch, number
FROM observations_before
"""
# What keeps a batch from being written twice is coverage, whose row is locked; the id only tells a repeat apart.
BATCHES = """
CREATE TABLE batches (
    device text NOT NULL,
    id text COLLATE "C" NOT NULL,
    sha text NOT NULL,
    epoch text NOT NULL,
    lane text NOT NULL,
    schema text NOT NULL,
    rows integer NOT NULL,
    bytes integer NOT NULL,
    received bigint NOT NULL,
    PRIMARY KEY (device, id, received)
) PARTITION BY RANGE (received)
"""
# A second content of a batch id, or of numbers: its rows are observations of the stream `id`.
FORKS = """
CREATE TABLE forks (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store integer NOT NULL REFERENCES stores,
    device text NOT NULL,
    epoch bigint NOT NULL,
    batch text COLLATE "C" NOT NULL,
    sha text NOT NULL,
    numbers int8multirange NOT NULL,
    reason text NOT NULL,
    found bigint NOT NULL,
    payload bytea NOT NULL,
    decided bigint,
    decision text CHECK (decision IN ('held', 'fork')),
    by text,
    UNIQUE (device, batch, sha)
)
"""
# The last word of each device on its own health, and one an hour of the past.
HEALTH = """
CREATE TABLE device_health (
    device text PRIMARY KEY,
    received bigint NOT NULL,
    boot bigint NOT NULL,
    epoch text NOT NULL,
    health jsonb NOT NULL
) WITH (fillfactor = 50)
"""
HEALTH_HOURS = """
CREATE TABLE device_health_hours (
    device text NOT NULL,
    hour bigint NOT NULL,
    health jsonb NOT NULL,
    PRIMARY KEY (hour, device)
)
"""
# The boot counter orders births, states and wills: what an older boot says is not news.
STATE = """
CREATE TABLE device_state (
    device text PRIMARY KEY,
    boot bigint NOT NULL,
    st text NOT NULL,
    since bigint NOT NULL,
    run text NOT NULL,
    epoch text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    tz text NOT NULL DEFAULT '',
    schemas text[] NOT NULL DEFAULT '{}',
    born bigint
) WITH (fillfactor = 70)
"""
# A device's own counters beside what HQ covers, once a day.
COMPARISONS = """
CREATE TABLE comparisons (
    device text NOT NULL,
    day bigint NOT NULL,
    epoch text NOT NULL,
    created bigint NOT NULL,
    acked bigint NOT NULL,
    dropped bigint NOT NULL,
    covered bigint NOT NULL,
    missing bigint NOT NULL,
    waiting bigint NOT NULL,
    mismatch text NOT NULL,
    PRIMARY KEY (device, day)
)
"""
WRITERS = """
CREATE TABLE sensor_writers (
    store integer NOT NULL,
    sensor text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL REFERENCES epochs,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    PRIMARY KEY (store, sensor, epoch)
) WITH (fillfactor = 70)
"""
# What others read: names instead of numbers, times with their zone, words instead of codes, forks left out.
COUNTS = """
CREATE VIEW counts AS
SELECT stores.tenant, stores.store, o.sensor, o.place, o.metric,
       to_timestamp(o.start) AS start, to_timestamp(o."end") AS "end", o.value,
       (ARRAY['log', 'live', 'push', 'edge'])[o.origin + 1] AS origin,
       concat_ws('+', CASE WHEN o.quality & 1 <> 0 THEN 'measured' END,
                      CASE WHEN o.quality & 2 <> 0 THEN 'provisional' END,
                      CASE WHEN o.quality & 4 <> 0 THEN 'backfilled' END,
                      CASE WHEN o.quality & 8 <> 0 THEN 'clock_corrected' END,
                      CASE WHEN o.quality & 16 <> 0 THEN 'estimated' END,
                      CASE WHEN o.quality & 32 <> 0 THEN 'unconfirmed' END) AS quality,
       o.lower, o.upper, o.n, o.device
FROM observations AS o JOIN stores ON stores.id = o.store
WHERE o.stream = 0 AND o.value IS NOT NULL
"""
RAW_TENANT = """
UPDATE raw_batches SET tenant = stores.tenant FROM devices, stores
WHERE devices.device = raw_batches.device AND stores.id = devices.store
"""
GAP_WORDS = """
CREATE VIEW gap_list AS
SELECT stores.tenant, stores.store, g.sensor, to_timestamp(g.start) AS start, to_timestamp(g."end") AS "end",
       g.state, g.reason
FROM gaps AS g JOIN stores ON stores.id = g.store
"""


# Steps in the lives of alerts, and what people counted by hand.
ALERTS = """
CREATE TABLE alerts (
    store integer NOT NULL,
    alert text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    rule text NOT NULL,
    scope text NOT NULL,
    severity text NOT NULL,
    value double precision,
    text text NOT NULL,
    device text NOT NULL,
    epoch bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (store, alert, at, state)
)
"""
MANUAL = """
CREATE TABLE manual_counts (
    store integer NOT NULL,
    sensor text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL,
    start bigint NOT NULL,
    "end" bigint NOT NULL CHECK ("end" < 4102444800),
    by text COLLATE "C" NOT NULL,
    entered integer NOT NULL,
    "left" integer NOT NULL,
    device text NOT NULL,
    epoch bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (store, sensor, place, start, "end", by)
)
"""


def upgrade() -> None:
    timescale = op.get_bind().exec_driver_sql("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
    hypertable = bool(timescale.scalar())
    for statement in (
        "ALTER TABLE observations RENAME TO observations_before",
        "ALTER INDEX observations_pkey RENAME TO observations_before_pkey",
        "DROP INDEX observations_start",
        OBSERVATIONS if hypertable else f"{OBSERVATIONS} PARTITION BY RANGE (start)",
        f"SELECT create_hypertable('observations', 'start', chunk_time_interval => {CHUNK})"
        if hypertable
        else "CREATE TABLE observations_other PARTITION OF observations DEFAULT",
        "CREATE INDEX observations_start ON observations USING brin (start)",
        FROM_BEFORE,
        "DROP TABLE observations_before",
        "ALTER TABLE raw_batches DROP CONSTRAINT raw_batches_device_id_fkey",
        "ALTER TABLE raw_batches ADD COLUMN tenant text NOT NULL DEFAULT ''",
        RAW_TENANT,
        "ALTER TABLE coverage ADD COLUMN received bigint NOT NULL DEFAULT 0",
        "ALTER TABLE batches RENAME TO batches_before",
        "ALTER INDEX batches_pkey RENAME TO batches_before_pkey",
        BATCHES,
        "CREATE TABLE batches_other PARTITION OF batches DEFAULT",
        "INSERT INTO batches SELECT * FROM batches_before",
        "DROP TABLE batches_before",
        *(FORKS, HEALTH, HEALTH_HOURS, STATE, COMPARISONS, WRITERS, COUNTS, GAP_WORDS, ALERTS, MANUAL),
    ):
        op.execute(statement)
