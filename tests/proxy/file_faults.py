#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that the proxy writes fail under it, as strace makes them: one
sentence and an exit code say so, the traffic goes on, nothing half-done stays.
usage: file_faults.py MITMLAB; 77 when strace cannot trace here."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HAR = ["--har", "out.har"]
CAPTURE = ["-w", "out.pcapng"]
KEYS = ["--keylog", "keys.log"]

# Refused at the start: options, path, call, error, what is said.
START = [
    (HAR, "TEMP", "openat", "EMFILE", "--har out.har: create out.har: "),
    (HAR, "TEMP", "openat", "ENOSPC", "--har out.har: create out.har: "),
    (HAR, "TEMP", "openat", "EACCES", "--har out.har: create out.har: "),
    (CAPTURE, "out.pcapng", "openat", "EMFILE", "-w out.pcapng: create out.pcapng: "),
    (CAPTURE, "out.pcapng", "openat", "ENOSPC", "-w out.pcapng: create out.pcapng: "),
    (CAPTURE, "out.pcapng", "openat", "EACCES", "-w out.pcapng: create out.pcapng: "),
    (CAPTURE, "out.pcapng", "unlink", "EROFS", "-w out.pcapng: replace out.pcapng: "),
    (CAPTURE, "out.pcapng", "write", "ENOSPC", "-w out.pcapng: write the capture: "),
    (KEYS, "keys.log", "openat", "EMFILE", "open the key log keys.log: "),
    (KEYS, "keys.log", "openat", "ENOSPC", "open the key log keys.log: "),
    (KEYS, "keys.log", "openat", "EACCES", "open the key log keys.log: "),
]

INCOMPLETE = "-w out.pcapng: capture incomplete after packet"
UNFINISHED = "-w out.pcapng: write the finished capture: "
KEPT = "--har out.har: write out.har; the old one is kept: "

# While it runs or at its end, exit 3: options, path, call, what becomes of it
# from which call on, what is said.
LATER = [
    (CAPTURE, "out.pcapng", "write", "error=ENOSPC:when=4+", INCOMPLETE),
    (CAPTURE, "out.pcapng", "write", "error=EDQUOT:when=4+", INCOMPLETE),
    (CAPTURE, "out.pcapng", "write", "error=EIO:when=6", INCOMPLETE),
    (CAPTURE, "out.pcapng", "write", "retval=1:when=6", INCOMPLETE),
    (CAPTURE, "out.pcapng.tmp", "openat", "error=EMFILE",
     "-w out.pcapng: create out.pcapng.tmp: "),
    (CAPTURE, "out.pcapng.tmp", "write", "error=ENOSPC", UNFINISHED),
    (CAPTURE, "out.pcapng.tmp", "write", "error=EIO", UNFINISHED),
    (CAPTURE, "out.pcapng.tmp", "fsync", "error=EIO", UNFINISHED),
    (CAPTURE, "out.pcapng.tmp", "rename", "error=EROFS",
     "-w out.pcapng: replace out.pcapng: "),
    (HAR, "TEMP", "write", "error=ENOSPC", KEPT),
    (HAR, "TEMP", "write", "error=EIO", KEPT),
    (HAR, "TEMP", "fsync", "error=EIO", KEPT),
    (HAR, "TEMP", "renameat", "error=EACCES", KEPT),
    (HAR, "TEMP", "openat", "error=EMFILE:when=2+",
     "--har out.har: create out.har: "),
    ([], "events", "write", "error=ENOSPC:when=2+",
     "not all events could be written: "),
    ([], "events", "write", "error=EIO:when=3",
     "not all events could be written: "),
]

# Which nobody has to hear of: the call is made again.
HARMLESS = [
    (CAPTURE, "out.pcapng", "write", "error=EINTR:when=4+2"),
    (CAPTURE, "out.pcapng.tmp", "write", "error=EINTR:when=1"),
    (HAR, "TEMP", "write", "error=EINTR:when=1"),
    ([], "events", "write", "error=EINTR:when=2+2"),
    ([], "events", "write", "error=EAGAIN:when=2+2"),
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


def start_origin():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def environment():
    """LeakSanitizer cannot look under a trace."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return dict(os.environ, ASAN_OPTIONS=f"{options}:detect_leaks=0".strip(":"))


class Proxy:
    """In a folder of its own, with faults from its first system call on."""

    def __init__(self, program, origin, row):
        options, path, call, fault = row
        self.folder = tempfile.TemporaryDirectory(prefix="faults-")
        self.at = self.folder.name
        # The name of a temporary file has the number of the process, which
        # nobody knows before: a shell is that process first.
        path = ".out.har.$$" if path == "TEMP" else path
        both = f'"{path}" -P "$PWD/{path}"'  # as it is named, and as it is open
        trace = (f'exec strace -D -f -qq -o trace -P {both} '
                 f'-e trace={call} -e inject={call}:{fault} "$@" >>events')
        open(os.path.join(self.at, "events"), "w").close()
        self.process = subprocess.Popen(
            ["sh", "-c", trace, "sh", program, "proxy", "--json", "--listen",
             f"127.0.0.1:0=http://127.0.0.1:{origin}", *options],
            cwd=self.at, env=environment(), text=True, errors="replace",
            stderr=subprocess.PIPE)

    def read(self, name):
        with open(os.path.join(self.at, name), errors="replace") as file:
            return file.read()

    def port(self):
        """None: it has ended instead."""
        while self.process.poll() is None:
            for line in self.read("events").splitlines():
                found = re.search(r'"listen":\["[^"]*:(\d+)"', line)
                if found:
                    return int(found[1])
        return None

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=30)[1].splitlines()
        said = [line for line in said if not line.startswith("strace: ")]
        return self.process.returncode, said

    def left(self):
        known = {"trace", "events", "out.har", "out.pcapng", "keys.log"}
        return sorted(set(os.listdir(self.at)) - known)


def ask(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        return connection.getresponse().read() == b"hi"
    except (OSError, http.client.HTTPException):
        return False


def play(program, origin, row, code, sentence):
    proxy = Proxy(program, origin, row)
    port = proxy.port()
    served = sum(ask(port) for _ in range(5)) if port else 0
    got, said = proxy.end()
    met = proxy.read("trace").count("(INJECTED)")
    good = (met and got == code and len(said) == (1 if sentence else 0) and
            sentence in "".join(said) and
            served == (0 if code == 4 else 5) and not proxy.left())
    print(f"{'ok ' if good else 'BAD'} {' '.join(row[0])} {row[1]} {row[2]} "
          f"{row[3]}: {met} times, {served} served, exit {got}, left "
          f"{proxy.left()}: {said}", flush=True)
    proxy.folder.cleanup()
    return bool(good)


def can_trace():
    return shutil.which("strace") and not subprocess.run(
        ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "true"],
        stderr=subprocess.DEVNULL, check=False).returncode


def main():
    if not can_trace():
        print("skipped: strace may not trace here")
        sys.exit(1 if os.environ.get("CI") else 77)
    origin = start_origin()
    program = os.path.abspath(sys.argv[1])
    results = []
    for options, path, call, error, sentence in START:
        row = (options, path, call, f"error={error}")
        results.append(play(program, origin, row, 4, sentence))
    for *row, sentence in LATER:
        results.append(play(program, origin, row, 3, sentence))
    for row in HARMLESS:
        results.append(play(program, origin, row, 0, ""))
    print(f"{sum(results)} of {len(results)} as they should be")
    sys.exit(0 if all(results) else 1)


main()
