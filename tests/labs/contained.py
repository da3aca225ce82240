#!/usr/bin/env python3
"""Run one lesson under a system-call trace and assert that no address outside
the lab was named, in any process, on any topology.

    contained.py MITMLAB LAB
"""
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

MITMLAB, LAB = sys.argv[1], sys.argv[2]
ALLOWED = [ipaddress.ip_network(text) for text in (
    "127.0.0.0/8", "::1/128", "192.0.2.0/24", "2001:db8:66::/64",
    "0.0.0.0/32", "::/128", "255.255.255.255/32", "fe80::/10",
    "224.0.0.0/4", "ff00::/8")]
IPV4 = re.compile(r'inet_addr\("([^"]+)"\)')
IPV6 = re.compile(r'inet_pton\(AF_INET6, "([^"]+)"')


def inside(text):
    address = ipaddress.ip_address(text.partition("%")[0])
    if getattr(address, "ipv4_mapped", None):
        address = address.ipv4_mapped
    return any(address in network for network in ALLOWED
               if network.version == address.version)


def trace(topology, folder):
    log = os.path.join(folder, topology + ".strace")
    where = ["--bare"] if topology == "bare" else ["--topology", topology]
    run = subprocess.run(
        ["strace", "-f", "-qq", "-o", log,
         "-e", "trace=connect,sendto,sendmsg,sendmmsg,bind",
         MITMLAB, "run", LAB, "--no-input", "--seed", "7",
         "--out", os.path.join(folder, topology), *where],
        capture_output=True, text=True, errors="replace", timeout=300,
        stdin=subprocess.DEVNULL)
    if run.returncode != 0:
        print(f"{LAB} {topology}: exit {run.returncode}\n{run.stdout}"
              f"{run.stderr}")
        return False
    named = set()
    with open(log, errors="replace") as lines:
        for line in lines:
            named.update(IPV4.findall(line) + IPV6.findall(line))
    outside = sorted(text for text in named if not inside(text))
    print(f"{LAB} {topology}: {len(named)} addresses named, outside: "
          f"{outside or 'none'}")
    # A trace that saw no connection at all would prove nothing.
    return bool(named) and not outside


def main():
    if not shutil.which("strace"):
        print("skipped: strace is not installed")
        sys.exit(77)
    listing = json.loads(subprocess.run(
        [MITMLAB, "list", "--json"], capture_output=True).stdout)
    (lab,) = [lab for lab in listing["labs"] if lab["id"] == LAB]
    topologies = lab["topology"] + (["bare"] if lab.get("bare") else [])
    if subprocess.run([MITMLAB, "doctor", "--json"],
                      capture_output=True).returncode != 0:
        print("skipped: this machine gives no namespaces")
        sys.exit(1 if os.environ.get("CI") else 77)
    with tempfile.TemporaryDirectory(prefix="mitmlab-trace-") as folder:
        good = [trace(topology, folder) for topology in topologies]
    sys.exit(0 if all(good) else 1)


main()
