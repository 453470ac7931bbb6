# PgBouncer 1.24 of Debian: from 1.21 on it supports prepared statements in transaction mode.
FROM debian:13-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends pgbouncer \
  && rm -rf /var/lib/apt/lists/*
COPY pgbouncer.ini /etc/pgbouncer/pgbouncer.ini
USER postgres
EXPOSE 6432
# The password comes from the environment, and is stored in the container only.
CMD ["sh", "-c", "printf '\"group_api\" \"%s\"\\n' \"$SERVER_PASSWORD\" > /tmp/userlist.txt && exec pgbouncer /etc/pgbouncer/pgbouncer.ini"]
