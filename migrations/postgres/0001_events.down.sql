-- Keeps users and events with all their rows: an upgrade adopts them again. Only what ties the tables together goes.
ALTER TABLE events DROP CONSTRAINT IF EXISTS events_created_by_fkey;
