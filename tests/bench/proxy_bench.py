#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a request costs the proxy, beside whichever peers are installed.

    proxy_bench.py --build DIR [--only a,d] [--rounds N] [--seconds S]

DIR is a build folder without sanitizers, in which `ninja proxy_load
relay_floor` was run. The origin is nginx. Peers: relay_floor (the least that C
can do, in clear only) and haproxy, if it is there, told to open a connection
of its own for each of its clients, as an interceptor has to.

Each round measures everyone in turn. What counts is the CPU time that the
proxy itself took for one request (or one megabyte): it means the same whether
the proxy or the origin is what saturates. Client and origin are pinned to one
core, the proxy to another. Everything is on 127.0.0.1, and only processes that
were started here are ended, by number.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OLD, NEW = "lab-original-text", "LAB-REWRITTEN-LONGER-TEXT"
RULE = f'type == text/html : replace body "{OLD}" "{NEW}"'
NAME = "origin.lab.test"
# id: what, scheme, load mode, connections, path, name, unit
SCENARIOS = {
    "a": ("HTTP, keep-alive", "http", "keep", 64, "/small.txt", None, "request"),
    "b": ("HTTP, a connection each", "http", "new", 64, "/small.txt", None, "request"),
    "c": ("HTTP bulk", "http", "keep", 4, "/big.bin", None, "MB"),
    "d": ("HTTPS, keep-alive", "https", "keep", 64, "/small.txt", NAME, "request"),
    "e": ("HTTPS, a full handshake each", "https", "new", 32, "/small.txt", NAME, "request"),
    "f": ("HTTPS bulk", "https", "keep", 4, "/big.bin", NAME, "MB"),
    "g": ("a new forged name each", "https", "new", 32, "/small.txt", "n%d.lab.test", "request"),
    "i": ("rewrite in 64 KiB by Lua", "lua", "keep", 64, "/page.html", None, "request"),
    "r": ("rewrite in 64 KiB by a rule", "rule", "keep", 64, "/page.html", None, "request"),
    "s": ("the same, streamed", "stream", "keep", 64, "/page.html", None, "request"),
}
PATIENCE = 600  # seconds for a load that should take one; the machine may be busy
IDLE = 1000  # connections of scenario h
TICK = os.sysconf("SC_CLK_TCK")
HAPROXY = """
global
    nbthread 1
    maxconn 8000
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse never
listen all
    bind 127.0.0.1:{port} {tls}
    server origin 127.0.0.1:{origin} {verify}
"""
NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
worker_rlimit_nofile 16384; events {{ worker_connections 8192; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    root {dir}/www; types {{ text/html html; }}
    ssl_session_cache off; ssl_session_tickets off;
    ssl_certificate {dir}/origin.crt; ssl_certificate_key {dir}/origin.key;
    server {{ listen 127.0.0.1:{http} backlog=4096; }}
    server {{ listen 127.0.0.1:{https} ssl backlog=4096; }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(500):
        if process.poll() is not None:
            sys.exit(f"{process.args[-1]}: ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit("nobody listens after five seconds")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def pinned(core, command):
    cores = os.sched_getaffinity(0)
    if len(cores) < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(sorted(cores)[core]), *command]


def leave(number, _frame):
    sys.exit(128 + number)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = Path(args.build)
        self.dir = Path(tempfile.mkdtemp(prefix="proxy-bench."))
        self.running = []
        # What was started is ended, however this ends: close() is called.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, leave)

    def start(self, command, core, port=None):
        process = subprocess.Popen(pinned(core, [str(word) for word in command]),
                                   stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.running.append(process)
        if port:
            wait_for(port, process)
        return process

    def stop(self, process):
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.running.remove(process)

    def close(self):
        for process in list(self.running):
            self.stop(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- the origin and what it shows
    def make_certificates(self):
        for ca in ("origin-ca", "rogue"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN=bench {ca}", "-keyout", f"{self.dir}/{ca}.key",
                    "-out", f"{self.dir}/{ca}.crt")
        (self.dir / "san").write_text(f"subjectAltName=DNS:{NAME},IP:127.0.0.1\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={NAME}",
                "-keyout", f"{self.dir}/origin.key", "-out", f"{self.dir}/origin.csr")
        for ca, leaf in (("origin-ca", "origin"), ("rogue", "leaf")):
            openssl("x509", "-req", "-in", f"{self.dir}/origin.csr", "-CA",
                    f"{self.dir}/{ca}.crt", "-CAkey", f"{self.dir}/{ca}.key",
                    "-CAcreateserial", "-days", "2", "-extfile",
                    f"{self.dir}/san", "-out", f"{self.dir}/{leaf}.crt")
        pem = (self.dir / "leaf.crt").read_text() + (self.dir / "origin.key").read_text()
        (self.dir / "leaf.pem").write_text(pem)
        ca = self.dir / "ca"
        ca.mkdir(mode=0o700)
        shutil.copy(self.dir / "rogue.crt", ca / "ca.crt")
        shutil.copy(self.dir / "rogue.key", ca / "ca.key")
        (ca / "ca.key").chmod(0o600)

    def make_content(self):
        www = self.dir / "www"
        www.mkdir()
        (www / "small.txt").write_text("0123456789abcde\n" * 64)
        part = (OLD + " " + "words that stay as they are " * 150)[:4096]
        (www / "page.html").write_text(part * 16)
        with open(www / "big.bin", "wb") as file:
            for _ in range(64):
                file.write(bytes(range(256)) * 4096)
        (self.dir / "rewrite.lua").write_text(
            'function on_response(flow)\n  flow.body = flow.body:gsub('
            f'"{OLD.replace("-", "%-")}", "{NEW}")\nend\n')

    def start_origin(self):
        self.make_certificates()
        self.make_content()
        self.http, self.https = free_port(), free_port()
        conf = self.dir / "nginx.conf"
        conf.write_text(NGINX.format(dir=self.dir, http=self.http, https=self.https))
        for path in (self.dir, *self.dir.rglob("*")):
            if "ca" not in path.parts and path.suffix != ".key":
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        self.start(["nginx", "-e", self.dir / "early.log", "-c", conf], 0, self.https)

    # -- the proxies
    def command(self, who, scheme, port):
        tls = scheme == "https"
        origin = self.https if tls else self.http
        if who == "floor":
            return [self.build / "tests/bench/relay_floor", port, origin]
        if who == "haproxy":
            conf = self.dir / f"haproxy-{port}.cfg"
            conf.write_text(HAPROXY.format(
                port=port, origin=origin,
                tls=f"ssl crt {self.dir}/leaf.pem" if tls else "",
                verify=f"ssl verify required ca-file {self.dir}/origin-ca.crt "
                f"sni str({NAME}) no-ssl-reuse" if tls else ""))
            return ["haproxy", "-db", "-f", conf]
        command = [self.build / "mitmlab", "proxy", "--listen", f"127.0.0.1:{port}",
                   "--upstream", f"{'https' if tls else 'http'}://127.0.0.1:{origin}",
                   "--ca", self.dir / "ca", "--upstream-ca", self.dir / "origin-ca.crt"]
        return command + {
            "lua": ["--script", self.dir / "rewrite.lua"],
            "rule": ["--rule", RULE],
            "stream": ["--rule", RULE, "--body", "1024"],  # too long to be kept
        }.get(scheme, [])

    def peers(self, scheme, scenario):
        who = ["mitmlab"]
        if shutil.which("haproxy") and scheme.startswith("http") and scenario != "g":
            who.insert(0, "haproxy")
        if scheme != "https":
            who.insert(0, "floor")
        return who

    def load(self, port, mode, connections, path, name):
        command = [str(self.build / "tests/bench/proxy_load"), str(port), mode,
                   str(connections), str(self.args.seconds), path]
        run = subprocess.run(pinned(0, command + ([name] if name else [])),
                             capture_output=True, text=True, check=True,
                             timeout=self.args.seconds + PATIENCE)
        return json.loads(run.stdout)

    def scenario(self, key):
        what, scheme, mode, connections, path, name, unit = SCENARIOS[key]
        proxies, costs, bad = {}, {}, {}
        for who in self.peers(scheme, key):
            port = free_port()
            proxies[who] = (port, self.start(self.command(who, scheme, port), 1, port))
        for _ in range(self.args.rounds):
            for who, (port, process) in proxies.items():
                before = cpu_seconds(process.pid)
                result = self.load(port, mode, connections, path, name)
                spent = cpu_seconds(process.pid) - before
                work = result["bytes"] / 1e6 if unit == "MB" else result["done"]
                costs.setdefault(who, []).append(spent / max(work, 1e-9) * 1e6)
                bad[who] = bad.get(who, 0) + result["bad"]
        for _, process in proxies.values():
            self.stop(process)
        return f"{key} {what}, µs/{unit}", {
            who: f"{statistics.median(cost):,.{1 if unit == 'request' and cost[0] < 100 else 0}f}"
                 + (f" ({bad[who]} bad)" if bad[who] else "")
            for who, cost in costs.items()}

    def memory(self):
        cells = {}
        for who in self.peers("https", "h"):
            port = free_port()
            process = self.start(self.command(who, "https", port), 1, port)
            before = pss_kib(process.pid)
            holder = subprocess.Popen(
                [str(self.build / "tests/bench/proxy_load"), str(port), "idle",
                 str(IDLE), "0", "/small.txt", NAME], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True)
            held = int(holder.stdout.readline().split()[1])
            time.sleep(1)
            cells[who] = f"{(pss_kib(process.pid) - before) / max(held, 1):.1f}"
            holder.communicate()
            self.stop(process)
        return f"h idle TLS connection of {IDLE}, KiB", cells

    def start_up(self):
        cells = {}
        for who in self.peers("http", "j"):
            times = []
            for _ in range(max(5, self.args.rounds)):
                port = free_port()
                begin = time.monotonic()
                process = self.start(self.command(who, "http", port), 1, port)
                times.append((time.monotonic() - begin) * 1000)
                self.stop(process)
            cells[who] = f"{statistics.median(times):.0f}"
        return "j start to listening, ms", cells

    def row(self, key):
        return {"h": self.memory, "j": self.start_up}.get(
            key, lambda: self.scenario(key))()


def check_needs(build):
    """Exit with a sentence if something is missing."""
    for tool in ("nginx", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed")
    for program in ("mitmlab", "tests/bench/proxy_load", "tests/bench/relay_floor"):
        if not (Path(build) / program).exists():
            sys.exit(f"{build}/{program} is not built: "
                     f"ninja -C {build} mitmlab proxy_load relay_floor")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--only", default="a,b,c,d,e,f,g,h,i,r,s,j")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    check_needs(args.build)
    bench = Bench(args)
    columns = ["floor", "haproxy", "mitmlab"]
    try:
        bench.start_origin()
        print(f"{datetime.date.today()}, {os.cpu_count()} cores, "
              f"{platform.system()} {platform.release()}\n")
        print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
        for key in args.only.split(","):
            title, cells = bench.row(key)
            print(f"| {title} | "
                  + " | ".join(cells.get(who, "–") for who in columns) + " |", flush=True)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
