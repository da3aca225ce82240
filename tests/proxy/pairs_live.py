#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every way in with every protocol, by real clients: one table of pairs, and
each pair that is not played says why. Then what is odd about TLS, through each
way that carries it, and all listeners at once under load. usage: pairs_live.py
MITMLAB; exits 77 where this machine lacks openssl or curl."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from clients_live import NAME, LARGE, Proxy, make_papers, run, serve

try:
    import websockets
except ImportError:
    websockets = None

WAYS = ["reverse", "sni", "http", "socks", "sni,pass-tls", "transparent",
        "keep"]
TAKES_OVER = ("transparent", "keep")
AT_A_PLACE = "at places of a lab: tests/labs/proxy_pairs_test.c"
NAMELESS = "nothing in clear names the server"
LOW_PORT = "is known by its port, below 1024"
SEALED = "the same as sni: nothing of it is TLS"


class Missing(Exception):
    """This machine has no such client."""


# ---- servers ----------------------------------------------------------------


class Upper(threading.Thread):
    """Says hello first, gives back what it hears in capitals, and says how
    much that was when the other has said all; with TLS if it has papers."""

    def __init__(self, folder=None, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.context = None
        if folder:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{folder}/server.crt",
                                         f"{folder}/server.key")
        self.door = socket.create_server((host, 0))
        self.port = self.door.getsockname()[1]
        self.start()

    def run(self):
        while True:
            conn, _ = self.door.accept()
            threading.Thread(target=self.talk, args=(conn,),
                             daemon=True).start()

    def talk(self, conn):
        try:
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            conn.sendall(b"hello\n")
            count = 0
            while True:
                heard = conn.recv(65536)
                if not heard:
                    break
                count += len(heard)
                conn.sendall(heard.upper())
            if not self.context:
                conn.sendall(b"bye %d\n" % count)
        except OSError:
            pass
        finally:
            conn.close()


class Frames(threading.Thread):
    """A server of WebSocket that gives texts back in capitals."""

    def __init__(self, folder=None, host="127.0.0.1"):
        super().__init__(daemon=True)
        self.host = host
        self.context, self.ready = None, threading.Event()
        if folder:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(f"{folder}/server.crt",
                                         f"{folder}/server.key")
        self.start()
        self.ready.wait(30)

    async def talk(self, conn, *_):
        async for text in conn:
            await conn.send(text.upper())

    async def main(self):
        server = await websockets.serve(self.talk, self.host, 0,
                                        ssl=self.context)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await asyncio.Future()

    def run(self):
        asyncio.run(self.main())


class Nghttpd:
    """A server of HTTP/2 that is not ours."""

    def __init__(self, folder, tls, host="127.0.0.1"):
        with socket.create_server((host, 0)) as door:
            self.port = door.getsockname()[1]
        os.makedirs(f"{folder}/pages", exist_ok=True)
        for path, page in (("small", b"a small page"), ("large", LARGE)):
            with open(f"{folder}/pages/{path}", "wb") as file:
                file.write(page)
        papers = ([f"{folder}/server.key", f"{folder}/server.crt"] if tls
                  else [])
        self.process = subprocess.Popen(
            ["nghttpd", *([] if tls else ["--no-tls"]), "-a", host, "-d",
             f"{folder}/pages", str(self.port), *papers],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                socket.create_connection((host, self.port), 1).close()
                return
            except OSError:
                threading.Event().wait(0.05)
        sys.exit("nghttpd did not start")


# ---- the way there ----------------------------------------------------------


def knock(way, at, port):
    """A socket to NAME:port by this way, which begins `at` HOST:PORT."""
    host, _, door = at.rpartition(":")
    sock = socket.create_connection((host, int(door)), 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if way == "http":
        sock.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: a\r\n\r\n"
                     % (NAME.encode(), port))
        said = b""
        while b"\r\n\r\n" not in said:
            said += sock.recv(1) or b"\r\n\r\n"
        assert said.startswith(b"HTTP/1.1 200"), said
    elif way == "socks":
        sock.sendall(b"\5\1\0")
        assert sock.recv(2, socket.MSG_WAITALL) == b"\5\0"
        sock.sendall(b"\5\1\0\3" + bytes([len(NAME)]) + NAME.encode() +
                     port.to_bytes(2, "big"))
        assert sock.recv(10, socket.MSG_WAITALL)[:2] == b"\5\0"
    return sock


def trusting(folder, way):
    """Who signs by this way: the attacker, or the server itself."""
    passed = "pass-tls" in way
    return f"{folder}/server.crt" if passed else f"{folder}/rogue/ca.crt"


def sealed(way, at, port, folder, version=None):
    context = ssl.create_default_context(cafile=trusting(folder, way))
    if version:
        context.maximum_version = version
    return context.wrap_socket(knock(way, at, port), server_hostname=NAME)


def curl_by(way, at, port, folder, url, *words):
    how = {"http": ["-p", "-x", f"http://{at}"],
           "socks": ["--socks5-hostname", at]}.get(
               way, ["--connect-to", f"{NAME}:{port}:{at}"])
    return run("curl", "-sS", "-m", "50", "--noproxy", "", "--cacert",
               trusting(folder, way), *how, *words, url, quiet=False)


# ---- one function a protocol: what came, and what should have ---------------


def page(scheme, version, *words):
    def fetch(way, at, port, folder):
        got = curl_by(way, at, port, folder, f"{scheme}://{NAME}:{port}/large",
                      *words)
        assert got == LARGE, f"{len(got)} bytes"
        shown = curl_by(way, at, port, folder,
                        f"{scheme}://{NAME}:{port}/small", "-o", "/dev/null",
                        "-w", "%{http_version} %{response_code}", *words)
        assert shown == f"{version} 200".encode(), shown
    return fetch


def many_streams(scheme):
    def fetch(way, at, port, folder):
        if not shutil.which("nghttp"):
            raise Missing("nghttp")
        said = run("nghttp", "-nv", "-m", "8", "-H",
                   f":authority: {NAME}:{port}",
                   f"{scheme}://{at}/large").decode()
        assert said.count(":status: 200") == 8, said[-2000:]
    return fetch


def frames(scheme):
    def talk(way, at, port, folder):
        if not websockets:
            raise Missing("python3-websockets")
        said = ["one", "two" * 50_000, ""]

        async def go():
            seal = {}
            if scheme == "wss":
                seal = {"ssl": ssl.create_default_context(
                    cafile=trusting(folder, way)), "server_hostname": NAME}
            async with websockets.connect(
                    f"{scheme}://{NAME}:{port}/", open_timeout=50,
                    sock=knock(way, at, port), **seal) as conn:
                for text in said:
                    await conn.send(text)
                return [await conn.recv() for _ in said]
        got = asyncio.run(go())
        assert got == [text.upper() for text in said], got
    return talk


def bytes_in_clear(way, at, port, folder):
    """The server speaks first, where it is asked for before the victim has
    said anything, and answers after the victim has said all."""
    with knock(way, at, port) as conn:
        stream = conn.makefile("rb")
        if way not in TAKES_OVER:
            assert stream.readline() == b"hello\n"
        conn.sendall(b"\0words" * 10_000)
        if way in TAKES_OVER:
            assert stream.readline() == b"hello\n"
        conn.shutdown(socket.SHUT_WR)
        got = stream.read()
        assert got == b"\0WORDS" * 10_000 + b"bye 60000\n", len(got)


def bytes_in_tls(way, at, port, folder):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with sealed(way, at, port, folder, version) as conn:
            stream = conn.makefile("rb")
            assert stream.readline() == b"hello\n"
            conn.sendall(b"\0words" * 10_000)
            assert stream.read(60_000) == b"\0WORDS" * 10_000


def elsewhere(test):
    return f"real clients in {test}"


# name: what plays it, the scheme of reverse, the server; ways with a reason
# instead. What is not named here is played by all four ways.
PROTOCOLS = {
    "HTTP/1.1": (page("http", "1.1"), "http", "clear",
                 {"sni,pass-tls": SEALED}),
    "HTTPS": (page("https", "1.1"), "https", "sealed", {}),
    "HTTP/2": (page("https", "2", "--http2"), "https", "h2", {}),
    "HTTP/2, 8 streams": (many_streams("https"), "https", "h2", {
        "sni": "nghttp gives no name but the one it connects to",
        "sni,pass-tls": "nghttp gives no name but the one it connects to",
        "http": "nghttp knows of no proxy",
        "socks": "nghttp knows of no proxy"}),
    "h2c": (page("http", "2", "--http2-prior-knowledge"), "http", "h2c",
            {"sni,pass-tls": SEALED}),
    "ws": (frames("ws"), "http", "ws", {"sni,pass-tls": SEALED}),
    "wss": (frames("wss"), "https", "wss", {}),
    "bytes": (bytes_in_clear, "tcp", "upper",
              {"sni": NAMELESS, "sni,pass-tls": NAMELESS}),
    "bytes in TLS": (bytes_in_tls, "tls", "uppertls", {}),
    "STARTTLS": (None, None, None, {
        "reverse": elsewhere("starttls_live.py: smtp, imap, pop3, ftp"),
        "sni": NAMELESS, "sni,pass-tls": NAMELESS,
        "http": LOW_PORT, "socks": LOW_PORT}),
    "DNS": (None, None, None, {
        "reverse": elsewhere("dns_live.py, over UDP and TCP"),
        "sni": NAMELESS, "sni,pass-tls": NAMELESS,
        "http": "a resolver is asked directly",
        "socks": "a resolver is asked directly"}),
}


def play(name, pair, how, *arguments):
    """1 if it went wrong."""
    try:
        how(*arguments)
    except Missing as lack:
        print(f"{name}, {pair}: skipped, this machine has no {lack}")
        return bool(os.environ.get("CI"))
    except Exception as error:  # all of them, each with its pair
        print(f"BAD {name}, {pair}: {type(error).__name__}: {error}",
              flush=True)
        return 1
    print(f"{name}, {pair}: ok", flush=True)
    return 0


def start_servers(folder, host="127.0.0.1"):
    ports = {"clear": serve(host=host), "sealed": serve(folder, host),
             "upper": Upper(host=host).port,
             "uppertls": Upper(folder, host).port}
    if websockets:
        ports.update(ws=Frames(host=host).port, wss=Frames(folder, host).port)
    processes = []
    if shutil.which("nghttpd"):
        for name, tls in (("h2", True), ("h2c", False)):
            server = Nghttpd(folder, tls, host)
            ports[name] = server.port
            processes.append(server.process)
    return ports, processes


def listeners(ports):
    """(way, server) of each listener, and the words for it. Where the victim
    names a server it names no port, sni has a listener for each."""
    wanted = {("http", None): "http@127.0.0.1:0",
              ("socks", None): "socks@127.0.0.1:0"}
    for how, scheme, server, _ in PROTOCOLS.values():
        if not how or server not in ports:
            continue
        port = ports[server]
        wanted["reverse", server] = (
            f"reverse@127.0.0.1:0={scheme}://{NAME}:{port}")
        for way in ("sni", "sni,pass-tls"):
            if server not in ("upper", "clear", "ws", "h2c") or way == "sni":
                wanted[way, server] = f"{way}@127.0.0.1:0={port}"
    return wanted


class Stage:
    """As many proxies as it takes: a proxy has sixteen listeners."""

    def __init__(self, program, folder, ports, *words):
        self.at, self.proxies = {}, []
        wanted = list(listeners(ports).items())
        for first in range(0, len(wanted), 16):
            some = wanted[first:first + 16]
            proxy = Proxy(program, folder, [text for _, text in some], *words)
            self.proxies.append(proxy)
            for (key, _), port in zip(some, proxy.ports):
                self.at[key] = f"127.0.0.1:{port}"

    def of(self, way, server):
        return self.at[way, None if way in ("http", "socks") else server]

    def end(self):
        codes = [proxy.end() for proxy in self.proxies]
        if any(codes):
            print(f"BAD proxies ended with {codes}")
        return sum(map(bool, codes))


def all_pairs(stage, ports, folder):
    bad = 0
    for name, (how, _, server, reasons) in PROTOCOLS.items():
        for way in WAYS:
            if way in TAKES_OVER:
                reason = AT_A_PLACE
            else:
                reason = reasons.get(way)
            if reason:
                print(f"{name}, {way}: not here; {reason}")
            elif server not in ports:
                print(f"{name}, {way}: skipped, this machine has no server")
                bad += bool(os.environ.get("CI"))
            else:
                bad += play(name, way, how, way, stage.of(way, server),
                            ports[server], folder)
    return bad


# ---- what is odd about TLS --------------------------------------------------

REQUEST = (f"GET /small HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"
           .encode())


def in_pieces(record):
    """One byte at a time."""
    return [record[i:i + 1] for i in range(len(record))]


def in_records(record):
    """The hello in records of its own of up to 37 bytes, the first has 1."""
    body = record[5:]
    cuts = [0, 1, *range(38, len(body), 37), len(body)]
    return [record[:3] + len(body[a:b]).to_bytes(2, "big") + body[a:b]
            for a, b in zip(cuts, cuts[1:])]


def odd_hello(cut, protocols):
    """A client of Python whose hello goes out in pieces of our choice."""
    def send(conn, out, first):
        for piece in cut(out) if cut and first else [out]:
            conn.sendall(piece)

    def talk(way, at, port, folder):
        context = ssl.create_default_context(cafile=trusting(folder, way))
        context.set_alpn_protocols(protocols)
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(came, goes, server_hostname=NAME)
        with knock(way, at, port) as conn:
            first = True

            def pump(step):
                nonlocal first
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        out = goes.read()
                        send(conn, out, first)
                        first = False
                        heard = conn.recv(65536)
                        if heard:
                            came.write(heard)
                        else:
                            came.write_eof()
            pump(tls.do_handshake)
            tls.write(REQUEST)
            got = b""
            while b"a small page" not in got:
                more = pump(lambda: tls.read(65536))
                assert more, got
                got += more
    return talk


def carry(one, other):
    try:
        while True:
            heard = one.recv(65536)
            if not heard:
                break
            other.sendall(heard)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def bridge(way, at, port):
    """For a client that knows of no SOCKS: one connection to this port is one
    by that way."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve_one():
        conn, _ = door.accept()
        door.close()
        far = knock(way, at, port)
        back = threading.Thread(target=carry, args=(far, conn), daemon=True)
        back.start()
        carry(conn, far)
        back.join()
        conn.close()
        far.close()
    threading.Thread(target=serve_one, daemon=True).start()
    return "127.0.0.1:%d" % door.getsockname()[1]


def s_client(way, at, port, folder, *words, said=REQUEST):
    """It asks, and waits for the server to end it; a command of its own
    otherwise (R)."""
    if way == "socks":
        at = bridge(way, at, port)
    where = (["-proxy", at, "-connect", f"127.0.0.1:{port}"]
             if way == "http" else ["-connect", at])
    if said == REQUEST:
        words = ("-ign_eof", *words)
    takes, gives = os.pipe()
    os.write(gives, said)
    try:
        done = subprocess.run(
            ["openssl", "s_client", *where, "-servername", NAME, "-CAfile",
             trusting(folder, way), *words], stdin=takes, timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    finally:
        os.close(takes)
        os.close(gives)
    return done.stdout.decode("latin-1")


def second_hello(way, at, port, folder):
    """The server side wants P-384, the client offers it without a share."""
    said = s_client(way, at, port, folder, "-groups", "X25519:P-384", "-msg",
                    "-tls1_3")
    sent = sum(1 for line in said.splitlines()
               if line.startswith(">>> ") and "ClientHello" in line)
    assert sent == 2, f"{sent} hellos"
    assert "a small page" in said, said[-500:]


def early_data(way, at, port, folder):
    """With a ticket of the server itself, which allows it."""
    with open(f"{folder}/early", "wb") as file:
        file.write(b"GET /early HTTP/1.1\r\n\r\n")
    said = s_client(way, at, port, folder, "-sess_in", f"{folder}/ticket",
                    "-early_data", f"{folder}/early", "-tls1_3")
    assert "Early data was rejected" in said, said[-900:]
    assert "a small page" in said, said[-500:]


def renegotiation(way, at, port, folder):
    said = s_client(way, at, port, folder, "-tls1_2", said=b"R\n")
    assert "RENEGOTIATING" in said, said[-500:]
    assert "no renegotiation" in said, said[-500:]


def make_ticket(folder):
    """One that allows early data, from a server of openssl with the same
    papers."""
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
         f"{folder}/server.crt", "-key", f"{folder}/server.key", "-early_data",
         "-max_early_data", "4096"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    port = None
    while port is None:
        line = server.stdout.readline()
        assert line, "openssl s_server did not start"
        if line.startswith(b"ACCEPT"):
            port = line.split(b":")[-1].strip().decode()
    ticket = f"{folder}/ticket"
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}",
             "-servername", NAME, "-sess_out", ticket],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) as client:
        for _ in range(600):
            if os.path.exists(ticket) and os.path.getsize(ticket):
                break
            threading.Event().wait(0.05)
        client.kill()
    server.kill()
    server.wait()


MANY = ["http/1.1"] + [f"protocol-number-{i:03}" for i in range(100)]

ODDITIES = {
    "a hello byte by byte": odd_hello(in_pieces, ["http/1.1"]),
    "a hello in many records": odd_hello(in_records, ["http/1.1"]),
    "a hello as long as with post-quantum shares": odd_hello(None, MANY),
    "a long hello in many records": odd_hello(in_records, MANY),
    "HelloRetryRequest": second_hello,
    "0-RTT is refused": early_data,
    "renegotiation is refused": renegotiation,
}


def all_oddities(program, folder, stage, ports):
    bad = 0
    make_ticket(folder)
    picky = Stage(program, folder, {"sealed": ports["sealed"]}, "--tls-victim",
                  "groups=P-384")
    for name, how in ODDITIES.items():
        for way in ("reverse", "sni", "http", "socks", "sni,pass-tls"):
            at = picky if name == "HelloRetryRequest" else stage
            if way == "sni,pass-tls" and name in ("HelloRetryRequest",
                                                  "0-RTT is refused"):
                print(f"{name}, {way}: not here; the server decides")
                continue
            bad += play(name, way, how, way, at.of(way, "sealed"),
                        ports["sealed"], folder)
    return bad + picky.end()


# ---- all at once ------------------------------------------------------------


def all_at_once(stage, ports, folder):
    """Each pair twice, all of them together."""
    results, threads = [], []

    def one(name, how, way, server):
        try:
            how(way, stage.of(way, server), ports[server], folder)
        except Missing:
            pass
        except Exception as error:
            results.append(f"{name}, {way}: {type(error).__name__}: {error}")
    for name, (how, _, server, reasons) in PROTOCOLS.items():
        for way in WAYS[:5]:
            if how and server in ports and way not in reasons:
                threads += [threading.Thread(target=one, args=(
                    name, how, way, server)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        print(f"BAD at once: {result}")
    print(f"all at once: {len(threads) - len(results)} of {len(threads)} "
          "clients were right")
    return len(results)


def main():
    for name in [name for name in os.environ if
                 name.lower().endswith("_proxy")]:
        del os.environ[name]  # the machine's own
    for program in ("openssl", "curl"):
        if not shutil.which(program):
            print(f"skipped: this machine has no {program}")
            sys.exit(1 if os.environ.get("CI") else 77)
    with tempfile.TemporaryDirectory() as folder:
        make_papers(folder)
        ports, processes = start_servers(folder)
        stage = Stage(sys.argv[1], folder, ports)
        try:
            bad = all_pairs(stage, ports, folder)
            bad += all_oddities(sys.argv[1], folder, stage, ports)
            bad += all_at_once(stage, ports, folder)
            bad += stage.end()
        finally:
            for process in processes:
                process.kill()
        sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
