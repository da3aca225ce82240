#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""http-cache-tests (npm) direct and through the proxy: the same results.

    HTTP_CACHE_TESTS=node_modules/http-cache-tests cache_tests.py MITMLAB

The package is not ours and not here; without it, or without node, the test is
skipped (77). Its 365 exchanges are full of fields that a careless proxy would
change: what differs between the two runs is printed.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# The package's server listens everywhere; ours listen on loopback.
ON_LOOPBACK = """
const net = require('net')
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port) {
  return listen.call(this, { port: Number(port), host: '127.0.0.1' })
}
"""
# What the proxy keeps from a victim on purpose: bytes behind a response that
# nobody asked for, and a response whose framing has two readings.
KNOWN = {
    "304-etag-update-response-Content-Length": "bytes behind the response",
    "headers-store-Content-Length": "bytes behind the response",
    "headers-store-Transfer-Encoding": "an unknown transfer coding is refused",
}
TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{16,}\b")
DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")


def lacks(what):
    print(f"skipped: {what}")  # nobody's machine comes with it, CI's neither
    sys.exit(77)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")


def results(package, port):
    """Each test's name and what it said, without what is new in every run."""
    base = f"http://127.0.0.1:{port}"
    env = dict(os.environ, npm_config_base=base, npm_package_config_id="")
    done = subprocess.run(["node", "--no-warnings", "cli.mjs"], cwd=package,
                          env=env, stdout=subprocess.PIPE, timeout=400,
                          check=True)
    text = done.stdout.decode().replace(str(port), "PORT")
    text = DATE.sub("DATE", TOKEN.sub("TOKEN", text))
    return json.loads(text[text.index("{"):])


def serve(package, folder, port):
    shim = os.path.join(folder, "loopback.cjs")
    with open(shim, "w", encoding="ascii") as file:
        file.write(ON_LOOPBACK)
    env = dict(os.environ, npm_config_protocol="http",
               npm_config_port=str(port), npm_config_pidfile=folder + "/pid",
               NODE_OPTIONS=f"--require {shim}")
    return subprocess.Popen(["node", "server/server.mjs"], cwd=package,
                            env=env, stdout=subprocess.DEVNULL)


def differences(one, two):
    return [name for name in sorted(set(one) | set(two))
            if one.get(name) != two.get(name)]


def compare(package, mitmlab, folder):
    server_port, proxy_port = free_port(), free_port()
    running = [serve(package, folder, server_port)]
    try:
        wait_for(server_port)
        running.append(subprocess.Popen(
            [mitmlab, "proxy", "--listen", f"127.0.0.1:{proxy_port}",
             "--upstream", f"http://127.0.0.1:{server_port}"],
            stdout=subprocess.DEVNULL))
        wait_for(proxy_port)
        direct, again = (results(package, server_port) for _ in range(2))
        proxied, twice = (results(package, proxy_port) for _ in range(2))
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)
    # Server and client race for connections that lie idle: what two runs of
    # the same kind do not agree about says nothing about the proxy.
    moody = set(differences(direct, again) + differences(proxied, twice))
    differ = [name for name in differences(direct, proxied)
              if name not in moody and name not in KNOWN]
    for name in differ:
        print(f"{name}\n  direct:  {direct.get(name)}\n"
              f"  proxied: {proxied.get(name)}")
    passed = sum(value is True for value in direct.values())
    print(f"{len(direct)} tests, {passed} pass direct; {len(differ)} differ "
          f"through the proxy (beside {len(KNOWN)} known; {len(moody)} differ "
          f"between runs of the same kind)")
    return 1 if differ or len(direct) < 300 else 0


def main():
    package = os.environ.get("HTTP_CACHE_TESTS")
    if not package or not os.path.exists(package + "/cli.mjs"):
        lacks("no http-cache-tests at $HTTP_CACHE_TESTS")
    if not shutil.which("node"):
        lacks("no node")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(compare(os.path.abspath(package), sys.argv[1], folder))


main()
