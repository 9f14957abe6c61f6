# shellcheck shell=bash
# Odoo 19: Debian's package unpacked into .ground/odoo, or the tree that ODOO_HOME names.

ODOO_TREE=$GROUND/odoo
ODOO_CONF=$GROUND/odoo.conf
# From sid; and from the machine's own release, as sid's newer ones renamed files that Odoo links to.
ODOO_SID=(odoo-19 libjs-jquery libjs-jquery-form libjs-underscore fonts-roboto-unhinted
    fonts-montserrat fonts-ocr-b)
ODOO_OWN=(fonts-font-awesome fonts-inconsolata)
# The one file that Debian strips and the web client asks for.
SELFIE=@mediapipe/selfie_segmentation@0.1.1675465747
SELFIE_FILE=odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js
ODOO_KEY="${ODOO_SID[*]} ${ODOO_OWN[*]} $SELFIE"
# Folders that hold addons: this repository, and those that SGH_EXTRA_ADDONS names (comma separated).
# setup/test adds the addons that only tests need.
IFS=, read -ra ADDONS_HOMES <<<"$CHECKOUT${SGH_EXTRA_ADDONS:+,$SGH_EXTRA_ADDONS}"

# ODOO_SITE is the folder that holds the Python package `odoo`.
odoo_site() {
    ODOO_SITE=$ODOO_TREE/usr/lib/python3/dist-packages
    [ -n "${ODOO_HOME:-}" ] || return 0
    ODOO_SITE=$(cd "$ODOO_HOME" 2>/dev/null && pwd -P) && [ -d "$ODOO_SITE/odoo/addons/base" ] ||
        fail "ODOO_HOME=$ODOO_HOME is no Odoo source tree: name the folder that holds odoo/ and addons/ of an Odoo 19 checkout."
    grep -qs '^version_info = (19, *0,' "$ODOO_SITE/odoo/release.py" ||
        fail "ODOO_HOME=$ODOO_HOME is not Odoo 19.0: check out its branch 19.0."
}

odoo_find() {
    odoo_site
    [ -n "${ODOO_HOME:-}" ] || { stamped odoo "$ODOO_KEY" && [ -f "$ODOO_SITE/odoo/release.py" ]; } || odoo_unpack
}

odoo_unpack() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        fail "without apt there is no Odoo 19 to download: set ODOO_HOME to an Odoo 19 source tree."
    npm_find
    step "Debian's package lists" odoo_lists ||
        fail "the package list of Debian's sid could not be read: check the machine's apt sources and network, or set ODOO_HOME to an Odoo 19 source tree."
    apt_private show odoo-19 >/dev/null 2>&1 ||
        fail "Debian's sid has no package odoo-19 any more: set ODOO_HOME to an Odoo 19 source tree."
    step "Odoo 19: download (125 MB)" odoo_download ||
        fail "Odoo 19 could not be downloaded: check the network and run this again, or set ODOO_HOME to an Odoo 19 source tree."
    step "Odoo 19: unpack" odoo_extract || exit 1
    stamp odoo "$ODOO_KEY"
}

# apt with a state of its own, so that the machine's is untouched.
# Usage: apt_private command argument...
apt_private() {
    local apt=$GROUND/apt tool=apt-get
    [ "$1" != show ] || tool=apt-cache
    "$tool" -q -oDir::Etc::sourcelist="$apt/sources.list" -oDir::Etc::sourceparts=/dev/null \
        -oDir::State::Lists="$apt/lists" -oDir::Cache="$apt/cache" \
        -oAPT::Sandbox::User="$(id -un)" "$@"
}

odoo_codename() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}"); }

# The mirror that the machine is configured with for its own release.
odoo_mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
        awk -v codename="$(odoo_codename)" '$1 == codename { print $2; exit }'
}

odoo_lists() {
    local apt=$GROUND/apt mirror suite
    mirror=$(odoo_mirror)
    [ -n "$mirror" ] || { echo "no mirror of Debian is configured"; return 1; }
    rm -rf "$apt/lists" "$apt/cache"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs/partial" &&
        for suite in sid "$(odoo_codename)"; do
            printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite"
        done >"$apt/sources.list" &&
        apt_private update -oAPT::Update::Error-Mode=any
}

# apt-get checks what is there and fetches only the rest.
odoo_download() {
    cd "$GROUND/apt/debs" &&
        apt_private download "${ODOO_SID[@]/%//sid}" "${ODOO_OWN[@]/%//$(odoo_codename)}"
}

odoo_extract() {
    local new=$GROUND/odoo.new package deb lost
    rm -rf "$new"
    mkdir "$new" || return 1
    for package in "${ODOO_SID[@]}" "${ODOO_OWN[@]}"; do
        deb=$(find "$GROUND/apt/debs" -name "${package}_*.deb" -printf '%C@ %p\n' | sort -n | tail -n 1)
        dpkg -x "${deb#* }" "$new" || return 1
    done
    lost=$(find "$new" -xtype l)
    [ -z "$lost" ] || { echo "links into packages that are missing: $lost"; return 1; }
    selfie "$new/usr/lib/python3/dist-packages/$SELFIE_FILE" || return 1
    rm -rf "$ODOO_TREE"
    mv "$new" "$ODOO_TREE" && rm -rf "$GROUND/npm" "$GROUND/apt/debs"
}

# Usage: selfie TARGET
selfie() {
    local folder=$GROUND/npm
    rm -rf "$folder"
    mkdir -p "$folder" "$(dirname "$1")" && cd "$folder" && npm pack --silent "$SELFIE" &&
        tar -xzOf ./*.tgz package/selfie_segmentation.js >"$1.new" && mv "$1.new" "$1"
}

# Those of the folders in which there are addons.
addons_folders() {
    local path
    for path in "${ADDONS_HOMES[@]}"; do
        ! compgen -G "$path/*/__manifest__.py" >/dev/null || printf '%s\n' "$path"
    done
}

# The folder of Odoo's own addons. Debian's tree holds them twice; Odoo itself finds those in odoo/addons.
core_addons() {
    if [ -d "$ODOO_SITE/odoo/addons/sms" ]; then
        printf '%s\n' "$ODOO_SITE/odoo/addons"
    else
        printf '%s\n' "$ODOO_SITE/addons"
    fi
}

# Everything that Odoo's option addons_path needs.
addons_path() { { core_addons; addons_folders; } | paste -sd ,; }

# Names of all addons in these folders, one per line; without Odoo's own.
own_addons() {
    local path manifest
    addons_folders | while read -r path; do
        for manifest in "$path"/*/__manifest__.py; do basename "$(dirname "$manifest")"; done
    done
}
# The same, without those that only tests need.
repo_addons() {
    local name
    for name in $(own_addons); do [ -d "$TEST_ADDONS/$name" ] || printf '%s\n' "$name"; done
}
TEST_ADDONS=$CHECKOUT/tests/addons

# Write Odoo's configuration, in one move and only when it changed. Without a limit of memory, as a
# browser that a test starts would inherit it, and crash.
odoo_config() {
    mkdir -p "$GROUND/data"
    (umask 077 && cat >"$ODOO_CONF.new") <<CONF
[options]
addons_path = $(addons_path)
data_dir = $GROUND/data
db_host = 127.0.0.1
db_port = $(pg_port)
db_user = $PG_ROLE
db_password = $(pg_secret)
http_interface = 127.0.0.1
list_db = False
limit_memory_hard = 0
CONF
    if cmp -s "$ODOO_CONF.new" "$ODOO_CONF"; then
        rm "$ODOO_CONF.new"
    else
        mv "$ODOO_CONF.new" "$ODOO_CONF"
    fi
}
