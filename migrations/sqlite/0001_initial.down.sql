DROP TABLE events_fts;
DROP TABLE idempotency;
DROP TABLE published_spans;
DROP TABLE changes;
DROP TABLE events;
DROP TABLE users;
DROP TABLE catalog;
