# shellcheck shell=bash
# What Odoo's tests and demo stand on; sourced by the scripts of this folder.
# All of it lives in .ground/: Odoo's tree, a virtual environment, a PostgreSQL cluster, logs.

set -euo pipefail
# Settings of other Odoos and clusters stay out.
unset ODOO_RC OPENERP_SERVER PGDATA PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PYTHONPATH PYTHONHOME
# shellcheck source=setup/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
for part in python odoo postgres database; do
    # shellcheck source=/dev/null
    . "$CHECKOUT/setup/lib/$part.sh"
done

# Bring everything up: PYTHON, ODOO_CONF, and a running cluster that is held until the script ends.
ground() {
    local lock
    ground_folders
    lock ground
    lock=$LOCK_FD
    python_find
    pg_find || { need_packages "PostgreSQL's server programs are missing" postgresql && pg_find; } ||
        fail "PostgreSQL's server programs are not in /usr/lib/postgresql."
    odoo_find
    venv_find
    pg_hold
    odoo_config
    unlock "$lock"
    ground_export
}

# What tests that start their own servers may use.
ground_export() {
    export SGH_CHECKOUT=$CHECKOUT SGH_PYTHON=$PYTHON SGH_ODOO_CONF=$ODOO_CONF SGH_ADDONS_PATH SGH_ADDONS
    export PGHOST=127.0.0.1 PGUSER=$PG_ROLE PGPORT PGPASSWORD
    SGH_ADDONS_PATH=$(addons_path)
    SGH_ADDONS=$(own_addons | paste -sd ,)
    PGPORT=$(pg_port)
    PGPASSWORD=$(pg_secret)
}
