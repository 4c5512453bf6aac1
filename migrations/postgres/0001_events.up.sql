-- Users and events. On an empty database they are made; where a table `events` is already there (the Python service's,
-- known by `alembic_version`, or one that a downgrade left) it is adopted in place: every row is kept, naive times are
-- taken as UTC, integer ids grow to 64 bits, missing values get the defaults of docs/postgresql.md.

CREATE TABLE IF NOT EXISTS users (
	id bigint PRIMARY KEY,
	email text,
	role text,
	is_active boolean NOT NULL DEFAULT true,
	updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS events (
	id bigserial PRIMARY KEY,
	title text COLLATE "C" NOT NULL,
	venue text COLLATE "C" NOT NULL,
	description text,
	event_date timestamptz NOT NULL,
	price numeric(10, 2) NOT NULL DEFAULT 0,
	capacity integer NOT NULL DEFAULT 0,
	status text COLLATE "C" NOT NULL DEFAULT 'draft',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	created_by bigint,
	version bigint NOT NULL DEFAULT 1
);

LOCK TABLE users, events IN ACCESS EXCLUSIVE MODE;

-- Columns that the tables found may lack. They are empty for now; the next step fills them.
ALTER TABLE users ADD COLUMN IF NOT EXISTS email text, ADD COLUMN IF NOT EXISTS role text,
	ADD COLUMN IF NOT EXISTS is_active boolean, ADD COLUMN IF NOT EXISTS updated_at timestamptz;
ALTER TABLE events ADD COLUMN IF NOT EXISTS title text, ADD COLUMN IF NOT EXISTS venue text,
	ADD COLUMN IF NOT EXISTS description text, ADD COLUMN IF NOT EXISTS event_date timestamptz,
	ADD COLUMN IF NOT EXISTS price numeric(10, 2), ADD COLUMN IF NOT EXISTS capacity integer,
	ADD COLUMN IF NOT EXISTS status text, ADD COLUMN IF NOT EXISTS created_at timestamptz,
	ADD COLUMN IF NOT EXISTS updated_at timestamptz, ADD COLUMN IF NOT EXISTS created_by bigint,
	ADD COLUMN IF NOT EXISTS version bigint;

-- What belongs to the old shape and would stand in the way: defaults of old types, NOT NULL without a default on columns
-- that this service does not know, and the indexes that SQLAlchemy made (0003 makes better ones).
DO $$
DECLARE
	found record;
BEGIN
	FOR found IN
		SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND column_default IS NOT NULL AND is_generated = 'NEVER'
		AND (table_name = 'users' AND column_name IN ('email', 'role', 'is_active', 'updated_at')
		OR table_name = 'events' AND column_name IN ('title', 'venue', 'description', 'event_date', 'price', 'capacity',
			'status', 'created_at', 'updated_at', 'created_by', 'version'))
	LOOP
		EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP DEFAULT', found.table_name, found.column_name);
	END LOOP;
	FOR found IN
		SELECT table_name, column_name FROM information_schema.columns c
		WHERE table_schema = current_schema() AND is_nullable = 'NO' AND is_identity = 'NO'
		AND column_name <> 'id' AND (table_name = 'events' AND column_name IN ('description', 'created_by')
		OR table_name IN ('users', 'events') AND column_default IS NULL AND is_generated = 'NEVER'
		AND column_name NOT IN ('title', 'venue', 'event_date', 'price', 'capacity', 'status', 'created_at',
			'updated_at', 'version', 'is_active')
		OR table_name = 'users' AND column_name IN ('email', 'role', 'created_at'))
		AND NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
			WHERE i.indrelid = format('%I', c.table_name)::regclass AND i.indisprimary
			AND a.attname = c.column_name AND a.attnum = ANY (i.indkey))
	LOOP
		EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', found.table_name, found.column_name);
	END LOOP;
	-- An address may come with a token of somebody else by now: it identifies nobody here.
	FOR found IN
		SELECT conname FROM pg_constraint WHERE conrelid = 'users'::regclass AND contype = 'u'
	LOOP
		EXECUTE format('ALTER TABLE users DROP CONSTRAINT %I', found.conname);
	END LOOP;
	FOR found IN
		SELECT indexrelid::regclass AS name FROM pg_index
		WHERE indrelid = 'users'::regclass AND indisunique AND NOT indisprimary
	LOOP
		EXECUTE format('DROP INDEX %s', found.name);
	END LOOP;
	FOR found IN
		SELECT indexname FROM pg_indexes
		WHERE schemaname = current_schema() AND tablename = 'events' AND indexname LIKE 'ix\_events\_%'
	LOOP
		EXECUTE format('DROP INDEX %I', found.indexname);
	END LOOP;
END $$;

-- One rewrite of each table brings all types into shape.
DO $$
DECLARE
	column_types jsonb;
	-- the column as timestamptz, whatever it is now; naive times are UTC
	as_time text[] := ARRAY[]::text[];
	name text;
	kind text;
	creator text;
BEGIN
	SELECT jsonb_object_agg(column_name, data_type) INTO column_types FROM information_schema.columns
	WHERE table_schema = current_schema() AND table_name = 'events';
	FOREACH name IN ARRAY ARRAY['event_date', 'created_at', 'updated_at'] LOOP
		kind := column_types ->> name;
		as_time := as_time || CASE kind
			WHEN 'timestamp with time zone' THEN format('%I', name)
			WHEN 'timestamp without time zone' THEN format('(%I AT TIME ZONE ''UTC'')', name)
			WHEN 'date' THEN format('(%I::timestamp AT TIME ZONE ''UTC'')', name)
			ELSE format('(%I::text::timestamp AT TIME ZONE ''UTC'')', name) END;
	END LOOP;
	creator := CASE WHEN column_types ->> 'created_by' IN ('bigint', 'integer', 'smallint') THEN 'created_by::bigint'
		ELSE '(CASE WHEN created_by::text ~ ''^[0-9]{1,18}$'' THEN created_by::text::bigint END)' END;

	-- A foreign key between columns of two kinds would stop the rewrite; the right one is made below.
	FOR name IN
		SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'events'::regclass
		AND conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'created_by')]
	LOOP
		EXECUTE format('ALTER TABLE events DROP CONSTRAINT %I', name);
	END LOOP;

	EXECUTE format($rewrite$
		ALTER TABLE events
		ALTER id TYPE bigint,
		ALTER title TYPE text COLLATE "C" USING coalesce(nullif(title::text, ''), 'Untitled'),
		ALTER venue TYPE text COLLATE "C" USING coalesce(nullif(venue::text, ''), 'Unknown'),
		ALTER description TYPE text USING description::text,
		ALTER event_date TYPE timestamptz USING least(greatest(coalesce(%1$s, %2$s, now()),
			'1970-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'),
		ALTER price TYPE numeric(10, 2) USING least(greatest(round(coalesce(price::numeric, 0), 2), 0), 99999999.99),
		ALTER capacity TYPE integer USING least(greatest(coalesce(capacity::bigint, 0), 0), 2147483647)::integer,
		ALTER status TYPE text COLLATE "C" USING CASE
			WHEN lower(status::text) IN ('draft', 'published', 'cancelled', 'completed') THEN lower(status::text)
			WHEN lower(status::text) = 'canceled' THEN 'cancelled' ELSE 'draft' END,
		ALTER created_at TYPE timestamptz USING least(greatest(coalesce(%2$s, %3$s, now()),
			'1970-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'),
		ALTER updated_at TYPE timestamptz USING least(greatest(coalesce(%3$s, %2$s, now()),
			'1970-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'),
		ALTER created_by TYPE bigint USING %4$s,
		ALTER version TYPE bigint USING coalesce(version, 1)
		$rewrite$, as_time[1], as_time[2], as_time[3], creator);

	SELECT jsonb_object_agg(column_name, data_type) INTO column_types FROM information_schema.columns
	WHERE table_schema = current_schema() AND table_name = 'users';
	EXECUTE format($rewrite$
		ALTER TABLE users
		ALTER id TYPE bigint,
		ALTER email TYPE text USING email::text,
		ALTER role TYPE text USING lower(role::text),
		ALTER is_active TYPE boolean USING coalesce(is_active, true),
		ALTER updated_at TYPE timestamptz USING coalesce(%s, now())
		$rewrite$, CASE column_types ->> 'updated_at' WHEN 'timestamp without time zone'
			THEN '(updated_at AT TIME ZONE ''UTC'')' ELSE 'updated_at' END);
END $$;

ALTER TABLE users ALTER is_active SET DEFAULT true, ALTER is_active SET NOT NULL,
	ALTER updated_at SET DEFAULT now(), ALTER updated_at SET NOT NULL;
ALTER TABLE events
	ALTER title SET NOT NULL, ALTER venue SET NOT NULL, ALTER event_date SET NOT NULL,
	ALTER price SET NOT NULL, ALTER price SET DEFAULT 0, ALTER capacity SET NOT NULL, ALTER capacity SET DEFAULT 0,
	ALTER status SET NOT NULL, ALTER status SET DEFAULT 'draft',
	ALTER created_at SET NOT NULL, ALTER created_at SET DEFAULT now(),
	ALTER updated_at SET NOT NULL, ALTER updated_at SET DEFAULT now(),
	ALTER version SET NOT NULL, ALTER version SET DEFAULT 1;

-- The key and the sequence behind it, under the one name that the program uses.
DO $$
DECLARE
	owned text := pg_get_serial_sequence('events', 'id');
BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = 'events'::regclass AND contype = 'p') THEN
		ALTER TABLE events ADD PRIMARY KEY (id);
	END IF;
	IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = 'users'::regclass AND contype = 'p') THEN
		ALTER TABLE users ADD PRIMARY KEY (id);
	END IF;
	IF owned IS NULL THEN
		CREATE SEQUENCE IF NOT EXISTS events_id_seq;
		ALTER SEQUENCE events_id_seq OWNED BY events.id;
		ALTER TABLE events ALTER id SET DEFAULT nextval('events_id_seq');
	ELSIF owned::regclass <> coalesce(to_regclass('events_id_seq'), 0) THEN
		EXECUTE format('ALTER SEQUENCE %s RENAME TO events_id_seq', owned);
	END IF;
	-- An identity column keeps its sequence's type in step by itself.
	IF NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'id' AND attidentity <> '') THEN
		ALTER SEQUENCE events_id_seq AS bigint;
	END IF;
	PERFORM setval('events_id_seq', greatest((SELECT max(id) FROM events), (SELECT last_value FROM events_id_seq)),
		(SELECT is_called FROM events_id_seq) OR EXISTS (SELECT 1 FROM events));
END $$;

-- created_by references a user: those that nobody wrote down are made known by their number.
INSERT INTO users (id) SELECT DISTINCT created_by FROM events WHERE created_by IS NOT NULL ON CONFLICT DO NOTHING;
ALTER TABLE events ADD CONSTRAINT events_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id);

ALTER TABLE events
	DROP CONSTRAINT IF EXISTS events_price_check, DROP CONSTRAINT IF EXISTS events_capacity_check,
	DROP CONSTRAINT IF EXISTS events_status_check;
ALTER TABLE events
	ADD CONSTRAINT events_price_check CHECK (price >= 0),
	ADD CONSTRAINT events_capacity_check CHECK (capacity >= 0),
	ADD CONSTRAINT events_status_check CHECK (status IN ('draft', 'published', 'cancelled', 'completed'));
