DROP TABLE idempotency;
DROP TABLE event_days;
DROP TABLE changes;
DROP FUNCTION evently_changes_guard();
DROP FUNCTION evently_stored(events);
DROP FUNCTION evently_time(timestamptz);
DROP FUNCTION evently_history();
DROP TABLE catalog;
