#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure what six real clients say to each forgery, and print certs/seen.def.

usage: unshare -rmn tests/certs/seen.py build/mitmlab > certs/seen.def

Each client comes to a port of its own of `mitmlab rig`, so that the rig's
verdicts tell them apart. It needs curl, openssl, python3, wget, node and java,
and takes some minutes. Nothing is measured from a client's own words.
"""
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = ["s_client", "curl", "Python", "wget", "Node", "Java"]
GIVE_UP = 20

JAVA = """
import java.io.*; import java.net.*; import java.security.KeyStore;
import java.security.cert.*; import javax.net.ssl.*;
public class Visit {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = in.readLine()) != null; System.out.println()) {
      String[] words = line.split(" ");
      try {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int n = 0;
        try (InputStream pem = new FileInputStream(words[1])) {
          for (Certificate c : CertificateFactory.getInstance("X.509")
                                                 .generateCertificates(pem))
            store.setCertificateEntry("ca" + n++, c);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        HttpsURLConnection to =
            (HttpsURLConnection) new URL(words[0]).openConnection();
        to.setSSLSocketFactory(tls.getSocketFactory());
        to.setConnectTimeout(9000);
        to.setReadTimeout(9000);
        to.getInputStream().readAllBytes();
      } catch (Throwable why) {
        System.err.println(line + ": " + why);
      }
      System.out.print("done");
      System.out.flush();
    }
  }
}
"""

NODE = """
const [url, ca] = process.argv.slice(2);
require('https').get(url, {ca: require('fs').readFileSync(ca), agent: false,
                           timeout: 9000},
                     r => r.resume()).on('error', () => {});
"""


def run(*words, **more):
    try:
        subprocess.run(words, stdin=subprocess.DEVNULL, timeout=GIVE_UP,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       **more)
    except subprocess.TimeoutExpired:
        pass


def visit_s_client(host, port, trust, work):
    number = host[0].isdigit()
    name = ["-verify_ip" if number else "-verify_hostname", host]
    sni = ["-noservername"] if number else ["-servername", host]
    child = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", trust,
         "-no-CApath", "-no-CAstore", "-verify_return_error", "-quiet", *name,
         *sni], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        child.communicate(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", GIVE_UP)
    except subprocess.TimeoutExpired:
        child.kill()


def visit_curl(host, port, trust, work):
    run("curl", "-s", "-m", "9", "--cacert", trust, "--capath", "/nowhere",
        f"https://{host}:{port}/")


def visit_python(host, port, trust, work):
    context = ssl.create_default_context(cafile=trust)
    try:
        with socket.create_connection((host, port), 9) as plain, \
                context.wrap_socket(plain, server_hostname=host) as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            secure.recv(1)
    except (OSError, ValueError):
        pass


def visit_wget(host, port, trust, work):
    run("wget", "-q", "--tries=1", "--timeout=9", "--ca-certificate", trust,
        "--no-hsts", "-O", "/dev/null", f"https://{host}:{port}/")


def visit_node(host, port, trust, work):
    run("node", f"{work}/visit.js", f"https://{host}:{port}/", trust)


class Java:
    def __init__(self, work):
        pathlib.Path(f"{work}/Visit.java").write_text(JAVA)
        subprocess.run(["javac", "Visit.java"], cwd=work, check=True)
        self.child = subprocess.Popen(
            ["java", "-cp", work, "Visit"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __call__(self, host, port, trust, work):
        self.child.stdin.write(f"https://{host}:{port}/ {trust}\n")
        self.child.stdin.flush()
        self.child.stdout.readline()


class Rig:
    """The rig, and the first verdict at each of its ports."""

    def __init__(self, mitmlab, trust):
        self.child = subprocess.Popen(
            [mitmlab, "rig", "--tls", "1.2,1.3", "--sets", str(len(CLIENTS)),
             "--forgeries", "c,t,s,v,n,p,u,x,k,r,z", "--trust", trust,
             "--brief", "--json"], stdout=subprocess.PIPE, text=True)
        self.stands = json.loads(self.child.stdout.readline())["data"]["stands"]
        self.said, self.over = {}, {s["port"]: threading.Event()
                                    for s in self.stands}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.child.stdout:
            event = json.loads(line)
            port = (event.get("tuple") or [0])[-1]
            if event["kind"] == "tls.verdict":
                self.said.setdefault(port, event["data"])
            elif event["kind"] == "flow.end":
                self.over[port].set()

    def verdict(self, port):
        self.over[port].wait(GIVE_UP)
        data = self.said.get(port)
        if not data:
            return "nothing"
        # Java takes its leave with user_canceled (90), which is no refusal.
        if data["app_bytes"]:
            late = data.get("alert_code", 0) not in (0, 90)
            return "too_late" if late else "accepted"
        return data["alert"] if data["how"] == "alert" else data["how"]


def tour(number, visit, rig, table, work):
    for stand in rig.stands:
        if stand["set"] != number:
            continue
        more = f"{work}/trust/trust-{stand['row']}.pem"
        trust = more if os.path.exists(more) else f"{work}/trust/trust.pem"
        visit(stand["host"], stand["port"], trust, work)
        table[stand["row"], stand["tls"], number] = rig.verdict(stand["port"])
        print(CLIENTS[number], stand["row"], stand["tls"],
              table[stand["row"], stand["tls"], number], file=sys.stderr)


def lead_there(rig, work):
    """Every name is this machine, and so is the address that n16 wants."""
    names = sorted({s["host"] for s in rig.stands})
    hosts = pathlib.Path(f"{work}/hosts")
    hosts.write_text("127.0.0.1 localhost "
                     + " ".join(n for n in names if not n[0].isdigit()) + "\n")
    run("mount", "--bind", str(hosts), "/etc/hosts", check=True)
    for name in names:
        if name[0].isdigit():
            run("ip", "address", "add", f"{name}/32", "dev", "lo", check=True)
            for stand in rig.stands:
                if stand["host"] == name:
                    threading.Thread(target=forward, daemon=True, args=(
                        (name, stand["port"]),
                        ("127.0.0.1", stand["port"]))).start()


def forward(here, there):
    with socket.create_server(here) as door:
        while True:
            one, _ = door.accept()
            two = socket.create_connection(there)
            for a, b in ((one, two), (two, one)):
                threading.Thread(target=pump, args=(a, b), daemon=True).start()


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        b.close()


def first_line(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT)
    return done.stdout.splitlines()[0]


def versions():
    """What was measured, a literal of C a client."""
    curl = first_line("curl", "--version").split()[1]
    wget = first_line("wget", "--version").split()[2]
    java = first_line("java", "-version").split('"')[1]
    return [f"openssl {first_line('openssl', 'version').split(' ')[1]}",
            f"curl {curl}", f"Python {sys.version.split()[0]}",
            f"wget {wget}", f"Node {first_line('node', '--version')[1:]}",
            f"Java {java}"]


HEAD = """/* SPDX-License-Identifier: MIT
 *
 * SAID(forgery, version of TLS, what s_client, curl, Python, wget, Node and
 * Java said to it): "accepted", the name of an alert, or a way to leave
 * without one. "offer": nothing that the client offered could be served.
 *
 * Measured, not written: tests/certs/seen.py makes this file. */
"""


def print_table(rig, table):
    print(HEAD + f"SAID_WHEN(\"{time.strftime('%Y-%m-%d')}\",")
    print("          " + "\n          ".join(f'"{v}, "' for v in
                                              versions()[:-1]))
    print(f'          "{versions()[-1]}")')
    for stand in rig.stands:
        if stand["set"]:
            continue
        said = [table[stand["row"], stand["tls"], n]
                for n in range(len(CLIENTS))]
        print(f'SAID("{stand["row"]}", {stand["tls"].replace(".", "")}, '
              + ", ".join(said) + ")")


def main():
    work = tempfile.mkdtemp(prefix="mitmlab-seen-")
    os.mkdir(f"{work}/trust")
    pathlib.Path(f"{work}/visit.js").write_text(NODE)
    run("ip", "link", "set", "lo", "up", check=True)
    rig = Rig(sys.argv[1], f"{work}/trust")
    lead_there(rig, work)
    visits = [visit_s_client, visit_curl, visit_python, visit_wget, visit_node,
              Java(work)]
    table = {}
    tours = [threading.Thread(target=tour, args=(n, v, rig, table, work))
             for n, v in enumerate(visits)]
    for each in tours:
        each.start()
    for each in tours:
        each.join()
    print_table(rig, table)
    rig.child.terminate()
    shutil.rmtree(work)


main()
