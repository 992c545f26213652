-- What the watchdog must not forget. One writer, the daemon; anybody may read (epochwatchd status).
-- Times are Unix seconds. JSON columns are read whole, never searched.

CREATE TABLE run (
  key         TEXT PRIMARY KEY,
  job         TEXT NOT NULL,
  run         TEXT NOT NULL,
  host        TEXT NOT NULL,
  user        TEXT NOT NULL,
  pid         INTEGER,
  verdict     TEXT NOT NULL,
  since_wall  REAL NOT NULL,
  cause       TEXT,                 -- code, NULL for running and finished
  started_wall REAL NOT NULL,
  seen_wall   REAL NOT NULL,
  ended_wall  REAL,
  progress    TEXT NOT NULL,        -- JSON, as in the notification
  suspected   TEXT                  -- JSON: what may become a fault, shown and never alerted
) STRICT;
CREATE INDEX run_by_end ON run (ended_wall);

CREATE TABLE worker (
  key      TEXT PRIMARY KEY,        -- the heartbeat file's path, or "udp:…"
  run_key  TEXT NOT NULL REFERENCES run (key) ON DELETE CASCADE,
  snapshot TEXT NOT NULL            -- JSON: what is needed to go on watching after a restart
) STRICT;
CREATE INDEX worker_by_run ON worker (run_key);

CREATE TABLE lesson (               -- what the silences of a job have taught, for its next run
  user  TEXT NOT NULL,
  job   TEXT NOT NULL,
  rank  INTEGER NOT NULL,           -- -1 for none
  patience TEXT NOT NULL,           -- JSON
  changed_wall REAL NOT NULL,
  PRIMARY KEY (user, job, rank)
) STRICT;

CREATE TABLE expectation (          -- when what is expected at given times was last settled: it had begun, or was not expected before
  key          TEXT PRIMARY KEY,
  settled_wall REAL NOT NULL
) STRICT;

CREATE TABLE incident (
  id          TEXT PRIMARY KEY,
  run_key     TEXT NOT NULL REFERENCES run (key) ON DELETE CASCADE,
  kind        TEXT NOT NULL,
  severity    TEXT NOT NULL,
  since_wall  REAL NOT NULL,
  cause       TEXT,                 -- JSON
  opened_wall REAL NOT NULL,
  closed_wall REAL,
  notified    TEXT NOT NULL DEFAULT '{}'  -- JSON: channel -> when it was last told
) STRICT;
CREATE INDEX incident_open ON incident (run_key) WHERE closed_wall IS NULL;

CREATE TABLE notification (
  id           INTEGER PRIMARY KEY,
  content      TEXT NOT NULL,       -- JSON of the contract
  created_wall REAL NOT NULL
) STRICT;

CREATE TABLE delivery (
  id              INTEGER PRIMARY KEY,
  notification_id INTEGER NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
  channel         TEXT NOT NULL,
  state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts        INTEGER NOT NULL DEFAULT 0,
  error           TEXT,
  changed_wall    REAL NOT NULL
) STRICT;
CREATE INDEX delivery_pending ON delivery (channel, id) WHERE state = 'pending';
CREATE INDEX delivery_of ON delivery (notification_id);
