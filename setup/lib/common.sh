# shellcheck shell=bash
# Names, messages, steps, locks and the clean end that every script of setup/ shares.

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
GROUND=$CHECKOUT/.ground
LOG=$GROUND/log
STAMPS=$GROUND/stamps

# Say one line to the person who runs the script.
say() { printf '%s\n' "$*"; }

# Stop with one sentence which says what to do.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Print the comment at the head of the script.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# ----- programs that this script runs ---------------------------------------------------------

# Process groups that the end of the script must end too.
GROUPS_RUNNING=()

# Start a function or a program in the background, in a process group of its own, so that Ctrl-C
# in the terminal reaches only this script, which then ends the group in order. Sets GROUP.
start_group() {
    set -m
    (trap - EXIT INT TERM HUP && "$@") &
    set +m
    GROUP=$!
    GROUPS_RUNNING+=("$GROUP")
}

# Wait for a group; its exit status is the answer.
wait_group() {
    local status=0 group rest=()
    wait "$1" || status=$?
    for group in "${GROUPS_RUNNING[@]}"; do [ "$group" = "$1" ] || rest+=("$group"); done
    GROUPS_RUNNING=("${rest[@]}")
    return "$status"
}

# Ask a group to end (signal in $2), kill what is left of it after $3 seconds.
end_group() {
    local tick
    kill "-${2:-TERM}" -- "-$1" 2>/dev/null || return 0
    for ((tick = 0; tick < ${3:-15} * 10; tick++)); do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}

# Ends all that the script started; other files add to it with `at_end`.
END_ACTIONS=()
at_end() { END_ACTIONS=("$1" "${END_ACTIONS[@]}"); }
end_all() {
    local status=$? group action
    trap '' INT TERM HUP
    for group in "${GROUPS_RUNNING[@]}"; do end_group "$group" "${END_SIGNAL:-TERM}"; done
    for action in "${END_ACTIONS[@]}"; do "$action" || true; done
    return "$status"
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The log file of a step.
step_log() { printf '%s/%s.log' "$LOG" "$(printf '%s' "$1" | tr -cs 'A-Za-z0-9.' '-')"; }

# Run a step with its output in a log file: one line with its seconds, or the end of the log.
# Usage: step "what it does" command [argument...]
step() {
    step_begin "$@"
    step_end "$1" "$GROUP" "$SECONDS"
}

# A step beside others: begins it, its group is in $GROUP. Usage: step_begin "what it does" command [argument...]
step_begin() {
    local file
    file=$(step_log "$1")
    start_group "${@:2}" >"$file" 2>&1 </dev/null
}

# Waits for it and says the same as `step`. Usage: step_end "what it does" GROUP SECONDS-AT-ITS-BEGIN
step_end() {
    local title=$1 start=$3 file status=0
    file=$(step_log "$title")
    wait_group "$2" || status=$?
    if [ "$status" -eq 0 ]; then
        say "$(printf '%-50s %4ss' "$title" $((SECONDS - start)))"
        return 0
    fi
    say "$(printf '%-50s %4ss' "$title: FAILED" $((SECONDS - start)))"
    tail -n "${STEP_LINES:-25}" "$file" >&2
    say "whole log: ${file#"$CHECKOUT"/}" >&2
    return "$status"
}

# ----- stamps and locks -----------------------------------------------------------------------

# True when a stamp holds the given value. A stamp is written only after success, so that an
# interrupted step is done again.
stamped() { [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" >"$STAMPS/$1.new" && mv "$STAMPS/$1.new" "$STAMPS/$1"; }

# Make the folders that everything lives in.
ground_folders() {
    mkdir -p "$LOG" "$STAMPS" 2>/dev/null && [ -w "$GROUND" ] && [ -w "$LOG" ] && [ -w "$STAMPS" ] ||
        fail "$GROUND cannot be written by $(id -un): run this as the user who made it ($(stat -c %U "$GROUND" 2>/dev/null || stat -c %U "$CHECKOUT")), or remove that folder."
}

# Locks are held until the script ends; `detached` keeps them from the programs that stay behind.
LOCK_FDS=()

# Usage: lock NAME [sentence to stop with when another run holds it; without: wait]
lock() {
    local fd
    exec {fd}>>"$GROUND/$1.lock"
    if ! flock --nonblock "$fd"; then
        [ -z "${2:-}" ] || fail "$2"
        say "waiting for another run in this checkout to make the $1"
        flock "$fd"
    fi
    LOCK_FDS+=("$fd")
    LOCK_FD=$fd
}
unlock() { flock --unlock "$1"; }

# Run a program in a session of its own, without the locks of this script.
detached() {
    (
        for fd in "${LOCK_FDS[@]}"; do exec {fd}>&-; done
        exec setsid --wait "$@"
    )
}

# ----- small things ---------------------------------------------------------------------------

# Install Debian packages: as root by apt-get, else stop with the command to run.
# Usage: need_packages "what needs them" package...
need_packages() {
    local reason=$1
    shift
    command -v apt-get >/dev/null || fail "$reason: install it with this system's package manager."
    is_root || fail "$reason: run 'sudo apt-get update && sudo apt-get install --no-install-recommends $*' once, then this again."
    step "apt-get install $*" apt_install "$@" || fail "$reason, and apt-get could not install $*."
}
apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update && apt-get -q install -y --no-install-recommends "$@"
}

# Print a free TCP port on loopback; the preferred one where it is free.
free_port() {
    python3 - "${1:-0}" <<'PY'
import socket
import sys

for port in (int(sys.argv[1]), 0):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(sock.getsockname()[1])
        break
PY
}
