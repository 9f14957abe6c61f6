# shellcheck shell=bash
# Fakes that run beside the demo: programs of tests/fakes which play a provider or a phone.

FAKES=$CHECKOUT/tests/fakes
FAKES_OUT=$GROUND/fakes.out

# Start a fake; its output is a log. Usage: fake_start NAME SCRIPT argument...
fake_start() {
    local name=$1
    shift
    : >"$LOG/fake-$name.log"
    start_group setpriv --pdeathsig TERM "$PYTHON" -u "$FAKES/$1" "${@:2}" \
        >>"$LOG/fake-$name.log" 2>&1 </dev/null
}

# Print the first address in a fake's log, once it is there. Usage: fake_url NAME GROUP
fake_url() {
    local tick url
    for ((tick = 0; tick < 100; tick++)); do
        url=$(grep -om1 'http://[^ ]*' "$LOG/fake-$1.log" 2>/dev/null) && { printf '%s' "${url%/}"; return 0; }
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

# Gateways of the database that point at the fakes; without fakes those of an earlier run are disabled.
# Usage: fakes_gateways DATABASE [address of Odoo]
fakes_gateways() {
    local phone=
    [ -z "${2:-}" ] || [ ! -f "$FAKES/smssync_phone.py" ] || phone=1
    (umask 077 && : >"$FAKES_OUT")
    SGH_FAKES_ODOO=${2:-} SGH_FAKE_CLICKATELL=${CLICKATELL_URL:-} SGH_FAKE_PHONE=$phone SGH_FAKES_OUT=$FAKES_OUT \
        odoo_run shell -d "$1" --log-level=warn <"$CHECKOUT/setup/lib/fakes.py"
}

# Before Odoo answers: the fake Clickatell, and the gateways. Usage: fakes_begin DATABASE ADDRESS
fakes_begin() {
    fake_start clickatell clickatell.py --port "$(free_port 8169)"
    CLICKATELL_URL=$(fake_url clickatell "$GROUP") ||
        fail "the fake Clickatell did not start: its log is .ground/log/fake-clickatell.log."
    at_end fakes_forget
    step "gateways at the fakes" fakes_gateways "$1" "$2" || exit 1
}
fakes_forget() { rm -f "$FAKES_OUT"; }

# Once Odoo answers: the phone, which asks it for texts.
fakes_go() {
    local url secret
    read -r _ url secret < <(grep '^PHONE ' "$FAKES_OUT") || return 0
    fake_start phone smssync_phone.py --url "$url" --secret "$secret" --page "$(free_port 8170)"
    PHONE_URL=$(fake_url phone "$GROUP") ||
        fail "the fake phone did not start: its log is .ground/log/fake-phone.log."
}

# Say how to try them.
fakes_tell() {
    say "    $CLICKATELL_URL     Clickatell (fake): what it got; answer there"
    [ -z "${PHONE_URL:-}" ] || say "    $PHONE_URL     Phone with SMSsync (fake): the same"
    say
    say "Try it: Contacts, a contact, Text, Gateway “Clickatell (fake)”, Send. It is delivered in two"
    say "seconds. Then open the fake's address and answer as that person: it appears at the contact."
}
