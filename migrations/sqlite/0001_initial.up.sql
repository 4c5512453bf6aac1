-- The catalogue, its change log, and what is kept with them. Times are µs since 1970 in UTC, prices are cents,
-- status is 0 draft, 1 published, 2 cancelled, 3 completed (enum event_status).

CREATE TABLE users (
	id         INTEGER PRIMARY KEY,
	email      TEXT,
	role       TEXT,
	is_active  INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
	updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX users_inactive ON users (id) WHERE is_active = 0;

-- AUTOINCREMENT: an id is never given twice, or two events would share one history.
CREATE TABLE events (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	title       TEXT    NOT NULL CHECK (title <> ''),
	venue       TEXT    NOT NULL CHECK (venue <> ''),
	event_date  INTEGER NOT NULL CHECK (event_date >= 0),
	price_cents INTEGER NOT NULL CHECK (price_cents BETWEEN 0 AND 9999999999),
	capacity    INTEGER NOT NULL CHECK (capacity BETWEEN 0 AND 2147483647),
	status      INTEGER NOT NULL CHECK (status BETWEEN 0 AND 3),
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	created_by  INTEGER REFERENCES users (id),
	version     INTEGER NOT NULL CHECK (version >= 1),
	description TEXT
) STRICT;
-- Every list is a merge of one ordered scan for each status it shows; the rowid (id) that ends every index breaks ties.
CREATE INDEX events_by_id         ON events (status);
CREATE INDEX events_by_event_date ON events (status, event_date);
CREATE INDEX events_by_created_at ON events (status, created_at);
CREATE INDEX events_by_updated_at ON events (status, updated_at);
CREATE INDEX events_by_price      ON events (status, price_cents);
CREATE INDEX events_by_title      ON events (status, title);
CREATE INDEX events_by_venue      ON events (status, venue);
CREATE INDEX events_by_creator    ON events (created_by) WHERE created_by IS NOT NULL;

CREATE TABLE changes (
	seq         INTEGER PRIMARY KEY CHECK (seq >= 1),
	event_id    INTEGER NOT NULL,
	kind        INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- 0 created, 1 updated, 2 deleted
	version     INTEGER NOT NULL,
	actor_id    INTEGER NOT NULL,
	request_id  TEXT,
	occurred_at INTEGER NOT NULL,
	before      TEXT CHECK ((before IS NULL) = (kind = 0)),
	after       TEXT CHECK ((after IS NULL) = (kind = 2))
) STRICT;
CREATE INDEX changes_by_event ON changes (event_id);
CREATE INDEX changes_by_actor ON changes (actor_id);

-- One row. pruned_seq: changes up to it may have been removed. relay_seq: the last change handed to Redis.
CREATE TABLE catalog (
	id            INTEGER PRIMARY KEY CHECK (id = 1),
	seq           INTEGER NOT NULL,
	drafts        INTEGER NOT NULL CHECK (drafts >= 0),
	published     INTEGER NOT NULL CHECK (published >= 0),
	cancelled     INTEGER NOT NULL CHECK (cancelled >= 0),
	completed     INTEGER NOT NULL CHECK (completed >= 0),
	users_version INTEGER NOT NULL,
	pruned_seq    INTEGER NOT NULL,
	relay_seq     INTEGER NOT NULL,
	CHECK (pruned_seq <= seq)
) STRICT;
INSERT INTO catalog VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);

-- Published events counted by spans of event_date of 2^shift µs (1.2 hours, 3.2 days, 204 days, 36 years), so that "how
-- many lie in the future" is a sum over at most 63 rows of each size and not over all events.
CREATE TABLE published_spans (
	shift  INTEGER NOT NULL,
	span   INTEGER NOT NULL,
	events INTEGER NOT NULL CHECK (events >= 0),
	PRIMARY KEY (shift, span)
) STRICT, WITHOUT ROWID;

-- First answers of creations, by the client's Idempotency-Key. body_hash is a 64-bit pattern, so it may be negative.
CREATE TABLE idempotency (
	user_id    INTEGER NOT NULL,
	key        TEXT    NOT NULL,
	body_hash  INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	answer     TEXT    NOT NULL,
	PRIMARY KEY (user_id, key)
) STRICT;
CREATE INDEX idempotency_by_created_at ON idempotency (created_at);

CREATE VIRTUAL TABLE events_fts USING fts5 (
	title, description, venue, content = 'events', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);

-- The log is append-only, except that what lies at or before the marker may be pruned.
CREATE TRIGGER changes_refuse_update BEFORE UPDATE ON changes
BEGIN
	SELECT RAISE(ABORT, 'changes is append-only');
END;
CREATE TRIGGER changes_refuse_delete BEFORE DELETE ON changes
WHEN OLD.seq > (SELECT pruned_seq FROM catalog)
BEGIN
	SELECT RAISE(ABORT, 'changes is append-only');
END;

-- Counts and full text follow the rows, whoever writes them.
CREATE TRIGGER events_inserted AFTER INSERT ON events
BEGIN
	UPDATE catalog SET drafts = drafts + (NEW.status = 0), published = published + (NEW.status = 1),
		cancelled = cancelled + (NEW.status = 2), completed = completed + (NEW.status = 3);
	INSERT INTO events_fts (rowid, title, description, venue)
		VALUES (NEW.id, NEW.title, NEW.description, NEW.venue);
END;
CREATE TRIGGER events_deleted AFTER DELETE ON events
BEGIN
	UPDATE catalog SET drafts = drafts - (OLD.status = 0), published = published - (OLD.status = 1),
		cancelled = cancelled - (OLD.status = 2), completed = completed - (OLD.status = 3);
	INSERT INTO events_fts (events_fts, rowid, title, description, venue)
		VALUES ('delete', OLD.id, OLD.title, OLD.description, OLD.venue);
END;
CREATE TRIGGER events_moved AFTER UPDATE OF status ON events
WHEN OLD.status <> NEW.status
BEGIN
	UPDATE catalog SET
		drafts = drafts + (NEW.status = 0) - (OLD.status = 0),
		published = published + (NEW.status = 1) - (OLD.status = 1),
		cancelled = cancelled + (NEW.status = 2) - (OLD.status = 2),
		completed = completed + (NEW.status = 3) - (OLD.status = 3);
END;
CREATE TRIGGER events_reworded AFTER UPDATE OF title, description, venue ON events
WHEN OLD.title <> NEW.title OR OLD.description IS NOT NEW.description OR OLD.venue <> NEW.venue
BEGIN
	INSERT INTO events_fts (events_fts, rowid, title, description, venue)
		VALUES ('delete', OLD.id, OLD.title, OLD.description, OLD.venue);
	INSERT INTO events_fts (rowid, title, description, venue)
		VALUES (NEW.id, NEW.title, NEW.description, NEW.venue);
END;

CREATE TRIGGER spans_inserted AFTER INSERT ON events
WHEN NEW.status = 1
BEGIN
	INSERT INTO published_spans SELECT column1, NEW.event_date >> column1, 1
		FROM (VALUES (32), (38), (44), (50)) WHERE true
		ON CONFLICT DO UPDATE SET events = events + 1;
END;
CREATE TRIGGER spans_deleted AFTER DELETE ON events
WHEN OLD.status = 1
BEGIN
	UPDATE published_spans SET events = events - 1
		WHERE (shift, span) IN (SELECT column1, OLD.event_date >> column1 FROM (VALUES (32), (38), (44), (50)));
	DELETE FROM published_spans WHERE events = 0
		AND (shift, span) IN (SELECT column1, OLD.event_date >> column1 FROM (VALUES (32), (38), (44), (50)));
END;
CREATE TRIGGER spans_moved AFTER UPDATE OF status, event_date ON events
WHEN (OLD.status = 1 OR NEW.status = 1) AND (OLD.status <> NEW.status OR OLD.event_date <> NEW.event_date)
BEGIN
	INSERT INTO published_spans SELECT column1, NEW.event_date >> column1, 1
		FROM (VALUES (32), (38), (44), (50)) WHERE NEW.status = 1
		ON CONFLICT DO UPDATE SET events = events + 1;
	UPDATE published_spans SET events = events - 1 WHERE OLD.status = 1
		AND (shift, span) IN (SELECT column1, OLD.event_date >> column1 FROM (VALUES (32), (38), (44), (50)));
	DELETE FROM published_spans WHERE events = 0
		AND (shift, span) IN (SELECT column1, OLD.event_date >> column1 FROM (VALUES (32), (38), (44), (50)));
END;
