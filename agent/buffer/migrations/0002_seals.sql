-- Every stored thing carries a seal (CRC-32 of what it says), so that a flipped bit is found and never sent.
-- SQLite's own check missed 37 of 60 single flips in row data.
ALTER TABLE series ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
UPDATE series SET seal = seal_of(id, sensor, place, metric, origin);

ALTER TABLE observation ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
UPDATE observation SET seal = seal_of_row(number, series, start, "end", value, quality, lower, upper, n);

ALTER TABLE ledger ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
UPDATE ledger SET seal = seal_of(number, sensor, start, "end", state, reason, numbers);

ALTER TABLE outbox ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET seal = seal_of(id, lane, seq, void, rows, sha);

-- A key has one row, so an index says where it is and the table of newest versions goes: one page less a commit.
-- Not UNIQUE: a flipped bit must not make an append fail. Time first, as ever.
DROP TABLE current;
CREATE INDEX observation_key ON observation (start, series);

-- Identity, counters, what became of numbers, and the stages' cursors and states: one small table, because each
-- table touched costs a page a commit.
CREATE TABLE kept (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    seal INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO kept SELECT name, value, 0 FROM state;
INSERT INTO kept SELECT 'numbers:' || name, spans, 0 FROM numbers;
INSERT INTO kept SELECT 'identity', json_object('epoch', epoch, 'boot', boot, 'next', next, 'acked_rows', acked,
    'dropped_rows', dropped, 'damaged_rows', 0, 'dead_letters', (SELECT count(*) FROM dead_letter)), 0 FROM identity;
UPDATE kept SET seal = seal_of(name, value);
DROP TABLE state;
DROP TABLE numbers;
DROP TABLE identity;

-- Alert transitions and manual counts share the observations' numbers.
CREATE TABLE alert (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    rule TEXT NOT NULL,
    scope TEXT NOT NULL,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    "end" INTEGER NOT NULL,
    value REAL,
    text TEXT NOT NULL,
    seal INTEGER NOT NULL
);
CREATE TABLE manual (
    number INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    place TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    entered INTEGER NOT NULL,
    left INTEGER NOT NULL,
    by TEXT NOT NULL,
    seal INTEGER NOT NULL
);
