#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Every way in to mitmlab proxy, with the clients that people have: curl, wget,
# openssl, Python and node.

bats_require_minimum_version 1.5.0
load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH="$(dirname "$MITMLAB")/victims:$PATH"
    # A client of this machine must not go by its own proxy.
    unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY \
        ALL_PROXY NO_PROXY
    printf '127.0.0.1 bank.lab.test\n127.0.0.1 shop.lab.test\n' >hosts
    export MITMLAB_HOSTS="$PWD/hosts"
    started=()
}

needs() {
    command -v "$1" >/dev/null || lacks "$1"
}

certificate() { # FILE NAME: self-signed, with its key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 1 -subj "/CN=$2" -addext "subjectAltName=DNS:$2" \
        -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# Two banks in clear, one with TLS, and the proxy with these listeners.
stage() {
    needs openssl
    mkdir -p rogue
    certificate bank bank.lab.test
    certificate rogue/ca rogue
    in_background bank.jsonl bank-server --listen 127.0.0.1:0 \
        --listen-tls 127.0.0.1:0 --cert bank.crt --key bank.key --json
    in_background shop.jsonl bank-server --listen 127.0.0.1:0 --json
    http=$(port_of bank.jsonl 1)
    https=$(port_of bank.jsonl 2)
    shop=$(port_of shop.jsonl)
    words=()
    for way; do words+=(--listen "${way//@HTTPS@/$https}"); done
    in_background proxy.jsonl "$MITMLAB" proxy "${words[@]}" --json \
        --ca rogue --upstream-insecure
    proxy=$(port_of proxy.jsonl)
}

# saw KIND PART: the proxy wrote such an event
saw() {
    for _ in $(seq 100); do
        grep "\"kind\":\"$1\"" proxy.jsonl | grep -q "$2" && return 0
        sleep 0.05
    done
    cat proxy.jsonl
    return 1
}

@test "the ways of help are those of the README" {
    "$MITMLAB" help ways >help
    readme=$(dirname "$BATS_TEST_FILENAME")/../../proxy/README.md
    rows=$(grep -c '^| `[a-z]*@ADDRESS:PORT' "$readme")
    [ "$rows" = "$(grep -c '@ADDRESS:PORT' help)" ]
    while IFS='|' read -r _ way sentence _; do
        way=${way//[ \`]/}
        grep -qF "$way" help
        # Folded at other places, but the same words.
        tr -s '[:space:]' ' ' <help | grep -qF "${sentence:1:-1}"
    done < <(grep -E '^\| `([a-z]+@ADDRESS|,)' "$readme")
}

@test "mistakes in --listen say what to write, and exit 2" {
    run -2 "$MITMLAB" proxy --listen htpt@127.0.0.1:0
    [[ $output == *"sni, reverse, http, socks"* ]]
    run -2 "$MITMLAB" proxy --listen reverse@127.0.0.1:0
    [[ $output == *"reverse@ADDRESS:PORT=URL"* ]]
    run -6 "$MITMLAB" proxy --listen 127.0.0.1:0=http://192.0.2.1
    run -6 "$MITMLAB" proxy --listen keep@127.0.0.1:0
    [[ $output == *"place of a lab"* ]]
}

@test "several ways at once, each with its own port" {
    stage http@127.0.0.1:0 socks@127.0.0.1:0 "127.0.0.1:0=https://localhost:@HTTPS@"
    needs curl
    body=$(curl -sS "http://127.0.0.1:$(port_of proxy.jsonl 3)/")
    [[ $body == *[Bb]ank* ]]
    [ "$body" = "$(curl -sS -x "http://127.0.0.1:$proxy" \
        "http://bank.lab.test:$http/")" ]
    [ "$body" = "$(curl -sS --socks5-hostname \
        "127.0.0.1:$(port_of proxy.jsonl 2)" "http://bank.lab.test:$http/")" ]
}

@test "curl by an HTTP proxy: URLs, to two servers on one connection" {
    stage http@127.0.0.1:0
    needs curl
    curl -sS -v -x "http://u:p@127.0.0.1:$proxy" "http://bank.lab.test:$http/" \
        "http://shop.lab.test:$shop/" "http://bank.lab.test:$http/" \
        >body 2>talk
    [ "$(grep -c 'HTTP/1.1 200' talk)" = 3 ]
    [ "$(grep -c 'Re-using existing connection' talk)" = 2 ]
    saw proxy.asked '"host":"shop.lab.test".*"login":"u:p"'
    grep '"kind":"http.request"' shop.jsonl | grep -q '"target":"/"'
    # That a URL became a path is no change that anybody made.
    saw http.request '"leg":"server".*"target":"/"'
    ! grep '"kind":"http.request"' proxy.jsonl | grep '"changed":true'
    ! grep -i 'proxy-' bank.jsonl
}

@test "curl by an HTTP proxy: TLS is intercepted inside of CONNECT" {
    stage http@127.0.0.1:0
    needs curl
    curl -sS -x "http://127.0.0.1:$proxy" --cacert rogue/ca.crt \
        "https://bank.lab.test:$https/" >body
    grep -qi bank body
    saw http.response '"leg":"victim".*"status":200'
    run ! curl -sS -x "http://127.0.0.1:$proxy" --cacert bank.crt \
        "https://bank.lab.test:$https/"
    saw tls.verdict '"verdict":"refused"'
}

@test "curl by an HTTP proxy: a tunnel for what is in clear" {
    stage http@127.0.0.1:0
    needs curl
    curl -sS -x "http://127.0.0.1:$proxy" --proxytunnel \
        "http://bank.lab.test:$http/" >body
    grep -qi bank body
    saw http.response '"status":200'
}

@test "curl by an HTTP proxy: what lies outside is 403" {
    stage http@127.0.0.1:0
    needs curl
    [ "$(curl -sS -o body -w '%{http_code}' -x "http://127.0.0.1:$proxy" \
        http://192.0.2.1/)" = 403 ]
    grep -q "outside the lab" body
    run ! curl -sS -x "http://127.0.0.1:$proxy" https://192.0.2.1/
    [[ $output == *403* ]]
    saw server.unreachable "outside the lab"
}

@test "people see a line for what a proxy was asked and did not do" {
    MITMLAB_EVENTS_FD=9 in_background ready.jsonl bash -c \
        'exec 9>&1 >lines; exec "$@"' - "$MITMLAB" proxy \
        --listen http@127.0.0.1:0
    for request in 'GET http://192.0.2.1/x' 'CONNECT 192.0.2.1:443'; do
        exec 8<>"/dev/tcp/127.0.0.1/$(port_of ready.jsonl)"
        printf '%s HTTP/1.1\r\nHost: a\r\n\r\n' "$request" >&8
        cat <&8 >/dev/null
        exec 8>&-
    done
    for _ in $(seq 100); do
        [ "$(grep -c . lines)" = 2 ] && break
        sleep 0.05
    done
    grep -q ' GET http://192.0.2.1/x 403 ' lines
    grep -q ' CONNECT 192.0.2.1:443 403 ' lines
}

@test "curl by SOCKS5: a name, an address, a password" {
    stage socks@127.0.0.1:0
    needs curl
    url=https://bank.lab.test:$https/
    curl -sS --socks5-hostname "127.0.0.1:$proxy" --cacert rogue/ca.crt "$url" \
        >body
    grep -qi bank body
    saw proxy.asked '"host":"bank.lab.test"'
    # Here curl looks the name up itself, and asks for the address.
    curl -sS --socks5 "127.0.0.1:$proxy" --cacert rogue/ca.crt \
        --resolve "bank.lab.test:$https:127.0.0.1" "$url" >body
    grep -qi bank body
    saw proxy.asked '"host":"127.0.0.1"'
    curl -sS -x "socks5h://alice:secret@127.0.0.1:$proxy" \
        "http://bank.lab.test:$http/" >body
    grep -qi bank body
    saw proxy.asked '"login":"alice:secret"'
}

@test "curl by SOCKS5: what cannot be had has its own code, SOCKS4 as well" {
    stage socks@127.0.0.1:0
    needs curl
    run ! curl -sS --socks5-hostname "127.0.0.1:$proxy" http://192.0.2.1/
    [[ $output == *"(2)"* ]]
    run ! curl -sS --socks5-hostname "127.0.0.1:$proxy" http://nobody.lab.test/
    [[ $output == *"(4)"* ]]
    run ! curl -sS --socks5-hostname "127.0.0.1:$proxy" http://127.0.0.9:9/
    [[ $output == *"(5)"* ]]
    run ! curl -sS --socks4a "127.0.0.1:$proxy" "http://bank.lab.test:$http/"
    [[ $output == *91* ]]
}

@test "SNI chooses the server, and its port may be another one" {
    stage "sni@127.0.0.1:0=@HTTPS@"
    needs curl
    curl -sS --connect-to "bank.lab.test:443:127.0.0.1:$proxy" \
        --cacert rogue/ca.crt https://bank.lab.test/ >body
    grep -qi bank body
    saw tls.hello '"sni":"bank.lab.test"'
    run ! curl -sS --connect-to "x.lab.test:443:127.0.0.1:$proxy" \
        --cacert rogue/ca.crt https://x.lab.test/
    saw server.unreachable "not in this lab"
}

@test "pass-tls: the hello is seen, the rest is not" {
    stage "sni,pass-tls@127.0.0.1:0=@HTTPS@"
    needs curl
    curl -sS --connect-to "bank.lab.test:443:127.0.0.1:$proxy" \
        --cacert bank.crt https://bank.lab.test/ >body
    grep -qi bank body
    saw tls.hello '"sni":"bank.lab.test"'
    saw tls.pass '"why":"listener"'
    ! grep '"kind":"http' proxy.jsonl
}

@test "wget by an HTTP proxy, in clear and by CONNECT" {
    stage http@127.0.0.1:0
    needs wget
    wget -qO body -e use_proxy=on -e "http_proxy=127.0.0.1:$proxy" \
        "http://bank.lab.test:$http/"
    grep -qi bank body
    wget -qO body -e use_proxy=on -e "https_proxy=127.0.0.1:$proxy" \
        --ca-certificate rogue/ca.crt "https://bank.lab.test:$https/"
    grep -qi bank body
    saw proxy.asked "\"port\":$https"
}

@test "openssl s_client by an HTTP proxy" {
    stage http@127.0.0.1:0
    printf 'GET / HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: close\r\n\r\n' |
        openssl s_client -proxy "127.0.0.1:$proxy" -CAfile rogue/ca.crt \
            -verify_return_error -connect "bank.lab.test:$https" \
            -servername bank.lab.test -quiet >body 2>talk
    grep -q "200 OK" body
}

@test "Python by an HTTP proxy" {
    stage http@127.0.0.1:0
    needs python3
    python3 - "$proxy" "$http" "$https" >out <<'PY'
import http.client, ssl, sys, urllib.request
proxy, plain, tls = map(int, sys.argv[1:])
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{proxy}"}))
print(opener.open(f"http://bank.lab.test:{plain}/").status)
context = ssl.create_default_context(cafile="rogue/ca.crt")
tunnel = http.client.HTTPSConnection("127.0.0.1", proxy, context=context)
tunnel.set_tunnel("bank.lab.test", tls)
for _ in range(2):
    tunnel.request("GET", "/")
    answer = tunnel.getresponse()
    answer.read()
    print(answer.status)
PY
    [ "$(cat out)" = $'200\n200\n200' ]
}

@test "node by an HTTP proxy" {
    stage http@127.0.0.1:0
    needs node
    node - "$proxy" "$http" "$https" >out <<'JS'
const http = require('http'), tls = require('tls'), fs = require('fs');
const [proxy, plain, secure] = process.argv.slice(2).map(Number);
http.get({host: '127.0.0.1', port: proxy,
          path: `http://bank.lab.test:${plain}/`}, (answer) => {
  console.log(answer.statusCode);
  answer.resume().on('end', () => tunnel());
});
function tunnel() {
  http.request({host: '127.0.0.1', port: proxy, method: 'CONNECT',
                path: `bank.lab.test:${secure}`})
    .on('connect', (answer, socket) => {
      const inside = tls.connect({socket, servername: 'bank.lab.test',
                                  ca: fs.readFileSync('rogue/ca.crt')});
      inside.on('secureConnect', () => inside.write(
        'GET / HTTP/1.1\r\nHost: bank.lab.test\r\nConnection: close\r\n\r\n'));
      inside.once('data', (text) => {
        console.log(text.toString().split(' ')[1]);
        inside.destroy();
      });
    }).end();
}
JS
    [ "$(cat out)" = $'200\n200' ]
}
