#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ways `transparent` and `keep` with every protocol, by real clients, at
the places of a lab that tests/labs/proxy_pairs_test.c builds. Each place runs
one of these; what they share is a folder:

    pairs_at_places.py papers FOLDER
    pairs_at_places.py server FOLDER            until it is killed
    pairs_at_places.py attacker FOLDER WAY MITMLAB
    pairs_at_places.py victim FOLDER WAY SERVER ATTACKER

The last two arguments are addresses. Exits 77 where curl is missing."""

import json
import os
import shutil
import signal
import socket
import ssl
import sys
import threading

import starttls_live
from clients_live import NAME, Proxy, make_papers
from pairs_live import PROTOCOLS, curl_by, play, start_servers, trusting

# A namespace of its own has all ports to give.
MAIL = {"smtp": 25, "imap": 143, "pop3": 110, "ftp": 21}

# As in pairs_live.py; what is not named here is played.
REASONS = {
    "HTTP/2, 8 streams": "nghttp gives no name but the one it connects to",
    "DNS": "its UDP is not taken over, and its TCP is bytes",
}


def papers(folder):
    if not shutil.which("openssl") or not shutil.which("curl"):
        sys.exit(77)
    make_papers(folder)


def server(folder):
    ports, _ = start_servers(folder, "0.0.0.0")
    for kind, port in MAIL.items():
        ports[kind] = starttls_live.Server(kind, folder, at=("", port)).port
    with open(f"{folder}/ports", "w", encoding="ascii") as file:
        json.dump(ports, file)
    print('"ready"', flush=True)
    threading.Event().wait()


def ports_of(folder):
    with open(f"{folder}/ports", encoding="ascii") as file:
        return json.load(file)


def attacker(folder, way, program):
    proxy = Proxy(program, folder, [f"{way}@0.0.0.0:{port}"
                                    for port in ports_of(folder).values()])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(proxy.end()))
    print('"ready"', flush=True)
    while True:
        signal.pause()


def mail(kind):
    def talk(way, at, port, folder):
        context = ssl.create_default_context(cafile=trusting(folder, way))
        starttls_live.visit(kind, port, context, NAME)
    return talk


def whence(scheme, expected):
    """Whom the server sees."""
    def ask(way, at, port, folder):
        got = curl_by(way, at, port, folder, f"{scheme}://{NAME}:{port}/whence")
        assert got == expected.encode(), (got, expected)
    return ask


def own_address(towards):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((towards, 9))
        return sock.getsockname()[0]


def pairs(way, there, between):
    """name, what plays it, the server's name among the ports"""
    for name, (how, _, where, _) in PROTOCOLS.items():
        if how and name not in REASONS:
            yield name, how, where
    for kind in MAIL:
        yield f"STARTTLS {kind}", mail(kind), kind
    seen = own_address(there) if way == "keep" else between
    for scheme, where in (("http", "clear"), ("https", "sealed")):
        yield f"whom {scheme} comes from", whence(scheme, seen), where


def victim(folder, way, there, between):
    ports, bad = ports_of(folder), 0
    for name, reason in REASONS.items():
        print(f"{name}, {way}: not here; {reason}")
    for name, how, where in pairs(way, there, between):
        if where not in ports:
            print(f"{name}, {way}: skipped, this machine has no server")
            bad += bool(os.environ.get("CI"))
            continue
        bad += play(name, way, how, way, f"{there}:{ports[where]}",
                    ports[where], folder)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    {"papers": papers, "server": server, "attacker": attacker,
     "victim": victim}[sys.argv[1]](*sys.argv[2:])
