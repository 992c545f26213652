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
  notified    TEXT NOT NULL DEFAULT '{}', -- JSON: channel -> when it was last told
  times       INTEGER NOT NULL DEFAULT 1  -- how often the run had such a one lately
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
CREATE INDEX notification_of ON notification (incident);

CREATE TABLE delivery (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- of one database never that of another: see formats.migrate
  notification_id INTEGER NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
  channel         TEXT NOT NULL,
  state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead', 'dropped')),
  attempts        INTEGER NOT NULL DEFAULT 0,
  error           TEXT,
  changed_wall    REAL NOT NULL,
  done            TEXT NOT NULL DEFAULT '[]', -- JSON: recipients that need not be asked again
  reason          TEXT NOT NULL DEFAULT '',   -- why it is sent: the content's reason
  group_key       TEXT NOT NULL DEFAULT '',   -- what is alike is told together
  due_wall        REAL NOT NULL DEFAULT 0,    -- not before this time ...
  why             TEXT,                       -- ... for this reason; of one that was dropped, that one
  after_s         REAL,                       -- it goes only if nobody acknowledges for so long
  lead            INTEGER,                    -- the delivery with which it is one message, once that was tried
  started_wall    REAL                        -- when it went at once, as the first of its group
);
CREATE INDEX delivery_undone ON delivery (channel, state, id) WHERE state IN ('pending', 'dead');
CREATE INDEX delivery_starts ON delivery (channel, started_wall) WHERE started_wall IS NOT NULL;
CREATE INDEX delivery_led ON delivery (lead) WHERE lead IS NOT NULL;
CREATE INDEX delivery_of ON delivery (notification_id);

CREATE TABLE ack (                  -- whoever has seen an incident
  incident   TEXT PRIMARY KEY,
  who        TEXT NOT NULL,
  at_wall    REAL NOT NULL,
  until_wall REAL,                  -- NULL: as long as it lasts
  note       TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ack_by_age ON ack (at_wall);

CREATE TABLE mute (                 -- who wants to hear nothing of what
  id         TEXT PRIMARY KEY,
  match      TEXT NOT NULL,         -- JSON: as a route's match
  from_wall  REAL NOT NULL,
  until_wall REAL NOT NULL,
  who        TEXT NOT NULL,
  why        TEXT NOT NULL,
  owner      TEXT                   -- only of this user's runs; NULL: of all
);

CREATE TABLE digest (               -- until when each channel has had its summary
  channel    TEXT PRIMARY KEY,
  until_wall REAL NOT NULL
);

CREATE TABLE handle (               -- by which a channel's first message of an incident can be changed or answered
  channel   TEXT NOT NULL,
  incident  TEXT NOT NULL,
  handle    TEXT NOT NULL,
  told_wall REAL NOT NULL,
  PRIMARY KEY (channel, incident)
);
CREATE INDEX handle_by_age ON handle (told_wall);
