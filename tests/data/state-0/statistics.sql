CREATE TABLE record (network, source, class, bytes, seconds, rtt, failures, updated, measured_at, paused_until, pauses, row, PRIMARY KEY (network, source, class)) WITHOUT ROWID;
INSERT INTO record VALUES (:network, 'near', 'wheel', 8000000.0, 2.0, 0.005, 0.0, :now, :now, 0.0, 0, 0);
INSERT INTO record VALUES (:network, 'origin', 'document', 0.0, 0.0, 0.125, 0.0, :now, :now, 0.0, 0, 0);
PRAGMA user_version = 1;
