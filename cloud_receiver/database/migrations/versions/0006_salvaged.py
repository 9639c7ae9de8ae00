"""Salvaged: a device that mended its buffer tells what is lost by the numbers of the epoch before, named in the reason.

`gap_list` compares them with what came in that epoch; until now with the entry's own, where no number means a row yet.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

# As in 0005, but for where `numbers` of what is held come from.
GAP_WORDS = r"""
CREATE OR REPLACE VIEW gap_list AS
SELECT stores.tenant, stores.store, g.sensor, to_timestamp(lower(piece)) AS start, to_timestamp(upper(piece)) AS "end",
       g.state, g.reason, CASE WHEN g.state = 'lost' THEN g.numbers - held.numbers ELSE g.numbers END AS numbers
FROM gaps AS g
JOIN stores ON stores.id = g.store
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT c.ranges - c.void FROM epochs AS e
                     JOIN coverage AS c ON c.device = e.device AND c.epoch = coalesce(
                         substring(g.reason FROM '\(numbers of epoch ([A-Za-z0-9._-]{1,63})\)$'), e.epoch)
                     WHERE e.ordinal = g.epoch),
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
    op.execute(GAP_WORDS)
