# What several *.bats files need; they `load common`.

# lacks WHAT: skip, but not in CI, where nothing may be missing
lacks() {
    [ -z "${CI:-}" ] || return 1
    skip "this machine gives no $1"
}
