#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real clients through every way in that they can use: each fetches a page of
its own, small and large, and gets it byte for byte. usage: clients_live.py
MITMLAB; clients that are not installed are left out, and said so."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "bank.lab.test"
LARGE = bytes(i * 31 % 251 for i in range(300_000))
SMALL = b"a small page"
PAGES = {"/small": SMALL, "/large": LARGE}

# What each client does in another language than ours.
NODE_GET = """
const { http, https, net, tls } = Object.fromEntries(
  ['http', 'https', 'net', 'tls'].map(n => [n, require(n)]))
const [scheme, host, port, path, name, way, proxyPort] = process.argv.slice(1)
const show = r => { r.pipe(process.stdout); r.on('error', fail) }
const fail = e => { console.error(e.message); process.exit(1) }
const url = { host, port, path, servername: name,
  headers: { Host: process.env.HOST_FIELD } }
const lib = scheme === 'https' ? https : http
if (way === 'url') {
  http.get({ host: '127.0.0.1', port: proxyPort,
    path: `http://${process.env.HOST_FIELD}${path}`, headers: url.headers },
    show).on('error', fail)
} else if (way === 'connect') {
  http.request({ host: '127.0.0.1', port: proxyPort, method: 'CONNECT',
    path: process.env.HOST_FIELD }).on('connect', (r, socket) =>
      https.get({ ...url, socket, agent: false }, show).on('error', fail))
    .on('error', fail).end()
} else {
  lib.get(url, show).on('error', fail)
}
"""


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = PAGES.get(self.path)
        if self.path == "/whence":
            body = self.client_address[0].encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *words):
        pass


class Quiet(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # clients come and go as they like


def run(*words, env=None, quiet=True):
    return subprocess.run(
        words, env={**os.environ, **(env or {})}, timeout=60, check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None).stdout


def make_papers(folder):
    for path, name in (("server", NAME), ("rogue/ca", "Rogue")):
        os.makedirs(os.path.dirname(f"{folder}/{path}"), mode=0o700,
                    exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-keyout",
            f"{folder}/{path}.key", "-out", f"{folder}/{path}.crt", "-subj",
            f"/CN={name}", *(["-addext", f"subjectAltName=DNS:{NAME}"]
                             if name == NAME else []))
        os.chmod(f"{folder}/{path}.key", 0o600)
    with open(f"{folder}/hosts", "w", encoding="ascii") as file:
        file.write(f"127.0.0.1 {NAME}\n")


def serve(folder=None, host="127.0.0.1"):
    server = Quiet((host, 0), Origin)
    if folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/server.crt", f"{folder}/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Proxy:
    """All ways in at once; `ports` in the order of `listen`."""

    def __init__(self, program, folder, listen, *more):
        words = [word for way in listen for word in ("--listen", way)]
        self.process = subprocess.Popen(
            [program, "proxy", "--json", "--hosts", f"{folder}/hosts", "--ca",
             f"{folder}/rogue", "--upstream-ca", f"{folder}/server.crt",
             "--workers", "1", *more, *words], stdout=subprocess.PIPE)
        for line in self.process.stdout:
            fact = json.loads(line)
            if fact["kind"] == "ready":
                break
        else:
            sys.exit("the proxy did not start")
        data = fact.get("data", fact)
        self.ports = [int(at.rsplit(":", 1)[1]) for at in data["listen"]]
        threading.Thread(target=lambda: list(self.process.stdout),
                         daemon=True).start()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


# ---- clients: each fetches scheme://NAME:port/path, and gives what it got -----
# way: "there", the proxy stands at the address `at`; "url", "connect" and
# "socks": it is told to use the proxy at port `at`. None: it cannot.


def curl(scheme, port, path, way, at, folder):
    url = f"{scheme}://{NAME}:{port}{path}"
    how = {"there": ["--connect-to", f"{NAME}:{port}:127.0.0.1:{at}"],
           "url": ["-x", f"http://127.0.0.1:{at}"],
           "connect": ["-x", f"http://127.0.0.1:{at}"],
           "socks": ["--socks5-hostname", f"127.0.0.1:{at}"]}[way]
    return run("curl", "-sS", "--noproxy", "", "--cacert",
               f"{folder}/rogue/ca.crt", *how, url, quiet=False)


def wget(scheme, port, path, way, at, folder):
    if way == "socks" or (way == "there" and scheme == "https"):
        return None  # no SOCKS; and no name but the one it connects to
    url = f"{scheme}://{NAME}:{port}{path}"
    proxy = {f"{scheme}_proxy": f"http://127.0.0.1:{at}"}
    extra = []
    if way == "there":
        url, proxy = f"http://127.0.0.1:{at}{path}", {}
        extra = ["--no-proxy", f"--header=Host: {NAME}:{port}"]
    return run("wget", "-qO-", "--tries=1", "--timeout=10",
               f"--ca-certificate={folder}/rogue/ca.crt", *extra, url,
               env={"no_proxy": "", **proxy})


def node(scheme, port, path, way, at, folder):
    if way == "socks":
        return None
    return run("node", "-e", NODE_GET, "--", scheme, "127.0.0.1", str(at), path,
               NAME, way, str(at), quiet=False,
               env={"HOST_FIELD": f"{NAME}:{port}", "NODE_EXTRA_CA_CERTS":
                    f"{folder}/rogue/ca.crt"})


def python(scheme, port, path, way, at, folder):
    context = ssl.create_default_context(cafile=f"{folder}/rogue/ca.crt")
    field = {"Host": f"{NAME}:{port}"}
    if way == "socks":
        return None
    if way == "there" and scheme == "https":
        talk = Named("127.0.0.1", at, timeout=10, context=context)
    elif scheme == "https":
        talk = http.client.HTTPSConnection("127.0.0.1", at, timeout=10,
                                           context=context)
        talk.set_tunnel(NAME, port)
    else:
        talk = http.client.HTTPConnection("127.0.0.1", at, timeout=10)
    if way == "url":
        path = f"http://{NAME}:{port}{path}"
    talk.request("GET", path, headers=field)
    return talk.getresponse().read()


class Named(http.client.HTTPSConnection):
    """Connects to an address and asks for NAME there."""

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=NAME)


def h2load(scheme, port, path, way, at, folder):
    """20 requests, 4 at a time; the page itself it does not show."""
    if way != "there":
        return None
    said = run("h2load", "--h1", "-n20", "-c4", "-t1",
               "-H", f":authority: {NAME}:{port}",
               f"{scheme}://127.0.0.1:{at}{path}").decode()
    done = "20 succeeded, 0 failed, 0 errored" in said
    size = f"({20 * len(PAGES[path])}) data" in said
    return PAGES[path] if done and size else said.encode()


CLIENTS = {"curl": curl, "wget": wget, "node": node, "python3": python,
           "h2load": h2load}


def matrix(program, folder):
    """Of each client, how often it was right, and where it was not."""
    clear, sealed = serve(), serve(folder)
    proxy = Proxy(program, folder, [
        f"reverse@127.0.0.1:0=http://127.0.0.1:{clear}",
        f"reverse@127.0.0.1:0=https://{NAME}:{sealed}",
        f"sni@127.0.0.1:0={sealed}", "http@127.0.0.1:0", "socks@127.0.0.1:0"])
    reverse, tls, sni, asked, socks = proxy.ports
    ways = [("reverse", "http", clear, "there", reverse),
            ("reverse TLS", "https", sealed, "there", tls),
            ("sni", "https", sealed, "there", sni),
            ("sni, by Host", "http", clear, "there", sni),
            ("http, by URL", "http", clear, "url", asked),
            ("http, CONNECT", "https", sealed, "connect", asked),
            ("socks", "http", clear, "socks", socks),
            ("socks, TLS", "https", sealed, "socks", socks)]
    bad = 0
    for name, fetch in CLIENTS.items():
        if name != "python3" and not shutil.which(name):
            print(f"{name}: skipped, this machine has none")
            bad += bool(os.environ.get("CI"))
            continue
        done = []
        for way, scheme, port, kind, at in ways:
            if name == "h2load" and way.startswith("sni"):
                continue  # it gives no name but the one it connects to
            for path, page in PAGES.items():
                got = fetch(scheme, port, path, kind, at, folder)
                if got is None:
                    continue
                if got == page:
                    done.append(way)
                    continue
                bad += 1
                print(f"BAD {name}, {way}, {path}: {len(got)} bytes "
                      f"{hashlib.sha256(got).hexdigest()[:8]} {got[:200]!r}")
        print(f"{name}: {', '.join(dict.fromkeys(done))}", flush=True)
    code = proxy.end()
    if code:
        print(f"BAD the proxy ended with {code}")
    return bad or code


def main():
    for name in [name for name in os.environ if
                 name.lower().endswith("_proxy")]:
        del os.environ[name]  # the machine's own
    if not shutil.which("openssl"):
        print("skipped: this machine has no openssl")
        sys.exit(1 if os.environ.get("CI") else 77)
    with tempfile.TemporaryDirectory() as folder:
        make_papers(folder)
        sys.exit(1 if matrix(sys.argv[1], folder) else 0)


if __name__ == "__main__":
    main()
