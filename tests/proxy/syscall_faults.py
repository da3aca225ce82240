#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""System calls fail under the proxy, as strace makes them: it goes on, serves
those whom the fault did not meet, and ends with 0 when it is told to.
usage: syscall_faults.py MITMLAB; 77 when strace cannot trace here."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = 12

# the calls, the error, and of which of them: the second, then every third
FAULTS = [
    ("accept4,accept", "EMFILE", "2+3"),
    ("accept4,accept", "ENFILE", "2+3"),
    ("accept4,accept", "ECONNABORTED", "2+3"),
    ("accept4,accept", "ENOMEM", "2+3"),
    ("read", "ECONNRESET", "3+7"),
    ("read", "EIO", "3+7"),
    ("read", "EINTR", "3+4"),
    ("read", "EAGAIN", "3+4"),
    ("write,writev,sendmsg,sendto", "EPIPE", "3+7"),
    ("write,writev,sendmsg,sendto", "ECONNRESET", "3+7"),
    ("write,writev,sendmsg,sendto", "ENOBUFS", "3+7"),
    ("write,writev,sendmsg,sendto", "EINTR", "3+4"),
    ("write,writev,sendmsg,sendto", "EAGAIN", "3+4"),
    ("connect", "ECONNREFUSED", "2+3"),
    ("connect", "EADDRNOTAVAIL", "2+3"),
    ("connect", "ETIMEDOUT", "2+3"),
    ("socket", "EMFILE", "2+3"),
    ("socket", "ENOBUFS", "2+3"),
    ("setsockopt", "ENOPROTOOPT", "2+3"),
    ("shutdown", "ENOTCONN", "1+2"),
    ("getsockname,getpeername", "ENOTCONN", "2+3"),
]


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, *words):
        pass


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a connection that a fault broke


def start_origin():
    server = Quiet(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Proxy:
    def __init__(self, program, origin):
        self.said = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [program, "proxy", "--json", "--listen", "127.0.0.1:0",
             "--upstream", f"http://127.0.0.1:{origin}", "--workers", "1"],
            stdout=subprocess.PIPE, stderr=self.said)
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit("the proxy did not start")
            fact = json.loads(line)
            if fact["kind"] == "ready":
                break
        data = fact.get("data", fact)
        self.port = int(data["listen"][0].rsplit(":", 1)[1])
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        for _ in self.process.stdout:
            pass

    def end(self):
        """Exit code, and what was said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        self.said.seek(0)
        return code, self.said.read()


def trace(proxy, log, calls, error, when):
    """strace on the running proxy; None when that is not allowed."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", log, "-p", str(proxy.process.pid),
         "-e", f"trace={calls}",
         "-e", f"inject={calls}:error={error}:when={when}"],
        stderr=subprocess.PIPE, text=True)
    line = tracer.stderr.readline()
    if "attached" in line:
        return tracer
    tracer.kill()
    tracer.wait()
    return None


def ask(port, connection=None):
    try:
        mine = connection or http.client.HTTPConnection("127.0.0.1", port,
                                                        timeout=4)
        mine.request("GET", "/")
        return mine.getresponse().read() == b"hi"
    except (OSError, http.client.HTTPException):
        return False


def try_fault(program, origin, fault):
    proxy = Proxy(program, origin)
    friend = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=4)
    assert ask(proxy.port, friend), "no fault yet"
    log = tempfile.NamedTemporaryFile(prefix="faults-")
    tracer = trace(proxy, log.name, *fault)
    if not tracer:
        proxy.end()
        return None
    served = sum(ask(proxy.port) for _ in range(ROUNDS))
    tracer.send_signal(signal.SIGINT)
    tracer.wait(20)
    met = log.read().count(b"(INJECTED)")
    log.close()
    # Of the calls for bytes, some are the friend's own: it may be gone.
    stays = fault[0].split(",")[0] not in ("read", "write")
    kept = not stays or ask(proxy.port, friend)
    after = ask(proxy.port)
    code, said = proxy.end()
    # Some of the calls that fail write events, and who loses those says so.
    lost = code == 3 and "not all events could be written" in said
    good = met and served and kept and after and (code == 0 or lost)
    print(f"{'ok ' if good else 'BAD'} {fault[0]} {fault[1]}: {met} times, "
          f"{served} of {ROUNDS} served, friend {'kept' if kept else 'lost'}, "
          f"{'served' if after else 'silent'} afterwards, exit {code}",
          flush=True)
    return good


def main():
    if not shutil.which("strace"):
        print("skipped: this machine has no strace")
        sys.exit(1 if os.environ.get("CI") else 77)
    origin = start_origin()
    begin = time.monotonic()
    results = []
    for fault in FAULTS:
        result = try_fault(sys.argv[1], origin, fault)
        if result is None:
            print("skipped: strace may not trace here")
            sys.exit(1 if os.environ.get("CI") else 77)
        results.append(result)
    print(f"{sum(results)} of {len(results)} faults survived, "
          f"{time.monotonic() - begin:.0f} s")
    sys.exit(0 if all(results) else 1)


main()
