# shellcheck shell=bash
# A private PostgreSQL cluster in .ground/pg, reached on loopback with a password.
#
# TCP and not a socket file: the path of a socket may have 107 bytes, that of a checkout more.
# Every script that needs the cluster holds a shared lock on pg.users; the last one that leaves
# stops the cluster, unless `setup/pg start` asked to keep it.

PG_HOME=$GROUND/pg
PG_DATA=$PG_HOME/data
PG_ROLE=odoo
PG_ADMIN=sgh_admin

# Newest server programs on the machine.
pg_find() {
    local initdb
    initdb=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name initdb 2>/dev/null | sort -V | tail -n 1)
    PG_BIN=${initdb%/initdb}
    PG_VERSION=$(basename "$(dirname "${PG_BIN:-//}")")
    [ -n "$PG_BIN" ]
}

# PostgreSQL refuses root: then another user runs it. PG_AS is the command prefix.
pg_user() {
    local user=nobody
    PG_AS=()
    mkdir -p "$PG_HOME"
    is_root || return 0
    ! id -u postgres >/dev/null 2>&1 || user=postgres
    PG_AS=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
    [ "$(stat -c %U "$PG_HOME")" = "$user" ] || chown -R "$user" "$PG_HOME"
    if ! pg_reaches; then
        # A folder above the checkout is closed to that user.
        PG_AS+=(--inh-caps=+dac_override --ambient-caps=+dac_override)
        pg_reaches ||
            fail "PostgreSQL refuses to run as root and the user $user cannot reach $PG_HOME: move the checkout to a folder that $user can enter, or run this as an ordinary user."
    fi
}

# True when the cluster's user can write in its folder. By doing it: `test -w` ignores capabilities.
pg_reaches() {
    (cd / && "${PG_AS[@]}" sh -c ': >"$1/probe" && rm "$1/probe"' sh "$PG_HOME") 2>/dev/null
}

# Run a server program as the cluster's user, away from the caller's folder and settings.
pg_run() {
    (cd / && detached env -u PGDATA -u PGHOST -u PGPORT -u PGUSER -u PGPASSWORD LC_ALL=C.UTF-8 "${PG_AS[@]}" "$@")
}

pg_port() { cat "$GROUND/pg.port" 2>/dev/null; }
pg_secret() { cat "$GROUND/pg.secret" 2>/dev/null; }

# Usage: [PG_PSQL_ROLE=role] pg_psql argument...
pg_psql() {
    PGPASSWORD=$(pg_secret) "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$(pg_port)" -U "${PG_PSQL_ROLE:-$PG_ROLE}" "$@"
}

# True when the cluster of this checkout runs.
pg_running() {
    local pid
    pid=$(head -n 1 "$PG_DATA/postmaster.pid" 2>/dev/null) &&
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$PG_DATA"
}

pg_create() {
    if [ -f "$PG_DATA/PG_VERSION" ] && [ -f "$STAMPS/pg" ]; then
        stamped pg "$PG_VERSION" && return 0
        fail "the cluster in $PG_HOME was made by PostgreSQL $(cat "$STAMPS/pg") and this is $PG_VERSION: remove $PG_HOME to start with a new one."
    fi
    # What an interrupted run left.
    ! pg_running || pg_halt
    find "$PG_HOME" -mindepth 1 -delete &&
        (umask 077 && head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$GROUND/pg.secret") &&
        pg_run sh -c 'umask 077 && cat >"$1"' sh "$PG_HOME/password" <"$GROUND/pg.secret" &&
        pg_run "$PG_BIN/initdb" -D "$PG_DATA" -U "$PG_ADMIN" --pwfile="$PG_HOME/password" \
            --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 &&
        pg_run rm "$PG_HOME/password" &&
        pg_run sh -c 'cat >>"$1"' sh "$PG_DATA/postgresql.conf" <<'CONF' &&
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
log_min_messages = warning
CONF
        pg_boot &&
        PG_PSQL_ROLE=$PG_ADMIN pg_psql -d postgres -c \
            "CREATE ROLE $PG_ROLE LOGIN CREATEDB PASSWORD '$(pg_secret)'" &&
        # Databases made by an earlier cluster are gone.
        rm -rf "$STAMPS"/db.* "$GROUND/data/filestore" &&
        stamp pg "$PG_VERSION"
}

# Start the cluster, on the port that it had before where that is free.
pg_boot() {
    free_port "$(pg_port || echo 0)" >"$GROUND/pg.port.new" &&
        mv "$GROUND/pg.port.new" "$GROUND/pg.port" &&
        pg_run "$PG_BIN/pg_ctl" start -w -t 60 -D "$PG_DATA" -l "$PG_HOME/log" -o "-p $(pg_port)"
}

pg_halt() { pg_run "$PG_BIN/pg_ctl" stop -w -m fast -D "$PG_DATA"; }

pg_up() { pg_create && { pg_running || pg_boot; }; }

# Bring the cluster up and hold it; `pg_leave` gives it back at the end of the script.
pg_hold() {
    pg_user
    exec {PG_FD}>>"$GROUND/pg.users"
    flock --shared "$PG_FD"
    LOCK_FDS+=("$PG_FD")
    at_end pg_leave
    { pg_running && stamped pg "$PG_VERSION"; } || step "PostgreSQL" pg_up || exit 1
}

# Stop the cluster when nobody else holds it.
pg_leave() {
    if [ ! -e "$GROUND/pg.keep" ] && flock --nonblock --exclusive "$PG_FD" && pg_running; then
        pg_halt >"$LOG/PostgreSQL-stop.log" 2>&1
    fi
}
