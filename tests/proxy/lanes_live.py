#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real clients of HTTP/2 whose server speaks HTTP/1.1 and answers nobody
before six have come: where streams wait for each other, none is answered. And
what the proxy keeps of it says which answer belongs to which request. usage:
lanes_live.py MITMLAB; clients that are not installed are left out, and said
so."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LANES = 6
PATIENCE = 20  # seconds, of whoever waits for the others
meeting = threading.Barrier(LANES)
connections = set()


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        connections.add(self.client_address)
        status = 200
        if self.path.startswith("/meet"):
            try:
                meeting.wait(PATIENCE)
            except threading.BrokenBarrierError:
                meeting.reset()
                status = 500
        body = f"this is {self.path}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Quiet(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # lanes come and go


def run(*words):
    return subprocess.run(words, timeout=240, check=False,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout.decode()


def make_rogue(folder):
    os.makedirs(f"{folder}/ca", mode=0o700)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-keyout",
        f"{folder}/ca/ca.key", "-out", f"{folder}/ca/ca.crt", "-subj",
        "/CN=Rogue")
    os.chmod(f"{folder}/ca/ca.key", 0o600)


class Proxy:
    def __init__(self, program, folder, server):
        self.process = subprocess.Popen(
            [program, "proxy", "--json", "--listen", "127.0.0.1:0",
             "--upstream", f"http://127.0.0.1:{server}", "--http2", "victim",
             "--ca", f"{folder}/ca", "-w", f"{folder}/out.pcapng", "--har",
             f"{folder}/out.har"], stdout=subprocess.PIPE)
        fact = json.loads(self.process.stdout.readline())
        self.port = fact.get("data", fact)["listen"][0].rsplit(":", 1)[1]
        self.facts = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.facts.append(json.loads(line))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.reader.join()
        return code


def paths(word):
    return [f"/{word}{number}" for number in range(LANES)]


# ---- clients: each asks for all of these at once, and says how many it got ----


def nghttp(port):
    out = run("nghttp", "-ns", *(f"http://127.0.0.1:{port}{path}"
                                 for path in paths("meet-nghttp")))
    return len(re.findall(r" 200 +\d+ /meet", out)), out


def h2load(port):
    out = run("h2load", "-n", str(4 * LANES), "-c", "1", "-m", "20",
              f"http://127.0.0.1:{port}/meet-h2load")
    return f" {4 * LANES} succeeded" in out and LANES, out


def curl(port):
    """In TLS: of version 7.88, which goes wrong side by side in clear."""
    out = run("curl", "-sSk", "--http2", "--parallel", "--parallel-immediate",
              "-w", "%{http_version} %{http_code}\n",
              *(word for path in paths("meet-curl")
                for word in ("-o", "/dev/null",
                             f"https://127.0.0.1:{port}{path}")))
    return out.count("2 200"), out


CLIENTS = {"nghttp": nghttp, "h2load": h2load, "curl": curl}


def ask_all(port):
    bad = asked = 0
    for name, ask in CLIENTS.items():
        if not shutil.which(name):
            print(f"{name}: skipped, this machine has none")
            bad += bool(os.environ.get("CI"))
            continue
        got, out = ask(port)
        asked += 1
        print(f"{name}: {got} of {LANES} answered, all at once")
        if got != LANES:
            bad += 1
            print(f"BAD {out}")
    return bad, asked


# ---- what is kept ---------------------------------------------------------------


def url_and_text(entry):
    url = entry["request"]["url"]
    return url[url.rindex("/"):], entry["response"]["content"].get("text", "")


def judge_har(name):
    with open(name, encoding="utf-8") as file:
        entries = json.load(file)["log"]["entries"]
    bad = [entry for entry in entries
           if f"this is {url_and_text(entry)[0]}" != url_and_text(entry)[1]]
    for entry in bad[:3]:
        print(f"BAD the HAR says {url_and_text(entry)}")
    print(f"--har: {len(entries)} entries, {len(bad)} with another's answer")
    return len(bad) + (not entries)


def judge_facts(facts):
    """A lane is told of as it was: the server saw the same connections."""
    told = {tuple(fact["tuple"][:2]) for fact in facts
            if fact["kind"] == "http.request" and fact.get("leg") == "server"}
    asked = {address for address in connections if address in told}
    print(f"events: {len(told)} connections asked something, the server saw "
          f"{len(connections)}")
    return told != asked or len(asked) != len(connections)


def judge_inspect(program, name):
    """One way to the server is named, the others are counted."""
    out = run(program, "inspect", "-r", name)
    told = len(re.findall(r"^  and \d+ more to servers$", out, re.M))
    flows = len(re.findall(r"^flow \d+", out, re.M))
    print(f"inspect: {told} of {flows} flows had several ways to the server")
    return not told


def judge_capture(name):
    if not shutil.which("tshark"):
        print("tshark: skipped, this machine has none")
        return bool(os.environ.get("CI"))
    opened = run("tshark", "-r", name, "-Y", "tcp.flags.syn == 1 && "
                 "tcp.flags.ack == 0 && frame.interface_name == server",
                 "-T", "fields", "-e", "tcp.srcport")
    ports = {int(line) for line in opened.splitlines() if line.isdigit()}
    torn = run("tshark", "-r", name, "-Y",
               "tcp.analysis.flags && !tcp.analysis.window_update")
    torn = [line for line in torn.splitlines() if "→" in line]
    seen = {port for _, port in connections}
    print(f"-w: {len(ports)} connections to the server, {len(torn)} packets "
          "that do not fit")
    return not seen <= ports or bool(torn)


def main():
    for name in [name for name in os.environ if
                 name.lower().endswith("_proxy")]:
        del os.environ[name]  # the machine's own
    if not shutil.which("openssl"):
        print("skipped: this machine has no openssl")
        sys.exit(1 if os.environ.get("CI") else 77)
    server = Quiet(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        make_rogue(folder)
        proxy = Proxy(sys.argv[1], folder, server.server_address[1])
        bad, asked = ask_all(proxy.port)
        code = proxy.end()
        if not asked:
            print("skipped: no client of HTTP/2 here")
            sys.exit(1 if bad else 77)
        bad += judge_har(f"{folder}/out.har") + judge_facts(proxy.facts)
        bad += judge_capture(f"{folder}/out.pcapng")
        bad += judge_inspect(sys.argv[1], f"{folder}/out.pcapng")
    if code:
        print(f"BAD the proxy ended with {code}")
    sys.exit(1 if bad or code else 0)


main()
