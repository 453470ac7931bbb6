#!/bin/sh
# Runs once, when PostgreSQL creates its data folder. The migration grants the role its privileges.
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --set password="$SERVER_PASSWORD" <<'SQL'
CREATE ROLE group_api LOGIN PASSWORD :'password';
SQL
