-- The running instances and the leases under which they answer from their caches; and how far the relay has come.
CREATE TABLE instances (
	id text COLLATE "C" PRIMARY KEY,
	seen_seq bigint NOT NULL,
	lease_until timestamptz NOT NULL
) WITH (fillfactor = 30);

CREATE TABLE relay (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	position_seq bigint NOT NULL
) WITH (fillfactor = 10);
-- What was there before the log began was never meant for subscribers.
INSERT INTO relay (position_seq) SELECT seq FROM catalog;
