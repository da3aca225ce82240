#!/usr/bin/env bats
# What `mitmlab doctor` says, here and on machines that give less. A machine
# that gives none is made by setting the limits of a user namespace to 0, which
# needs no privilege.

load common

closed() { # closed SETTING ARGUMENT...: doctor where that limit is 0
    setting=$1
    shift
    unshare -Ur true || lacks "user namespaces"
    run unshare -Ur sh -c \
        "echo 0 >/proc/sys/user/$setting && exec $MITMLAB doctor $*"
}

@test "doctor says which topologies work, and agrees with its exit code" {
    run "$MITMLAB" doctor
    case $status in
    0) [[ $output == *"loopback bare"* ]] ;;
    4) [[ $output == *"Topologies: bare"* && $output == *"What helps:"* ]] ;;
    *) false ;;
    esac
}

@test "doctor --json is one object with checks, topologies and programs" {
    run "$MITMLAB" doctor --json
    [ "$status" -eq 0 ] || [ "$status" -eq 4 ]
    echo "$output" | python3 -c '
import json, sys
it = json.load(sys.stdin)
assert it["schema"] == 1 and it["ok"] == (sys.argv[1] == "0")
assert "bare" in it["topologies"]
assert {"namespaces", "veth", "capture"} <= {c["name"] for c in it["checks"]}
assert {"curl", "tshark"} <= {p["name"] for p in it["programs"]}
for check in it["checks"]:
    assert check["ok"] or check["detail"], check
' "$status"
}

@test "doctor names the limit that is 0 and the command that lifts it" {
    for setting in max_user_namespaces max_net_namespaces; do
        closed $setting
        [ "$status" -eq 4 ]
        [[ $output == *"user.$setting"* ]]
        [[ $output == *"sudo sysctl -w user.max_user_namespaces="* ]]
        [[ $output == *"Topologies: bare"* ]]
    done
}

@test "doctor --json gives the cause and the fix of what is closed" {
    closed max_user_namespaces --json
    [ "$status" -eq 4 ]
    echo "$output" | python3 -c '
import json, sys
it = json.load(sys.stdin)
assert not it["ok"] and it["topologies"] == ["bare"]
first = it["checks"][0]
assert "max_user_namespaces" in first["cause"] and "sysctl" in first["fix"]
'
}

@test "doctor finds no program on an empty PATH, and does not mind" {
    PATH=/nonexistent run "$MITMLAB" doctor
    [ "$status" -eq 0 ] || [ "$status" -eq 4 ]
    [[ $output == *"curl      not installed"* ]]
}

@test "doctor takes no argument" {
    run "$MITMLAB" doctor lab03
    [ "$status" -eq 2 ]
}
