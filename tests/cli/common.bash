# What several *.bats files need; they `load common`.

# lacks WHAT: skip, but not in CI, where nothing may be missing
lacks() {
    [ -z "${CI:-}" ] || return 1
    skip "this machine gives no $1"
}

# What a test began, in $started, does not outlive it.
teardown() {
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

# wait_for FILE TEXT
wait_for() {
    for _ in $(seq 200); do
        grep -q -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
    done
    cat "$1"
    return 1
}

# in_background FILE COMMAND...: its events go to FILE; waits for `ready`.
in_background() {
    local file=$1
    shift
    : >"$file"
    "$@" >"$file" 2>"$file.err" &
    started+=($!)
    wait_for "$file" '"kind":"ready"' || {
        cat "$file.err"
        return 1
    }
}

# port_of FILE [N]: the Nth port that `ready` tells, from 1
port_of() {
    sed -n '1s/.*"listen":\[\([^]]*\)\].*/\1/p' "$1" | cut -d, -f"${2:-1}" |
        sed 's/.*:\([0-9]*\)"/\1/'
}
