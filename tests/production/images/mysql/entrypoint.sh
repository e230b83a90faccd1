#!/bin/bash
# The parts of the real image's start that compose.yaml uses: a first run creates the database and
# sources /docker-entrypoint-initdb.d with `docker_process_sql`, before the server listens on TCP.
set -euo pipefail
data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock
common=(--user=mysql --datadir=$data --socket=$socket --pid-file=/run/mysqld/mysqld.pid
    --secure-file-priv=NULL --mysqlx=OFF)

docker_process_sql() { mysql --socket=$socket --user=root "$@"; }

first_run() {
    chown mysql: $data
    mysqld "${common[@]}" --initialize-insecure
    mysqld "${common[@]}" --skip-networking &
    until docker_process_sql -e 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done
    docker_process_sql <<<"CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`"
    for file in /docker-entrypoint-initdb.d/*.sh; do
        # shellcheck source=/dev/null
        if [ -e "$file" ]; then . "$file"; fi
    done
    docker_process_sql <<<"ALTER USER root@localhost IDENTIFIED BY '$(head -c 18 /dev/urandom | base64)'"
    kill %1
    wait %1 || true
}

[ -d $data/mysql ] || first_run
[ "${1:-}" = mysqld ] && shift
exec mysqld "${common[@]}" --skip-name-resolve --bind-address='*' "$@"
