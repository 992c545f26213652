-- What the watchdog must not forget. One writer, the daemon; anybody in its group may read (epochwatchd status).
-- Times are Unix seconds. JSON columns are read whole, never searched. For SQLite 3.36 and newer.

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
  suspected   TEXT,                 -- JSON: what may become a fault, shown and never alerted
  about       TEXT                  -- JSON: argv, cwd, tags
);
CREATE INDEX run_by_end ON run (ended_wall, verdict);

CREATE TABLE worker (               -- of runs that go on
  key      TEXT PRIMARY KEY,        -- the heartbeat file's path, or "udp:…"
  run_key  TEXT NOT NULL REFERENCES run (key) ON DELETE CASCADE,
  snapshot TEXT NOT NULL,           -- JSON: what is needed to go on watching after a restart
  watched_wall REAL NOT NULL DEFAULT 0  -- when the snapshot was taken
);
CREATE INDEX worker_by_run ON worker (run_key);

CREATE TABLE lesson (               -- what the silences of a job have taught, for its next run
  user  TEXT NOT NULL,
  job   TEXT NOT NULL,
  rank  INTEGER NOT NULL,           -- -1 for none
  patience TEXT NOT NULL,           -- JSON
  changed_wall REAL NOT NULL,
  PRIMARY KEY (user, job, rank)
);
CREATE INDEX lesson_by_age ON lesson (changed_wall);

CREATE TABLE expectation (          -- when what is expected at given times was last settled: it had begun, or was not expected before
  key          TEXT PRIMARY KEY,
  settled_wall REAL NOT NULL
);

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
);
CREATE INDEX incident_by_run ON incident (run_key);
CREATE INDEX incident_open ON incident (id) WHERE closed_wall IS NULL;

CREATE TABLE notification (
  id           INTEGER PRIMARY KEY,
  content      TEXT NOT NULL,       -- JSON: the contract's, not yet in words; nothing once every channel has taken it
  created_wall REAL NOT NULL,
  incident     TEXT NOT NULL DEFAULT '',    -- what the content says too: its id, user, and whether it is critical
  user         TEXT NOT NULL DEFAULT '',
  critical     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX notification_by_age ON notification (created_wall);

CREATE TABLE delivery (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- of one database never that of another: see formats.migrate
  notification_id INTEGER NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
  channel         TEXT NOT NULL,
  state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts        INTEGER NOT NULL DEFAULT 0,
  error           TEXT,
  changed_wall    REAL NOT NULL,
  done            TEXT NOT NULL DEFAULT '[]'  -- JSON: recipients that need not be asked again
);
CREATE INDEX delivery_undone ON delivery (channel, state, id) WHERE state <> 'delivered';
CREATE INDEX delivery_of ON delivery (notification_id);

CREATE TABLE handle (               -- by which a channel's first message of an incident can be changed or answered
  channel   TEXT NOT NULL,
  incident  TEXT NOT NULL,
  handle    TEXT NOT NULL,
  told_wall REAL NOT NULL,
  PRIMARY KEY (channel, incident)
);
CREATE INDEX handle_by_age ON handle (told_wall);
