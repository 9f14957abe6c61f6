# shellcheck shell=bash
# Databases: a template with Odoo's own modules, and copies of it.

# Odoo's modules that text, or that people text from.
CORE_MODULES=${SGH_CORE_MODULES:-contacts,crm,crm_sms,calendar_sms,mass_mailing_sms,base_automation,hr_holidays}

odoo_run() { "$PYTHON" -m odoo "$1" -c "$ODOO_CONF" "${@:2}"; }

# Usage: odoo_install DATABASE argument... (without the warnings that the root user and others' modules cause)
odoo_install() {
    local name=$1
    shift
    odoo_run server -d "$name" --stop-after-init --no-http --max-cron-threads=0 "$@"
}

db_exists() { [ -n "$(pg_psql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = '$1'")" ]; }

# Drop a database with its files. As the cluster's administrator: ending everybody in it may mean autovacuum.
db_drop() {
    rm -f "$STAMPS/db.$1" "$STAMPS/db.$1."*
    ! db_exists "$1" || PG_PSQL_ROLE=$PG_ADMIN pg_psql -d postgres -c "DROP DATABASE \"$1\" WITH (FORCE)"
    rm -rf "$GROUND/data/filestore/$1"
}

# The template: Odoo's modules with demo data, none of ours. Made once for a tree of Odoo.
CORE_DB=sgh_core
core_key() { printf '%s %s %s' "$ODOO_SITE" "$(sha256sum <"$ODOO_SITE/odoo/release.py" | cut -c 1-16)" "$CORE_MODULES"; }
core_find() {
    if ! { stamped "db.$CORE_DB" "$(core_key)" && db_exists "$CORE_DB"; }; then
        step "database with Odoo's modules and demo data" core_make || exit 1
        stamp "db.$CORE_DB" "$(core_key)"
    fi
}
core_make() {
    db_drop "$CORE_DB" &&
        odoo_install "$CORE_DB" -i "$CORE_MODULES" --with-demo --log-level=warn
}

# Usage: core_copy DATABASE
core_copy() {
    db_drop "$1" && odoo_run db duplicate "$CORE_DB" "$1"
}

# Hash of an addon's files, as far as the database holds what they say.
addon_key() {
    local path
    addons_folders | while read -r path; do
        [ -f "$path/$1/__manifest__.py" ] || continue
        cd "$path/$1" && find . -type f -not -path '*/__pycache__/*' -not -path './tests/*' -not -path './readme/*' \
            -print0 | sort -z | xargs -0 sha256sum
    done | sha256sum | cut -c 1-16
}

# Own addons whose files changed since the database saw them. Usage: addons_changed DATABASE
addons_changed() {
    local name
    for name in $(own_addons); do
        stamped "db.$1.$name" "$(addon_key "$name")" || printf '%s\n' "$name"
    done
}
# Usage: addons_seen DATABASE addon...
addons_seen() {
    local database=$1 name
    shift
    for name in "$@"; do stamp "db.$database.$name" "$(addon_key "$name")"; done
}
