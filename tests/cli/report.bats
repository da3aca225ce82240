#!/usr/bin/env bats
# `mitmlab report DIR`: what it prints, what it writes, and what it says about
# folders that are not as a run leaves them.

setup() {
    run="$BATS_TEST_TMPDIR/run"
    cp -r "$BATS_TEST_DIRNAME/../labs/report_fixture/lab03" "$run"
    capture 1 >"$run/capture.pcapng"
}

capture() { # capture PACKETS: a small pcapng on stdout
    python3 - "$1" <<'PY'
import struct, sys
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size
out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
out += block(1, struct.pack("<HHI", 1, 0, 0))
for i in range(int(sys.argv[1])):
    out += block(6, struct.pack("<IIIII", 0, 0, i, 60, 60) + bytes(60))
sys.stdout.buffer.write(out)
PY
}

@test "report prints the verdict and the ladder, and writes three files" {
    run env LC_ALL=C.UTF-8 COLUMNS=80 "$MITMLAB" report "$run"
    [ "$status" -eq 0 ]
    [[ $output == *"Goal not reached, 7 of 9 points"* ]]
    [[ $output == *"[changed] POST /transfer"* ]]
    for file in report.html report.md flows.har; do
        [ "$(stat -c %a "$run/$file")" = 600 ]
    done
    [ -z "$(find "$run" -name '.*.*')" ]
}

@test "report stays within ASCII in the C locale and within 40 columns" {
    LC_ALL=C COLUMNS=40 "$MITMLAB" report "$run" 2>/dev/null >"$run/out"
    ! LC_ALL=C grep -q '[^ -~]' "$run/out"
    # A display filter is one word to copy; it alone may be longer.
    ! grep -vE '^    ' "$run/out" | grep -qE '^.{41}'
}

@test "report --text prints all of the report, to whatever reads it" {
    run env LC_ALL=C "$MITMLAB" report "$run" --text
    [ "$status" -eq 0 ]
    [[ $output == *"# The page that lied"* ]]
    [[ $output == *"70 61 79 65 65 3d"* ]]
}

@test "report --json is one object on stdout" {
    "$MITMLAB" report "$run" --json 2>/dev/null | python3 -c '
import json, sys
it = json.load(sys.stdin)
assert it["lab"] == "lab03" and it["status"] == "failed"
assert it["score"] == {"got": 7, "max": 9}
assert it["whole"] is True and it["problems"] == []
assert it["files"] == ["report.html", "report.md", "flows.har"]'
}

@test "a capture that ends inside a block is cut back, and exit 3 says so" {
    capture 3 | head -c -5 >"$run/capture.pcapng"
    run "$MITMLAB" report "$run"
    [ "$status" -eq 3 ]
    [[ $output == *"ended in the middle of a block"* ]]
    # The second time there is nothing left to cut.
    run "$MITMLAB" report "$run"
    [ "$status" -eq 0 ]
    if command -v capinfos; then
        capinfos -c "$run/capture.pcapng" | grep -q 'Number of packets: *2$'
    fi
}

@test "an interrupted run is reported as such, with exit 3" {
    sed -i 's/"status": "failed", "score"/"status": "interrupted", "score"/;
        0,/"status": "failed"/s//"status": "interrupted"/' "$run/result.json"
    run "$MITMLAB" report "$run"
    [ "$status" -eq 3 ]
    [[ $output == *"Interrupted"* ]]
    grep -q "This report is not complete" "$run/report.html"
}

@test "a folder without result.json is exit 2 and one sentence" {
    rm "$run/result.json"
    run "$MITMLAB" report "$run"
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"result.json"* ]]
    [ ! -e "$run/report.html" ]
}

@test "no folder, no such folder and a file are exit 2" {
    for argument in "" "$run/nowhere" "$run/result.json"; do
        run "$MITMLAB" report $argument
        [ "$status" -eq 2 ]
        [ "${#lines[@]}" -eq 1 ]
    done
}

@test "a folder that cannot be written keeps its old report" {
    "$MITMLAB" report "$run" >/dev/null 2>&1
    before=$(sha256sum <"$run/report.html")
    [ "$(id -u)" -ne 0 ] || skip "root may write everywhere"
    chmod 500 "$run"
    run "$MITMLAB" report "$run"
    chmod 700 "$run"
    [ "$status" -eq 4 ]
    [ "$before" = "$(sha256sum <"$run/report.html")" ]
}
