-- Indexes for lists: for each order one, led by the status, so that a page at any cursor reads only its own rows.
CREATE INDEX events_by_id ON events (status, id);
CREATE INDEX events_by_created_at ON events (status, created_at, id);
CREATE INDEX events_by_updated_at ON events (status, updated_at, id);
CREATE INDEX events_by_price ON events (status, price, id);
CREATE INDEX events_by_title ON events (status, title, id);
CREATE INDEX events_by_venue ON events (venue, id);
-- Dates in two parts that hold each row once: what upcoming and most lists read, and the rest.
CREATE INDEX events_upcoming ON events (event_date, id) WHERE status = 'published';
CREATE INDEX events_by_date ON events (status, event_date, id) WHERE status <> 'published';

-- Full text: whole words, all letters alike in either case and without their accents. The extension unaccent is not
-- needed: a letter is taken apart (NFD) and its marks (U+0300–U+036F) are dropped. What is no letter, digit or mark
-- separates words. Both the stored words and those asked for go through this function.
DO $$
DECLARE
	collation_used text := CASE WHEN EXISTS (SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'
		AND collnamespace = 'pg_catalog'::regnamespace) THEN 'pg_catalog."und-x-icu"' ELSE '"default"' END;
BEGIN
	EXECUTE format($make$
		CREATE FUNCTION evently_words(content text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
			SELECT coalesce(array_agg(DISTINCT left(word, 200)), ARRAY[]::text[])
			FROM regexp_split_to_table(regexp_replace(
				normalize(lower(content COLLATE %s), NFD) COLLATE "C", '[\u0300-\u036f]+', '', 'g'),
				'[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7'
				'\u00f7\u02c2-\u02c5\u02d2-\u02df\u2000-\u206f\u20a0-\u20cf\u2190-\u245f\u249c-\u24e9\u2500-\u2775'
				'\u2794-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d-\u303f\u30fb\ufe10-\ufe1f'
				'\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff'
				'\U0001f000-\U0001faff]+') AS word
			WHERE word <> ''
		$body$ $make$, collation_used);
END $$;

-- A table of its own: changing a price must not touch the text index.
CREATE TABLE event_words (
	event_id bigint PRIMARY KEY,
	words tsvector NOT NULL
);
INSERT INTO event_words (event_id, words)
SELECT id, array_to_tsvector(evently_words(concat_ws(' ', title, venue, description))) FROM events;
CREATE INDEX event_words_index ON event_words USING gin (words) WITH (fastupdate = off);

CREATE FUNCTION evently_query(asked text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT coalesce(string_agg('''' || word || '''', ' & '), '')::tsquery FROM unnest(evently_words(asked)) AS word
$$;

ANALYZE events;
