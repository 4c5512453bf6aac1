#!/bin/bash
# Runs once, when the primary's data folder is made: the service's role and database, the replica's role and slot, and
# from the next start on every commit waits for the replica. (Set here, it would wait for a replica that cannot be yet.)
set -euo pipefail

psql -v ON_ERROR_STOP=1 -U postgres -d postgres \
	-v db_password="$(cat /run/secrets/db_password)" \
	-v replication_password="$(cat /run/secrets/replication_password)" <<-'SQL'
	CREATE ROLE evently LOGIN PASSWORD :'db_password';
	CREATE DATABASE evently OWNER evently TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
	CREATE ROLE replicator REPLICATION LOGIN PASSWORD :'replication_password';
	SELECT pg_create_physical_replication_slot('replica');
	ALTER SYSTEM SET synchronous_standby_names = 'replica';
SQL
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
