"""Held: which numbers came as rows and which were only told void, what each row said, and who knocks though revoked.

`gap_list` leaves out what a device calls lost and HQ has: numbers that came as rows, whether before or after the entry,
and hours that another epoch of the store told. The ledger itself, `gaps`, stays as it was said.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

# `void` is a part of `ranges`: covered, and no row came under it.
COVERAGE = "ALTER TABLE coverage ADD COLUMN void int8multirange NOT NULL DEFAULT '{}'"
# Four bytes for each number of `seq`: what its row said, for as long as the batch is remembered. A version that a later
# one replaced is in no other place.
BATCHES = "ALTER TABLE batches ADD COLUMN seq int8multirange, ADD COLUMN marks bytea"
# When a revoked device last tried.
DEVICES = "ALTER TABLE devices ADD COLUMN tried bigint"

# 3 is the origin `edge`, 32 the flag `unconfirmed`; no row is longer than 25 hours (90,000 s). Rows of the entry's own
# epoch prove nothing against it: its device knew them. The wire lets an entry end before it begins; it is no gap.
GAP_WORDS = """
CREATE OR REPLACE VIEW gap_list AS
SELECT stores.tenant, stores.store, g.sensor, to_timestamp(lower(piece)) AS start, to_timestamp(upper(piece)) AS "end",
       g.state, g.reason, CASE WHEN g.state = 'lost' THEN g.numbers - held.numbers ELSE g.numbers END AS numbers
FROM gaps AS g
JOIN stores ON stores.id = g.store
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT c.ranges - c.void FROM epochs AS e
                     JOIN coverage AS c ON c.device = e.device AND c.epoch = e.epoch WHERE e.ordinal = g.epoch),
                    '{}'::int8multirange) AS numbers,
           coalesce((SELECT range_agg(int8range(o.start, greatest(o.start, o."end"))) FROM observations AS o
                     WHERE g.state = 'lost' AND g.numbers = '{}'::int8multirange
                       AND o.store = g.store AND o.sensor = g.sensor AND o.stream = 0 AND o.epoch <> g.epoch
                       AND o.start > g.start - 90000 AND o.start < g."end" AND o."end" > g.start
                       AND o.value IS NOT NULL AND o.quality & 32 = 0 AND o.origin <> 3),
                    '{}'::int8multirange) AS times) AS held
CROSS JOIN LATERAL unnest(int8multirange(int8range(g.start, greatest(g.start, g."end"))) - held.times) AS piece
WHERE g.state <> 'lost' OR g.numbers = '{}'::int8multirange OR NOT g.numbers <@ held.numbers
"""


def upgrade() -> None:
    for statement in (COVERAGE, BATCHES, DEVICES, GAP_WORDS):
        op.execute(statement)
