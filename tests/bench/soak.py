#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mixed load for a while: does the proxy's memory stay flat?

    soak.py --build DIR [--minutes M] [--every S]

Requests in clear and with TLS, kept and new connections, bulk, new forged
names (more than the leaf cache holds, in an hour), bodies that a script or a
rule changes, kept or while they pass, HTTP/2 in front of HTTP/1.1 where h2load
is installed, and victims that hang up in the middle, one after the other in
short turns. Between turns, when no connection is open, PSS, RSS and open
descriptors are noted. The verdict compares the last quarter of the notes with
the second: the first is warming up. Exit 1: it grew by more than 5 % and a
megabyte, or a request failed.

Everything is on 127.0.0.1; what is needed and how it is pinned: proxy_bench.py.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

from proxy_bench import (NAME, PATIENCE, Bench, check_needs, free_port, pinned,
                         pss_kib)

# which proxy, mode, connections, path, name
TURNS = [
    ("http", "keep", 32, "/small.txt", None),
    ("https", "new", 16, "/small.txt", NAME),
    ("http", "new", 32, "/small.txt", None),
    ("https", "keep", 32, "/page.html", NAME),
    ("http", "keep", 2, "/big.bin", None),
    ("https", "new", 8, "/small.txt", "s%d.lab.test"),
    ("https", "keep", 2, "/big.bin", NAME),
    ("lua", "keep", 8, "/page.html", None),
    ("rule", "keep", 8, "/page.html", None),
    ("stream", "keep", 8, "/page.html", None),
    ("https", "h2", 4, "/small.txt", NAME),
    ("https", "h2", 2, "/big.bin", NAME),
]
PIECE = 256 * 1024


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def h2_load(port, connections, path, seconds):
    """Many streams of HTTP/2 on a few connections, until the time is over."""
    few = path == "/big.bin"
    run = subprocess.run(
        pinned(0, ["h2load", "-n", "20" if few else str(int(2000 * seconds)),
                   "-c", str(connections), "-m", "2" if few else "10",
                   f"https://127.0.0.1:{port}{path}"]),
        capture_output=True, text=True, check=True, timeout=PATIENCE)
    done = int(re.search(r"(\d+) succeeded", run.stdout)[1])
    failed = int(re.search(r"(\d+) failed", run.stdout)[1])
    return {"done": done, "bad": failed}


def play(bench, port, mode, connections, path, name):
    if mode != "h2":
        return bench.load(port, mode, connections, path, name)
    if not shutil.which("h2load"):
        return {"done": 0, "bad": 0}
    return h2_load(port, connections, path, bench.args.seconds)


def hang_up_in_the_middle(port, times):
    """Ask for much, take a little, reset."""
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), 5) as line:
            line.sendall(b"GET /big.bin HTTP/1.1\r\nHost: h.lab.test\r\n\r\n")
            line.recv(PIECE)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            b"\1\0\0\0\0\0\0\0")


def settle(pid):
    """Until no connection is left, as far as that can be seen."""
    fewest = len(os.listdir(f"/proc/{pid}/fd"))
    for _ in range(30):
        time.sleep(0.1)
        now = len(os.listdir(f"/proc/{pid}/fd"))
        if now >= fewest:
            return now
        fewest = now
    return fewest


def verdict(notes):
    """True if the last quarter is as the second."""
    quarter = len(notes) // 4
    if not quarter:
        print("too few notes for a verdict: longer, or --every less")
        return False
    flat = True
    for name, at in (("PSS", 1), ("RSS", 2), ("descriptors", 3)):
        early = statistics.median(n[at] for n in notes[quarter:2 * quarter])
        late = statistics.median(n[at] for n in notes[-quarter:])
        slack = 4 if at == 3 else 1024
        grew = late > early * 1.05 + slack
        flat = flat and not grew
        print(f"{name}: {early:.0f} -> {late:.0f}, "
              f"{'GREW' if grew else 'flat'}")
    return flat


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--every", type=float, default=1.0,
                        help="seconds of a turn")
    args = parser.parse_args()
    args.seconds = args.every
    check_needs(args.build)
    bench = Bench(args)
    try:
        bench.start_origin()
        ports, proxies, notes, bad, done = {}, {}, [], 0, 0
        if not shutil.which("h2load"):
            print("h2load (nghttp2-client) is not installed: no HTTP/2")
        for scheme in ("http", "https", "lua", "rule", "stream"):
            ports[scheme] = free_port()
            command = bench.command("mitmlab", scheme, ports[scheme])
            if scheme == "https":
                command += ["--http2", "victim"]
            proxies[scheme] = bench.start(command, 1, ports[scheme])
        end = time.monotonic() + args.minutes * 60
        turn = 0
        while time.monotonic() < end:
            scheme, *load = TURNS[turn % len(TURNS)]
            result = play(bench, ports[scheme], *load)
            bad += result["bad"]
            done += result["done"]
            turn += 1
            if turn % len(TURNS):
                continue
            hang_up_in_the_middle(ports["http"], 20)
            pids = [process.pid for process in proxies.values()]
            files = sum(settle(pid) for pid in pids)
            notes.append((time.monotonic(), sum(map(pss_kib, pids)),
                          sum(map(rss_kib, pids)), files))
            print(f"{len(notes):4d}  PSS {notes[-1][1]:7d}  RSS {notes[-1][2]:7d}"
                  f"  descriptors {files:4d}  done {done}  bad {bad}", flush=True)
        flat = verdict(notes)
    finally:
        bench.close()
    sys.exit(0 if flat and not bad else 1)


if __name__ == "__main__":
    main()
