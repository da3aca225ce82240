#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""STARTTLS through the proxy, with real clients: openssl s_client and
Python's own for SMTP, IMAP, POP3 and FTP, in front of a server that says no
more than it must. usage: starttls_live.py PROGRAM"""

import atexit
import ftplib
import imaplib
import json
import os
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

NAME = "bank.lab.test"

# what the server says first; the command that begins TLS; its yes; and what
# is answered to commands by their first word
TALKS = {
    "smtp": (b"220 mail.lab.test ESMTP\r\n", b"STARTTLS", b"220 go\r\n", {
        b"EHLO": b"250-mail.lab.test\r\n250 STARTTLS\r\n",
        b"HELO": b"250 mail.lab.test\r\n",
        b"QUIT": b"221 bye\r\n", b"": b"250 fine\r\n"}),
    "imap": (b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", b"STARTTLS",
             b"OK begin\r\n", {
        b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n",
        b"LOGOUT": b"* BYE\r\nTAG OK bye\r\n", b"": b"TAG OK fine\r\n"}),
    "pop3": (b"+OK ready\r\n", b"STLS", b"+OK begin\r\n", {
        b"CAPA": b"+OK\r\nSTLS\r\n.\r\n", b"STAT": b"+OK 2 320\r\n",
        b"": b"+OK fine\r\n"}),
    "ftp": (b"220 ready\r\n", b"AUTH TLS", b"234 go\r\n", {
        b"FEAT": b"211-\r\n AUTH TLS\r\n211 End\r\n",
        b"USER": b"331 password\r\n", b"PASS": b"230 in\r\n",
        b"PWD": b'257 "/"\r\n', b"QUIT": b"221 bye\r\n",
        b"": b"200 fine\r\n"}),
}


class Server(threading.Thread):
    """One protocol at a port of its own; `heard` is what came, in clear or
    through TLS."""

    def __init__(self, kind, papers, says_yes=True, at=("127.0.0.1", 0)):
        super().__init__(daemon=True)
        self.kind, self.says_yes = kind, says_yes
        self.heard = {"clear": [], "tls": []}
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(papers + "/server.crt",
                                     papers + "/server.key")
        self.door = socket.create_server(at)
        self.port = self.door.getsockname()[1]
        self.start()

    def run(self):
        while True:
            conn, _ = self.door.accept()
            threading.Thread(target=self.serve, args=(conn,),
                             daemon=True).start()

    def serve(self, conn):
        hello, begins, yes, answers = TALKS[self.kind]
        conn.sendall(hello)
        where, rest = "clear", b""
        try:
            while True:
                while b"\n" not in rest:
                    more = conn.recv(4096)
                    if not more:
                        return
                    rest += more
                line, rest = rest.split(b"\n", 1)
                line = line.strip()
                self.heard[where].append(line)
                tag, command = b"", line
                if self.kind == "imap":
                    tag, _, command = line.partition(b" ")
                if command.upper() == begins and where == "clear":
                    if not self.says_yes:
                        no = {"smtp": b"454 no\r\n", "pop3": b"-ERR no\r\n",
                              "ftp": b"504 no\r\n",
                              "imap": tag + b" NO no\r\n"}
                        conn.sendall(no[self.kind])
                        continue
                    conn.sendall((tag + b" " if tag else b"") + yes)
                    conn = self.context.wrap_socket(conn, server_side=True)
                    where, rest = "tls", b""
                    continue
                word = command.split(b" ")[0].upper()
                answer = answers.get(word, answers[b""])
                conn.sendall(answer.replace(b"TAG", tag))
                if b"QUIT" in (word, tag) or word == b"LOGOUT":
                    if where == "tls":
                        conn.unwrap()
                    return
        except (OSError, ssl.SSLError):
            pass
        finally:
            conn.close()


class Proxy:
    def __init__(self, program, papers, server):
        with open(papers + "/hosts", "w") as hosts:
            hosts.write("127.0.0.1 " + NAME + "\n")
        self.process = subprocess.Popen(
            [program, "proxy", "--listen", "127.0.0.1:0", "--upstream",
             "%s://%s:%d" % (server.kind, NAME, server.port), "--hosts",
             papers + "/hosts", "--ca", papers + "/rogue", "--upstream-ca",
             papers + "/trust.pem", "--json"],
            stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        ready = json.loads(self.process.stdout.readline())
        self.port = int(ready["data"]["listen"][0].rsplit(":", 1)[1])

    def stop(self):
        self.process.terminate()
        events = [json.loads(line) for line in self.process.stdout]
        assert self.process.wait() == 0, self.process.returncode
        return events


def trusting(file):
    context = ssl.create_default_context(cafile=file)
    # The name that it asks for is the address that it connects to.
    context.check_hostname = False
    return context


def visit(kind, port, context, host="127.0.0.1"):
    """A whole conversation; raises ssl.SSLError if the client says no."""
    if kind == "smtp":
        with smtplib.SMTP(host, port) as mail:
            mail.starttls(context=context)
            mail.ehlo()
            assert mail.docmd("NOOP")[0] == 250
    elif kind == "imap":
        mail = imaplib.IMAP4(host, port)
        mail.starttls(ssl_context=context)
        assert mail.noop()[0] == "OK"
        mail.logout()
    elif kind == "pop3":
        mail = poplib.POP3(host, port)
        mail.stls(context=context)
        assert mail.stat() == (2, 320)
        mail.quit()
    elif kind == "ftp":
        files = ftplib.FTP_TLS(context=context)
        files.connect(host, port)
        files.login("user", "secret")
        assert files.pwd() == "/"
        files.quit()


def kinds_of(events, kind):
    return [event for event in events if event["kind"] == kind]


def a_victim_that_trusts_the_rogue_is_read(program, papers, kind):
    server = Server(kind, papers)
    proxy = Proxy(program, papers, server)
    visit(kind, proxy.port, trusting(papers + "/rogue/ca.crt"))
    events = proxy.stop()
    assert server.heard["tls"], "nothing came through TLS"
    change = kinds_of(events, "starttls")[0]["data"]
    assert change == {"protocol": kind, "early_up": 0, "early_down": 0}, change
    verdict = kinds_of(events, "tls.verdict")[0]["data"]
    assert verdict["verdict"] == "accepted", verdict
    assert verdict["app_bytes"] > 0, verdict
    hello = kinds_of(events, "tls.hello")[0]
    # The ClientHello stands behind what was said in clear.
    clear = sum(len(line) + 2 for line in server.heard["clear"])
    assert hello["at"] == clear, (hello["at"], clear)


def a_careful_victim_refuses(program, papers, kind):
    server = Server(kind, papers)
    proxy = Proxy(program, papers, server)
    try:
        visit(kind, proxy.port, trusting(papers + "/trust.pem"))
        raise AssertionError("accepted a forged certificate")
    except ssl.SSLCertVerificationError:
        pass
    events = proxy.stop()
    names = [event["data"]["name"] for event in kinds_of(events, "tls.alert")]
    assert "unknown_ca" in names, names
    verdict = kinds_of(events, "tls.verdict")[0]["data"]
    assert (verdict["verdict"], verdict["app_bytes"]) == ("refused", 0)
    assert not server.heard["tls"]


def a_no_of_the_server_passes(program, papers, kind):
    server = Server(kind, papers, says_yes=False)
    proxy = Proxy(program, papers, server)
    no = {"smtp": smtplib.SMTPResponseException, "imap": imaplib.IMAP4.error,
          "pop3": poplib.error_proto, "ftp": ftplib.error_perm}
    try:
        visit(kind, proxy.port, trusting(papers + "/trust.pem"))
        raise AssertionError("began TLS")
    except no[kind]:
        pass
    assert not kinds_of(proxy.stop(), "starttls")


def what_is_said_too_early_never_arrives(program, papers, _):
    server = Server("smtp", papers)
    proxy = Proxy(program, papers, server)
    with socket.create_connection(("127.0.0.1", proxy.port)) as conn:
        stream = conn.makefile("rb")
        stream.readline()
        conn.sendall(b"STARTTLS\r\nMAIL FROM:<injected@lab.test>\r\n")
        assert stream.readline() == b"220 go\r\n"
        tls = trusting(papers + "/rogue/ca.crt").wrap_socket(conn)
        tls.sendall(b"NOOP\r\n")
        assert tls.recv(100) == b"250 fine\r\n"
        tls.close()
    events = proxy.stop()
    assert server.heard["tls"] == [b"NOOP"], server.heard
    assert server.heard["clear"] == [b"STARTTLS"], server.heard
    assert kinds_of(events, "starttls")[0]["data"]["early_up"] == 31


def openssl_comes_through(program, papers, kind):
    server = Server(kind, papers)
    proxy = Proxy(program, papers, server)
    client = subprocess.run(
        ["openssl", "s_client", "-starttls", kind, "-connect",
         "127.0.0.1:%d" % proxy.port, "-servername", NAME, "-CAfile",
         papers + "/rogue/ca.crt", "-verify_return_error", "-verify_hostname",
         NAME, "-quiet"], input=b"QUIT\r\n", capture_output=True, timeout=30,
        check=False)
    events = proxy.stop()
    assert client.returncode == 0, client.stderr
    assert kinds_of(events, "tls.done"), events


def main():
    program = sys.argv[1]
    if not shutil.which("openssl"):
        sys.exit("openssl is not installed")
    papers = tempfile.mkdtemp()
    try:
        subprocess.run([program, "cert", "make", "c00", "--out",
                        papers + "/c"], check=True,
                       stdout=subprocess.DEVNULL)
        papers += "/c"
        for test in (a_victim_that_trusts_the_rogue_is_read,
                     a_careful_victim_refuses, a_no_of_the_server_passes,
                     openssl_comes_through):
            for kind in TALKS:
                test(program, papers, kind)
                print("ok", test.__name__, kind)
        what_is_said_too_early_never_arrives(program, papers, None)
        print("ok what_is_said_too_early_never_arrives")
    finally:
        shutil.rmtree(os.path.dirname(papers))


if __name__ == "__main__":
    main()
