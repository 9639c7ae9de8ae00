-- Series: sensor, place, metric and origin as one small integer.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    place TEXT NOT NULL,
    metric TEXT NOT NULL,
    origin INTEGER NOT NULL,
    UNIQUE (sensor, place, metric, origin)
);

-- Every row version by its number. Numbers only grow, so a tick writes at the right edge: one or two pages.
CREATE TABLE observation (
    number INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    lower REAL,
    upper REAL,
    n REAL
);

-- The newest version of each key. Time first: a key that begins with the sensor writes 5 to 17 times more bytes.
CREATE TABLE current (
    start INTEGER NOT NULL,
    series INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (start, series)
) WITHOUT ROWID;

-- Ledger entries share the observations' numbers.
CREATE TABLE ledger (
    number INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    numbers TEXT NOT NULL
);
CREATE INDEX ledger_key ON ledger (start, sensor, reason);

-- Batches as first sent, byte for byte, until they are answered: at most four.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    lane TEXT NOT NULL,
    seq TEXT NOT NULL,
    void TEXT NOT NULL,
    rows INTEGER NOT NULL,
    sha TEXT NOT NULL,
    payload BLOB NOT NULL
);

-- Batches HQ will never take, with its reason.
CREATE TABLE dead_letter (
    id TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    sha TEXT NOT NULL,
    error TEXT NOT NULL,
    at TEXT NOT NULL,
    payload BLOB NOT NULL
);

-- What became of numbers, as ranges in JSON; never a column of the rows, which would rewrite every row.
CREATE TABLE numbers (
    name TEXT PRIMARY KEY,
    spans TEXT NOT NULL
) WITHOUT ROWID;

-- A stage's cursor and state, written in the commit that holds its rows.
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Identity and counters: one row, so that no page ever counts rows.
CREATE TABLE identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,
    boot INTEGER NOT NULL,
    next INTEGER NOT NULL,
    acked INTEGER NOT NULL,
    dropped INTEGER NOT NULL
);
