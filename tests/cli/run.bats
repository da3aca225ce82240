#!/usr/bin/env bats
# Labs from the command line: list, info, hint, help and run. What a lab needs
# of the machine is not tested here: the fixture lab runs bare.

FIXTURE="$BATS_TEST_DIRNAME/../labs/fixture/90-a-small-lab"

load common

setup() {
    cd "$BATS_TEST_TMPDIR"
}

teardown() { # a test that fails leaves nothing that runs on
    [ -z "${runner:-}" ] || kill -KILL "$runner" 2>/dev/null || true
}

run_bare() { # run_bare ARGUMENT...: the fixture, into ./out
    run "$MITMLAB" run "$FIXTURE" --bare --seed 7 --out out "$@"
}

member() { # member PATH: of out/result.json, as Python sees it
    python3 -c "
import json, sys
it = json.load(open('out/result.json'))
print(it$1)"
}

@test "mitmlab alone says where the trainee stands and what comes next" {
    run "$MITMLAB"
    [ "$status" -eq 0 ]
    [[ $output == *"passed 0 of"* && $output == *"mitmlab run lab01"* ]]
}

@test "list --json names id, title and topologies" {
    "$MITMLAB" list --json | python3 -c '
import json, sys
labs = json.load(sys.stdin)["labs"]
assert labs[0]["id"] == "lab01" and labs[0]["title"]
assert all(isinstance(lab["topology"], list) for lab in labs)'
}

@test "a lab is found by id, number, name and path; others get an offer" {
    for name in lab03 3 03 03-the-page-that-lied the-page-that-lied; do
        "$MITMLAB" info "$name" | grep -q "The page that lied"
    done
    "$MITMLAB" info "$FIXTURE" | grep -q "A small lab"
    run "$MITMLAB" info lab3
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean lab03?"* ]]
    run "$MITMLAB" info
    [ "$status" -eq 2 ]
}

@test "a mistake in a lab file is exit 5 with its line" {
    cp -r "$FIXTURE" broken
    sed -i 's/minutes  =/minuts =/' broken/lab.lua
    run "$MITMLAB" info ./broken
    [ "$status" -eq 5 ]
    [[ $output == *'lab.lua:6: no key "minuts" (did you mean minutes?)'* ]]
    sed -i 's/minuts =.*/minutes = (function() while true do end end)(),/' \
        broken/lab.lua
    run "$MITMLAB" run ./broken --no-input
    [ "$status" -eq 5 ]
    [[ $output == *"lab.lua:6: it computes too long"* ]]
}

@test "a heading that the guide lacks is a mistake of the lab" {
    cp -r "$FIXTURE" broken
    sed -i 's/^## A visit/## A call/' broken/README.md
    run "$MITMLAB" info ./broken
    [ "$status" -eq 5 ]
    [[ $output == *'no heading "A visit"'* ]]
}

@test "help has topics: every word of a lab file, events, exit codes" {
    "$MITMLAB" help lab | grep -q "attacker_reads"
    "$MITMLAB" help lab | grep -q "canary.mule"
    "$MITMLAB" help events | grep -q "tls.verdict"
    "$MITMLAB" help exit-codes | grep -q "^124"
    run "$MITMLAB" help evens
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean events?"* ]]
}

@test "help, versions and standing are there for machines, too" {
    "$MITMLAB" help --json | python3 -c '
import json, sys
it = json.load(sys.stdin)
assert {"run", "report", "doctor"} <= {row["name"] for row in it["commands"]}
assert "feed" not in {row["name"] for row in it["commands"]}
assert "exit-codes" in {row["name"] for row in it["topics"]}'
    "$MITMLAB" --version --json | python3 -c '
import json, sys
assert {"mitmlab", "openssl", "libuv", "libpcap", "lua", "jansson"} <= set(
    json.load(sys.stdin))'
    "$MITMLAB" --version | grep -q "^openssl  3"
    "$MITMLAB" --json | python3 -c '
import json, sys
assert json.load(sys.stdin)["next"] == "lab01"'
}

@test "no line is wider than the terminal" {
    for columns in 40 80 200; do
        for words in list "info lab03" "help" "help exit-codes" "hint lab03 1 3" \
            "help lab" "help proxy" "help ways" "help rules" "help filter" \
            "help script" "help events" "help replay"; do
            COLUMNS=$columns "$MITMLAB" $words | LC_ALL=C.UTF-8 awk \
                -v most=$columns 'length > most { print; bad = 1 }
                                  END { exit bad }'
        done
    done
}

@test "at 40 columns code stays code, and what is in two columns comes apart" {
    output=$(COLUMNS=40 "$MITMLAB" help script)
    [[ $output == *"
      flow.body =
          flow.body:gsub("* ]]
    [[ $output == *"
  flow.request_headers
      those of the request"* ]]
    output=$(COLUMNS=80 "$MITMLAB" help script)
    [[ $output == *"
  flow.request_headers  those of the request"* ]]
    output=$(COLUMNS=40 "$MITMLAB" help events)
    [[ $output == *"
          listed|refused|listener|
          no-signer, rule: "* ]]
}

@test "in the C locale nothing but ASCII is printed, and no escape" {
    LC_ALL=C "$MITMLAB" info lab03 >out.txt
    run grep -nP '[^\x20-\x7e]' out.txt
    [ "$status" -eq 1 ]
}

@test "hints come in grades" {
    run "$MITMLAB" hint "$FIXTURE" 1 2
    [ "$status" -eq 0 ]
    [[ $output == *"hint 2: It means OK."* && $output != *"200"* ]]
    run "$MITMLAB" hint "$FIXTURE" 9
    [ "$status" -eq 2 ]
}

@test "the solution passes and leaves a whole folder" {
    run_bare --no-input
    [ "$status" -eq 0 ]
    for file in result.json events.jsonl capture.pcapng keys.log transcript.txt \
        report.md report.html flows.har guide.md certs/step1-closed-own.pem; do
        [ -s "out/$file" ]
    done
    [ ! -e out/places ]
    [ "$(member '["status"]')" = passed ]
    [ "$(member '["score"]')" = "{'got': 3, 'max': 3}" ]
    [ "$(stat -c %a out)" = 700 ]
    run find out -perm /077
    [ -z "$output" ]
}

@test "a wrong play is exit 1, and the end says why" {
    run_bare --play wrong
    [ "$status" -eq 1 ]
    [ "$(member '["status"]')" = failed ]
    [[ "$(member '["reason"]')" == "2 of 2 questions were not answered"* ]]
    [[ $output == *"2 of 2 questions were not answered rightly"* ]]
}

@test "one wrong answer is told as one" {
    run python3 "$BATS_TEST_DIRNAME/person.py" "$MITMLAB" run "$FIXTURE" \
        --bare --seed 7 --out out -- 'Does the bank' 1 'Which status' 201 \
        'Try again' 202 'Try again' 203 'In which frame' 4
    [ "$status" -eq 1 ]
    [[ "$(member '["reason"]')" == "1 of 2 questions was not answered"* ]]
}

@test "a step that goes wrong is the reason, not the trainee" {
    cp -r "$FIXTURE" broken
    sed -i 's/open = { exit = 0, status = 200/open = { exit = 0, status = 404/' \
        broken/lab.lua
    run "$MITMLAB" run ./broken --bare --no-input --out out
    [ "$status" -eq 1 ]
    [[ "$(member '["reason"]')" == *"In step 1"*"HTTP status of the answer: 404"*"no fault of yours"* ]]
}

@test "the end has the rest of the guide, and commands to look with" {
    run_bare --no-input
    [[ $output == *"Afterwards"*"Nothing."*"Goal reached."* ]]
    [[ $output == *"  wireshark -r out/capture.pcapng -Y '"* ]]
    [[ $output == *"  tshark -V -r out/capture.pcapng -Y '"* ]]
}

@test "what happened is told in the order of the wire" {
    "$MITMLAB" run lab01 --bare --no-input --out out >talk
    for step in 1 2; do
        awk -v want=$step '/^\[[12]\/2\]/ { at++ } at == want' talk |
            grep -o '\[frame [0-9]*\]$' | grep -o '[0-9]*' >frames
        [ -s frames ]
        sort -nc frames
    done
}

@test "40 columns are enough for all but commands that are to be copied" {
    COLUMNS=40 "$MITMLAB" run "$FIXTURE" --bare --no-input --out out >talk
    run grep -vE '^  (wireshark|tshark) |^.{0,40}$' talk
    [ -z "$output" ]
}

@test "with --bare a listener finds the capture behind a relative --out" {
    "$MITMLAB" run lab01 --bare --no-input --out out
}

@test "the same seed gives the same names, another one others" {
    run_bare --no-input
    grep -o "user [a-z0-9]* " out/transcript.txt >one
    run_bare --no-input
    grep -o "user [a-z0-9]* " out/transcript.txt >two
    cmp one two
    "$MITMLAB" run "$FIXTURE" --bare --student ada --out out --no-input
    run grep -qf one out/transcript.txt
    [ "$status" -eq 1 ]
    [ "$(member '["student"]')" = ada ]
}

@test "predictions are sealed one upon the other" {
    run_bare --no-input
    python3 -c '
import hashlib, json
it = json.load(open("out/result.json"))
seal = ""
for step in it["steps"]:
    for entry in step["predictions"]:
        told = {k: entry[k] for k in ("question", "choices", "given", "t")}
        text = json.dumps(told, separators=(",", ":"), sort_keys=True,
                          ensure_ascii=False)
        seal = hashlib.sha256((seal + text).encode()).hexdigest()
        assert seal == entry["sha256"], entry
assert seal == it["seal"]'
}

@test "--json prints the result alone; talk goes to stderr" {
    "$MITMLAB" run "$FIXTURE" --bare --no-input --json --out out 2>talk |
        python3 -c 'import json, sys; assert json.load(sys.stdin)["schema"] == 1'
    grep -q "What held" talk
}

@test "what cannot be is refused before anything is made" {
    for words in "--no-input --topology hub:4" "--no-input --pause:2" \
        "--no-input --topology switch --bare:2" "--play maybe:2" \
        "--no-input --seed 1 --student x:2" "--no-input --seed -1:2" \
        "--no-input --timeout 0:2" "--no-input --timeout -1:2" \
        "--no-input --student=:2" ":2"; do
        run "$MITMLAB" run "$FIXTURE" --out out ${words%:*} </dev/null
        [ "$status" -eq "${words##*:}" ]
        [ ! -e out ]
    done
    run "$MITMLAB" run lab03 --bare --no-input --out out
    [ "$status" -eq 4 ]
    [ ! -e out ]
}

@test "a folder that is no run folder is not replaced" {
    mkdir out
    echo mine >out/thesis.txt
    run_bare --no-input
    [ "$status" -eq 2 ]
    [ "$(cat out/thesis.txt)" = mine ]
}

@test "a machine without namespaces is told about --bare" {
    unshare -Ur true || lacks "user namespaces"
    run unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces
        exec $MITMLAB run $FIXTURE --no-input --out out"
    [ "$status" -eq 4 ]
    [[ $output == *"--bare"* ]]
    [ "$(member '["status"]')" = error ]
    run unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces
        exec $MITMLAB run $FIXTURE --bare --no-input --out out"
    [ "$status" -eq 0 ]
}

@test "a person is asked, and may err and ask for hints" {
    python3 "$BATS_TEST_DIRNAME/person.py" "$MITMLAB" run "$FIXTURE" --bare \
        --seed 7 --out out -- 'Does the bank answer' maybe '1 to 2' 1 \
        'Which status' 201 'Try again' '?' 'A number' 200 \
        'In which frame' 4
    [ "$(member '["status"]')" = passed ]
    [ "$(member '["questions"][0]["tries"]')" = 2 ]
    [ "$(member '["questions"][0]["hints"]')" = 1 ]
    [ "$(member '["play"]')" = trainee ]
}

@test "a person may leave in the middle" {
    run python3 "$BATS_TEST_DIRNAME/person.py" "$MITMLAB" run "$FIXTURE" --bare \
        --out out -- 'Does the bank answer' END
    [ "$status" -eq 130 ]
    [ "$(member '["status"]')" = interrupted ]
}

@test "a run that was killed counts as begun" {
    mkdir -p mitmlab-runs/lab90-x
    echo '{"schema":1,"lab":"lab90","status":"interrupted","play":"trainee"}' \
        >mitmlab-runs/lab90-x/result.json
    MITMLAB_LABS=$(dirname "$FIXTURE") run "$MITMLAB" list
    [[ $output == *"(begun)"* ]]
}

@test "progress is read from the runs of a person" {
    python3 "$BATS_TEST_DIRNAME/person.py" "$MITMLAB" run "$FIXTURE" --bare \
        --seed 7 -- 'Does the bank' 1 'Which status' 200 'In which frame' 4
    MITMLAB_LABS=$(dirname "$FIXTURE") run "$MITMLAB" list
    [[ $output == *"(passed 3/3)"* ]]
    MITMLAB_LABS=$(dirname "$FIXTURE") run "$MITMLAB"
    [[ $output == *"passed 1 of 1"* ]]
}

person() { # person ARGUMENT... -- WORDS LINE ...: see person.py
    run python3 "$BATS_TEST_DIRNAME/person.py" "$MITMLAB" run "$@"
}

# A stopped server accepts, because its kernel does, and says nothing.
STOP='!kill -STOP $(pgrep -P $PID -x bank-server)'

@test "the time of --timeout ends a run with 124" {
    person "$FIXTURE" --bare --timeout 4 --out out -- \
        'Does the bank' "$STOP" 'Does the bank' 1
    [ "$status" -eq 124 ]
    [ "$(member '["status"]')" = interrupted ]
    person "$FIXTURE" --bare --timeout 1 --out out -- # asked, and silent
    [ "$status" -eq 124 ]
}

strike() { # strike SIGNAL: hit the proxy of lab14 while the victim waits
    person lab14 --bare --out out -- 'talk to it' "$STOP" 'talk to it' \
        "!(until p=\$(pgrep -P \$PID -f 'mitmlab proxy'); do
            kill -0 \$PID || exit; sleep 0.05; done
           sleep 1; kill -$1 \$p) >/dev/null 2>&1 &" 'talk to it' 2
    [ "$status" -eq 7 ]
    [ "$(member '["status"]')" = error ]
}

@test "a proxy that crashes is an error, not a result" {
    strike KILL
    [[ "$(member '["reason"]')" == *"the proxy crashed"*"code 137"* ]]
}

@test "a proxy that hangs is an error, not a result" {
    strike STOP
    [[ "$(member '["reason"]')" == *"the proxy crashed"*"no longer answers"* ]]
}

LESSONS="$BATS_TEST_DIRNAME/../../labs"

hang() { # hang LAB PLACE ARGUMENT...: run LAB with an act that never ends
    lab=$1 place=$2
    shift 2
    rm -rf hang
    cp -r "$lab" hang
    sed -i "$place"' { "mitmlab", as = "hang", at = "victim", \
        args = { "proxy", "--listen", "127.0.0.1:0", \
                 "--upstream", "http://127.0.0.1:9" } },' hang/lab.lua
    "$MITMLAB" run ./hang --bare --no-input --out out "$@" >/dev/null 3>&- &
    runner=$!
    until pgrep -P $runner -f 'http://127.0.0.1:9$' >/dev/null; do
        kill -0 $runner && sleep 0.01 || return 1
    done
}

finish() { # finish SIGNAL...: hit the run that hangs; $status, $took in ms
    started=$(date +%s%N)
    for signal in "$@"; do
        kill -"$signal" $runner
        sleep 0.05 # two signals at once are one
    done
    status=0
    wait $runner || status=$?
    took=$((($(date +%s%N) - started) / 1000000))
}

@test "SIGINT lets the step end for 2 s, a second one is immediate" {
    hang "$FIXTURE" '/as = "closed"/i'
    bank=$(pgrep -P $runner -x bank-server)
    finish INT
    once=$took
    [ "$status" -eq 130 ]
    [ "$once" -ge 2000 ]
    [ "$(member '["status"]')" = interrupted ]
    [ "$(member '["reason"]')" = "Ended by SIGINT (Ctrl-C)." ]
    [ -s out/report.html ]
    for _ in $(seq 100); do # its death is asked for by the kernel
        [ -e "/proc/$bank/exe" ] || break
        sleep 0.02
    done
    [ ! -e "/proc/$bank/exe" ]
    rm -r out
    hang "$FIXTURE" '/as = "closed"/i'
    finish INT INT
    [ "$status" -eq 130 ]
    [ "$took" -lt "$once" ]
}

@test "SIGTERM lets the step end, and says interrupted" {
    hang "$FIXTURE" '/as = "closed"/i'
    finish TERM
    [ "$status" -eq 143 ]
    [ "$(member '["status"]')" = interrupted ]
    [ -s out/report.html ]
}

in_small_disk() { # in_small_disk SCRIPT: with 2 MiB at ./disk
    unshare -Urm true || lacks "user namespaces"
    mkdir -p disk
    unshare -Urm sh -c "mount -t tmpfs -o size=2m tmpfs disk || exit 99
        $1"
}

@test "a disk that fills up leaves a run with a report, and exit 3" {
    cp -r "$FIXTURE" big
    sed -i '/https-client", as = "closed"/i \
        { "https-client", as = "big", at = "victim", \
          post = "http://bank.lab.test/", body = ("x"):rep(65000) },' \
        big/lab.lua
    run in_small_disk "head -c 960000 /dev/zero >disk/fill
        $MITMLAB run ./big --bare --no-input --seed 7 --out disk/out
        status=\$?
        cp -r disk/out out
        exit \$status"
    [ "$status" -eq 3 ]
    [[ $output == *"capture incomplete after packet"*"(disk full)"* ]]
    [ "$(member '["status"]')" = partial ]
    [ "$(member '["capture"]["complete"]')" = False ]
    [ "$(member '["steps"][0]["acts"][2]["exit"]')" = 0 ]
    for file in report.html report.md flows.har events.jsonl capture.pcapng; do
        [ -s "out/$file" ]
    done
}

@test "a disk without room for a run is exit 4 before anything is made" {
    run in_small_disk "cat /dev/zero >disk/fill 2>/dev/null
        $MITMLAB run $FIXTURE --bare --no-input --out disk/out
        status=\$?; ls disk; exit \$status"
    [ "$status" -eq 4 ]
    [[ $output == *"no room for a run"* && $output != *"out"$'\n'* ]]
}

@test "a limit on the size of files is no crash" {
    ulimit -f 1
    run_bare --no-input
    [ "$status" -eq 3 ] || [ "$status" -eq 4 ]
    [[ $output == *"too large"* ]]
}

@test "a folder that is a mount point is filled, and filled again" {
    run in_small_disk "mount -o remount,size=8m disk
        for i in 1 2; do
            $MITMLAB run $FIXTURE --bare --no-input --out disk || exit
            [ ! -e disk/.run ] && [ ! -e disk/old ] || exit 98
            touch disk/old
        done"
    [ "$status" -eq 0 ]
}

@test "what is read as a path at a place may be given relatively" {
    run "$MITMLAB" run lab01 --bare --no-input --out here
    [ "$status" -eq 0 ]
}

@test "two runs do not write to one folder, and do not disturb each other" {
    hang "$FIXTURE" '/as = "closed"/i'
    run_bare --no-input
    [ "$status" -eq 4 ]
    [[ $output == *"another run is writing to out"* ]]
    "$MITMLAB" run "$FIXTURE" --bare --no-input --seed 7 --out out2 >/dev/null
    kill -0 $runner
    finish INT INT
    [ "$(member '["status"]')" = interrupted ]
}

@test "a run that is interrupted leaves the folder that it would replace" {
    run_bare --no-input
    echo mark >>out/transcript.txt
    hang "$FIXTURE" '/as = "closed"/i'
    finish KILL
    grep -q mark out/transcript.txt
    [ "$(member '["status"]')" = passed ]
}

@test "a run that is killed can be reported, with what had happened" {
    hang "$LESSONS"/13-* '/as = "selfsigned"/i'
    finish KILL
    [ "$(member '["status"]')" = interrupted ]
    run "$MITMLAB" report out
    [ "$status" -eq 3 ]
    [[ $output == *"Interrupted."* && $output == *"200 OK"* ]]
    grep -q '"frame":' out/events.jsonl
    [ ! -e out/places ]
}

@test "a capture that is to stay closed does so after a kill" {
    cp -r "$FIXTURE" closed
    sed -i 's/bare     = true,/& secrets = "after",/' closed/lab.lua
    hang closed '/https:..bank/a'
    [ -s out/keys.log ]
    finish KILL
    run "$MITMLAB" report out
    [ "$status" -eq 3 ]
    key=$(head -n 1 out/keys.log | cut -d" " -f2)
    ! grep -qaF "$key" out/capture.pcapng || false
}

@test "a report on a run that goes on leaves its capture alone" {
    hang "$FIXTURE" '/as = "closed"/i'
    run "$MITMLAB" report out
    [ "$status" -eq 3 ]
    [[ $output == *"a run is still writing to this folder"* ]]
    kill -0 $runner
    finish INT INT
    [ "$(member '["status"]')" = interrupted ]
}

@test "no seed draws an address for two" {
    for seed in 14 16 27; do # these did
        run "$MITMLAB" run lab13 --bare --no-input --seed $seed --out out
        [ "$status" -eq 0 ]
    done
}

@test "a refusal is told in the words of mitmlab explain" {
    run "$MITMLAB" run lab17 --bare --no-input --seed 7 --out out
    [ "$status" -eq 0 ]
    told=$(tr '\n' ' ' <<< "$output" | tr -s ' ')
    for way in "alert in the handshake" "abort without a word" \
        "finished, then close_notify" "finished, then silence"; do
        [[ $told == *"saw the victim refuse the certificate ($way)"* ]]
        "$MITMLAB" explain out | tr '\n' ' ' | grep -q "$way"
    done
}
