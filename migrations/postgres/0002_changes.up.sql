-- The change log (audit trail, outbox, invalidation log and feed in one) and the one-row catalog that numbers it.
-- Whoever writes holds the catalog's row until its commit, so that seq is gapless and in the order of commits.

CREATE TABLE catalog (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	seq bigint NOT NULL DEFAULT 0,            -- of the last change
	draft bigint NOT NULL DEFAULT 0,          -- events of each status
	published bigint NOT NULL DEFAULT 0,
	cancelled bigint NOT NULL DEFAULT 0,
	completed bigint NOT NULL DEFAULT 0,
	users_version bigint NOT NULL DEFAULT 0,  -- grows with every change of a user's status
	pruned_seq bigint NOT NULL DEFAULT 0,     -- changes up to here were removed
	identity uuid NOT NULL DEFAULT gen_random_uuid(), -- of this catalogue, drawn once
	history bigint NOT NULL DEFAULT 0,        -- catalogue, server and timeline at the last write: evently_history()
	history_since timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Names this catalogue, its database, server and timeline: another value means a failover, a copy, or a database made anew,
-- and what was cached of the other is worth nothing. The name of the WAL file tells of a promotion at once,
-- pg_control_checkpoint() only at the next checkpoint.
CREATE FUNCTION evently_history() RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT hashtextextended(concat_ws(' ', s.system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), d.oid,
		c.identity), 0)
	FROM pg_control_system() s JOIN pg_database d ON d.datname = current_database() LEFT JOIN catalog c ON true
$$;

CREATE TABLE changes (
	seq bigint PRIMARY KEY,
	event_id bigint NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('created', 'updated', 'deleted')),
	version bigint NOT NULL,
	actor_id bigint NOT NULL,
	request_id text,
	occurred_at timestamptz NOT NULL,
	before json,
	after json,
	write_id bigint NOT NULL DEFAULT 0        -- drawn for each transaction: finds it again when its answer was lost
);
CREATE INDEX changes_event ON changes (event_id, seq);
CREATE INDEX changes_actor ON changes (actor_id, seq);
CREATE INDEX changes_occurred ON changes USING brin (occurred_at) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE event_days (                         -- exact totals for ranges of dates without counting rows
	status text COLLATE "C" NOT NULL,
	day date NOT NULL,                        -- of event_date, in UTC
	events bigint NOT NULL,
	PRIMARY KEY (status, day)
) WITH (fillfactor = 50);

CREATE TABLE idempotency (
	user_id bigint NOT NULL,
	key text COLLATE "C" NOT NULL,
	body_hash bigint NOT NULL,
	answer text NOT NULL,
	created_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- A time as the service writes it: UTC with Z, a fraction only when there is one.
CREATE FUNCTION evently_time(moment timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
	|| CASE WHEN date_trunc('second', moment) = moment THEN ''
	   ELSE to_char(moment AT TIME ZONE 'UTC', '.US') END || 'Z'
$$;

-- An event as `changes.before` and `changes.after` hold it.
CREATE FUNCTION evently_stored(e events) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT json_build_object('id', e.id, 'title', e.title, 'description', e.description, 'venue', e.venue,
		'event_date', evently_time(e.event_date), 'capacity', e.capacity, 'price', e.price::text, 'status', e.status,
		'created_at', evently_time(e.created_at), 'updated_at', evently_time(e.updated_at),
		'created_by', e.created_by, 'version', e.version)
$$;

-- Every event that is already there gets its creation in the log, so that the log is complete from the start.
INSERT INTO changes (seq, event_id, kind, version, actor_id, request_id, occurred_at, after)
SELECT row_number() OVER (ORDER BY id), id, 'created', version, coalesce(created_by, 0), 'adopted', updated_at,
	evently_stored(events)
FROM events ORDER BY id;

INSERT INTO event_days (status, day, events)
SELECT status, (event_date AT TIME ZONE 'UTC')::date, count(*) FROM events GROUP BY 1, 2;

INSERT INTO catalog (seq, draft, published, cancelled, completed)
SELECT count(*), count(*) FILTER (WHERE status = 'draft'), count(*) FILTER (WHERE status = 'published'),
	count(*) FILTER (WHERE status = 'cancelled'), count(*) FILTER (WHERE status = 'completed') FROM events;
UPDATE catalog SET history = evently_history();

-- The log only grows. `evently audit prune` alone may remove its oldest part, and says so to this trigger.
CREATE FUNCTION evently_changes_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND current_setting('evently.prune', true) = 'on' THEN
		RETURN NULL;
	END IF;
	RAISE EXCEPTION 'the change log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON changes
	FOR EACH STATEMENT EXECUTE FUNCTION evently_changes_guard();
