#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The proxy as a victim's way to its resolver, in front of a small resolver
that answers as each test tells it to, and with dig where there is one.
usage: dns_live.py PROGRAM"""

import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from proxy_process import ProxyProcess

NAME = "bank.lab.test"
A, TXT, AAAA, OPT = 1, 16, 28, 41
TRUE, FALSE = "127.66.1.9", "127.66.1.2"


def name_bytes(name):
    return b"".join(bytes([len(it)]) + it.encode()
                    for it in name.split(".")) + b"\0"


def ask_bytes(name, kind=A, number=None, opt=b""):
    number = random.randrange(65536) if number is None else number
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, bool(opt)) + \
        name_bytes(name) + struct.pack(">2H", kind, 1) + opt


def question_of(message):
    at = 12
    while message[at]:
        at += 1 + message[at]
    return message[12:at + 5]


def answer_bytes(query, address=TRUE, count=1, flags=0x8180, number=None):
    """`count` A records for what was asked."""
    kind = struct.unpack(">H", question_of(query)[-4:-2])[0]
    data = socket.inet_aton(address)
    record = struct.pack(">HHHIH", 0xc00c, A, 1, 300, 4) + data
    count = count if kind == A else 0
    head = struct.pack(">6H", number if number is not None else
                       struct.unpack(">H", query[:2])[0], flags, 1, count, 0, 0)
    return head + question_of(query) + record * count


def read_exact(conn, size):
    got = b""
    while len(got) < size:
        more = conn.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def read_framed(conn):
    return read_exact(conn, struct.unpack(">H", read_exact(conn, 2))[0])


def framed(message):
    return struct.pack(">H", len(message)) + message


class Resolver:
    """Both ways at one port. `answers(query, tcp)` gives what is said, a list
    of messages; `heard` is what came: (message, address, tcp)."""

    def __init__(self, answers=None):
        self.answers = answers or (lambda query, tcp: [answer_bytes(query)])
        self.heard = []
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server(("127.0.0.1", self.port))
                break
            except OSError:
                self.udp.close()
        for run in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=run, daemon=True).start()

    def serve_udp(self):
        while True:
            query, address = self.udp.recvfrom(65535)
            self.heard.append((query, address, False))
            for answer in self.answers(query, False):
                self.udp.sendto(answer, address)

    def serve_tcp(self):
        while True:
            conn, address = self.tcp.accept()
            with conn:
                try:
                    query = read_framed(conn)
                    self.heard.append((query, address, True))
                    for answer in self.answers(query, True):
                        # In two pieces: TCP knows no messages.
                        conn.sendall(framed(answer)[:5])
                        conn.sendall(framed(answer)[5:])
                except (EOFError, OSError):
                    pass


class Proxy(ProxyProcess):
    def __init__(self, program, folder, port, *more):
        super().__init__(program, folder, "--upstream",
                         "dns://127.0.0.1:%d" % port, *more)

    def udp(self, message, wait=20.0):
        """What is answered to a datagram; None: nothing."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
            victim.connect(("127.0.0.1", self.port))
            victim.send(message)
            ready, _, _ = select.select([victim], [], [], wait)
            return victim.recv(65535) if ready else None

    def tcp(self):
        conn = socket.create_connection(("127.0.0.1", self.port))
        conn.settimeout(20)
        return conn


def of_kind(events, kind, leg=None):
    return [it for it in events if it["kind"] == kind and
            (leg is None or it["leg"] == leg)]


def lie(*words):
    return ("--attack", ",".join(("dns-answer", "name=" + NAME) + words))


def questions_and_answers_pass(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port) as proxy:
        opt = b"\0" + struct.pack(">HHIH", OPT, 1232, 0, 0)
        query = ask_bytes(NAME, number=7, opt=opt)
        assert proxy.udp(query) == answer_bytes(query)
        assert resolver.heard[0][0][2:] == query[2:], "EDNS must pass as it is"
        events = proxy.stop()
    asked = of_kind(events, "dns.query")
    assert [it["leg"] for it in asked] == ["victim", "server"], asked
    assert asked[0]["data"] == {"transport": "udp", "id": 7, "name": NAME,
                                "type": "A"}, asked
    came = struct.unpack(">H", resolver.heard[0][0][:2])[0]
    assert asked[1]["data"]["id"] == came
    for told in of_kind(events, "dns.answer"):
        assert told["data"]["answers"] == [NAME + " 300 A " + TRUE], told
        assert told["data"]["rcode"] == "NOERROR" and \
            not told["data"]["changed"]


def each_question_has_an_id_and_a_port_of_its_own(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port) as proxy:
        for _ in range(20):
            assert proxy.udp(ask_bytes(NAME, number=1))[:2] == b"\0\1"
        proxy.stop()
    assert len({it[0][:2] for it in resolver.heard}) > 15
    assert len({it[1][1] for it in resolver.heard}) > 15


def an_answer_that_fits_no_question_is_waited_past(program, folder):
    def answers(query, _):
        other = ask_bytes("other.lab.test", number=0)
        number = struct.unpack(">H", query[:2])[0]
        return [answer_bytes(query, FALSE, number=number ^ 1),
                answer_bytes(other, FALSE, number=number), query,
                b"\0" * 11, answer_bytes(query)[:-1], answer_bytes(query)]
    resolver = Resolver(answers)
    with Proxy(program, folder, resolver.port) as proxy:
        query = ask_bytes(NAME)
        assert proxy.udp(query) == answer_bytes(query)
        refused = of_kind(proxy.stop(), "dns.refused")
    assert len(refused) == 5, refused
    assert [it["leg"] for it in refused] == ["server"] * 5


def tcp_carries_what_does_not_fit(program, folder):
    def answers(query, tcp):
        if tcp:
            return [answer_bytes(query, count=4000)]
        return [answer_bytes(query, count=0, flags=0x8380)]
    resolver = Resolver(answers)
    with Proxy(program, folder, resolver.port) as proxy:
        query = ask_bytes(NAME)
        short = proxy.udp(query)
        assert short == answer_bytes(query, count=0, flags=0x8380), short
        with proxy.tcp() as conn:
            # Two questions at once, the second in pieces.
            second = framed(ask_bytes("shop.lab.test", number=9))
            conn.sendall(framed(query) + second[:1])
            assert read_framed(conn) == answer_bytes(query, count=4000)
            conn.sendall(second[1:])
            conn.shutdown(socket.SHUT_WR)
            assert read_framed(conn)[:2] == b"\0\x09"
            assert conn.recv(1) == b""
        events = proxy.stop()
    truncated = [it["data"]["truncated"] for it in
                 of_kind(events, "dns.answer", "victim")]
    assert truncated == [True, False, False], truncated
    asked = [(it["at"], it["len"]) for it in
             of_kind(events, "dns.query", "victim")
             if it["data"]["transport"] == "tcp"]
    size = len(framed(query))
    assert asked == [(0, size), (size, len(second))], asked


def nonsense_is_told_and_harms_nobody(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port) as proxy:
        for bad in (b"", b"x", b"\0" * 12, ask_bytes(NAME)[:-1],
                    ask_bytes(NAME) + b"x", answer_bytes(ask_bytes(NAME)),
                    ask_bytes(NAME)[:12] + b"\xc0\x0c\0\1\0\1"):
            assert proxy.udp(bad, 0.1) is None, bad
        with proxy.tcp() as conn:
            conn.sendall(b"\0\0GET / HTTP/1.1\r\n\r\n")
            try:
                assert conn.recv(1) == b""
            except ConnectionResetError:
                pass
        assert proxy.udp(ask_bytes(NAME))
        events = proxy.stop()
    assert len(resolver.heard) == 1, resolver.heard
    assert len(of_kind(events, "dns.refused", "victim")) == 7


def a_dead_resolver_is_told_of(program, folder):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with Proxy(program, folder, port) as proxy:
        assert proxy.udp(ask_bytes(NAME), 0.3) is None
        with proxy.tcp() as conn:
            conn.sendall(framed(ask_bytes(NAME)))
            conn.shutdown(socket.SHUT_WR)
            assert conn.recv(1) == b""
        assert len(of_kind(proxy.stop(), "dns.refused", "server")) == 2


def a_silent_resolver_fills_a_bounded_table(program, folder):
    most, patience = 512, 5
    resolver = Resolver(lambda query, _: [answer_bytes(query)]
                        if b"loud" in query else [])
    with Proxy(program, folder, resolver.port) as proxy, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.connect(("127.0.0.1", proxy.port))
        begun = time.monotonic()
        for count in range(most):
            victim.send(ask_bytes(NAME))
            while len(resolver.heard) <= count:
                time.sleep(0.0002)
        full = time.monotonic() - begun < patience / 2
        assert proxy.udp(ask_bytes("loud.lab.test"), 0.2) is None or not full
        while not of_kind(proxy.events(), "dns.refused"):
            time.sleep(0.1)
        assert time.monotonic() - begun > patience * 0.9
        while not proxy.udp(ask_bytes("loud.lab.test"), 0.5):
            assert time.monotonic() - begun < 60
        refused = of_kind(proxy.stop(), "dns.refused", "server")
        assert "in time" in refused[0]["data"]["sentence"], refused[0]


def address_in(message):
    return socket.inet_ntoa(message[-4:])


def an_attacker_answers_in_the_resolvers_place(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port,
               *lie("address=" + FALSE)) as proxy:
        query = ask_bytes(NAME.upper())
        said = proxy.udp(query)
        assert said[:2] == query[:2] and address_in(said) == FALSE, said
        # There is no address of the other family.
        said = proxy.udp(ask_bytes(NAME, AAAA))
        assert struct.unpack(">H", said[6:8])[0] == 0
        with proxy.tcp() as conn:
            conn.sendall(framed(query))
            assert address_in(read_framed(conn)) == FALSE
        assert not resolver.heard, resolver.heard
        # Of no other name a word is changed.
        assert address_in(proxy.udp(ask_bytes("not" + NAME))) == TRUE
        events = proxy.stop()
    lies = of_kind(events, "dns.lie")
    assert [it["data"]["how"] for it in lies] == ["answer"] * 3, lies
    changed = [it["data"]["changed"] for it in
               of_kind(events, "dns.answer", "victim")]
    assert changed == [True, True, True, False], changed


def an_attacker_edits_denies_and_keeps_silent(program, folder):
    resolver = Resolver(lambda query, _: [answer_bytes(query, count=3)])
    with Proxy(program, folder, resolver.port,
               *lie("address=" + FALSE, "how=edit", "ttl=7")) as proxy:
        query = ask_bytes(NAME)
        said = proxy.udp(query)
        wanted = answer_bytes(query, FALSE, 3).replace(
            struct.pack(">I", 300), struct.pack(">I", 7))
        assert said == wanted, (said, wanted)
        told = of_kind(proxy.stop(), "dns.answer")
    assert told[0]["data"]["answers"] == [NAME + " 300 A " + TRUE] * 3
    assert told[1]["data"]["answers"] == [NAME + " 7 A " + FALSE] * 3
    with Proxy(program, folder, resolver.port, *lie("how=nxdomain")) as proxy:
        assert proxy.udp(ask_bytes(NAME))[3] & 15 == 3
    with Proxy(program, folder, resolver.port, *lie("how=drop")) as proxy:
        assert proxy.udp(ask_bytes(NAME), 0.3) is None
        assert not of_kind(proxy.stop(), "dns.answer")


def what_lies_outside_the_lab_is_refused(program, folder):
    def code(*words):
        return subprocess.run([program, "proxy", "--listen", "127.0.0.1:0",
                               *words], stderr=subprocess.DEVNULL, timeout=30,
                              check=False).returncode
    here = ("--upstream", "dns://127.0.0.1:53")
    assert code("--upstream", "dns://192.0.2.53") == 6
    assert code("--upstream", "dns://resolver.lab.test") == 6
    assert code(*here, *lie("address=198.51.100.1")) == 6
    assert code(*here, "--attack",
                "dns-answer,name=example.com,address=127.0.0.1") == 6
    assert code(*here, *lie()) == 2
    assert code(*here, *lie("address=" + FALSE, "ttl=-1")) == 2
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
    assert code("--listen", "http@127.0.0.1:0=dns://127.0.0.1:53") == 2
    assert code("--listen", "127.0.0.1:%d=dns://127.0.0.1:%d" %
                (port, port)) == 2


def a_person_reads_where_a_name_leads(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port,
               *lie("address=" + FALSE)) as proxy:
        proxy.udp(ask_bytes(NAME))
        proxy.udp(ask_bytes("shop.lab.test"))
        proxy.stop()
    with open(folder + "/lines", encoding="utf-8") as lines:
        said = lines.read()
    assert " A response-changed (%s)\n" % FALSE in said, said
    assert " dns shop.lab.test up " in said and \
        " A (%s)\n" % TRUE in said, said


def records_in(message):
    """(name, type, ttl, data) of each answer; names are not compressed there
    but by a pointer to the question."""
    count = struct.unpack(">H", message[6:8])[0]
    at, found = 12 + len(question_of(message)), []
    for _ in range(count):
        begin = at
        while message[at] and message[at] < 0xc0:
            at += 1 + message[at]
        name = "" if message[at] else message[begin:at]
        at += 2 if message[at] else 1
        kind, _, ttl, size = struct.unpack(">HHIH", message[at:at + 10])
        found.append((name, kind, ttl, message[at + 10:at + 10 + size]))
        at += 10 + size
    return found


SCRIPT = r"""
function on_dns(flow)
  if flow.answers then
    assert(flow.rcode == "NOERROR" and flow.victim)
    if flow.name == "edit.lab.test" then
      flow.answers = { { type = "A", data = flow.answers[1].data, ttl = 9 },
                       "127.66.1.2" }
    elseif flow.name == "silent.lab.test" then
      flow:drop()
    elseif flow.answers[1] then
      assert(flow.answers[1].ttl == 300 and flow.answers[1].type == "A")
      flow.ttl = 5
    end
  elseif flow.name == "bank.lab.test" and flow.type == "A" then
    flow.answers = { "127.66.1.2" }
  elseif flow.name == "six.lab.test" then
    flow.answers = { "::1" }
  elseif flow.name == "alias.lab.test" then
    flow.answers = { { type = "CNAME", data = "bank.lab.test", ttl = 7 },
                     { name = "bank.lab.test", type = "A",
                       data = "127.66.1.2" } }
  elseif flow.name == "gone.lab.test" then
    flow.rcode = "NXDOMAIN"
  elseif flow.name == "drop.lab.test" then
    flow:drop()
  elseif flow.name == "out.lab.test" then
    flow.answers = { "198.51.100.1" }
  elseif flow.name == "www.example.com" then
    flow.answers = { "127.66.1.2" }
  elseif flow.name == "odd.lab.test" then
    flow.answers = { { type = "MX", data = "x" } }
  elseif flow.name == "early.lab.test" then
    flow.ttl = 5
  end
end
"""


def a_script_answers_edits_denies_and_keeps_silent(program, folder):
    with open(folder + "/dns.lua", "w", encoding="ascii") as script:
        script.write(SCRIPT)
    resolver = Resolver()
    with Proxy(program, folder, resolver.port, "--script",
               folder + "/dns.lua") as proxy:
        lie = socket.inet_aton(FALSE)
        assert proxy.udp(ask_bytes(NAME))[-4:] == lie
        six = proxy.udp(ask_bytes("six.lab.test", AAAA))
        assert records_in(six) == [("", AAAA, 60, bytes(15) + b"\1")], six
        assert records_in(proxy.udp(ask_bytes("alias.lab.test"))) == [
            ("", 5, 7, name_bytes(NAME)),
            (name_bytes(NAME)[:-1], A, 60, lie)]
        gone = proxy.udp(ask_bytes("gone.lab.test"))
        assert gone[3] & 15 == 3 and not records_in(gone), gone
        assert proxy.udp(ask_bytes("drop.lab.test"), 0.3) is None
        assert not resolver.heard, resolver.heard
        # With what the resolver says.
        true = socket.inet_aton(TRUE)
        assert records_in(proxy.udp(ask_bytes("edit.lab.test"))) == [
            ("", A, 9, true), ("", A, 60, lie)]
        with proxy.tcp() as conn:
            conn.sendall(framed(ask_bytes("other.lab.test")))
            assert records_in(read_framed(conn)) == [("", A, 5, true)]
        assert proxy.udp(ask_bytes("silent.lab.test"), 0.3) is None
        # What a script may not say is an error, and nothing is changed.
        for name in ("out.lab.test", "www.example.com", "odd.lab.test",
                     "early.lab.test"):
            assert address_in(proxy.udp(ask_bytes(name))) == TRUE, name
        events = proxy.stop()
    said = [it["data"]["sentence"] for it in of_kind(events, "script.error")]
    for words in ("outside the lab", "www.example.com is outside the lab",
                  "not MX", "no answer yet"):
        assert any(words in it for it in said), (words, said)
    assert len(said) == 4, said


def a_rule_drops_questions_and_a_filter_chooses_lines(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port, "-v", "--rule",
               "kind == dns && host ~ shop && request : drop", "--rule",
               "host ~ bank : drop", "--show",
               "kind == dns && (host ~ bank || type == AAAA)") as proxy:
        assert proxy.udp(ask_bytes("shop.lab.test"), 0.3) is None
        # One that does not speak of kind is about HTTP.
        assert address_in(proxy.udp(ask_bytes(NAME))) == TRUE
        assert proxy.udp(ask_bytes("other.lab.test"))
        assert proxy.udp(ask_bytes("six.lab.test", AAAA))
        assert len(of_kind(proxy.stop(), "rule.acted")) == 1
    assert len(resolver.heard) == 3
    with open(folder + "/lines", encoding="utf-8") as lines:
        said = lines.read().splitlines()
    assert [it.split(" ")[3] for it in said if it[0] != " "] == \
        [NAME, "six.lab.test"], said
    assert said[1] == "  < %s 300 A %s" % (NAME, TRUE), said


def no_name_commands_the_terminal(program, folder):
    resolver = Resolver()
    with Proxy(program, folder, resolver.port, "-vv") as proxy:
        assert proxy.udp(ask_bytes("a\33]0;x\7b.lab.test"))
        proxy.stop()
    with open(folder + "/lines", "rb") as lines:
        said = lines.read()
    assert b"a\\x5c027]0;x\\x5c007b" in said or b"\\027]0" in said, said
    assert all(it == 10 or 32 <= it < 127 for it in said), said


def dig_comes_through(program, folder):
    if not shutil.which("dig"):
        if os.environ.get("CI"):
            sys.exit("CI must not skip this: no dig")
        print("skipped: this machine has no dig")
        return
    resolver = Resolver()
    with Proxy(program, folder, resolver.port,
               *lie("address=" + FALSE)) as proxy:
        for name, address in ((NAME, FALSE), ("shop.lab.test", TRUE)):
            for way in ("+notcp", "+tcp"):
                said = subprocess.run(
                    ["dig", "@127.0.0.1", "-p", str(proxy.port), name, way,
                     "+short", "+tries=1"], capture_output=True, text=True,
                    timeout=30, check=False)
                assert said.returncode == 0, said
                assert said.stdout == address + "\n", said
                assert not said.stderr, said


def main():
    program = sys.argv[1]
    folder = tempfile.mkdtemp()
    try:
        for test in (questions_and_answers_pass,
                     each_question_has_an_id_and_a_port_of_its_own,
                     an_answer_that_fits_no_question_is_waited_past,
                     tcp_carries_what_does_not_fit,
                     nonsense_is_told_and_harms_nobody,
                     a_dead_resolver_is_told_of,
                     a_silent_resolver_fills_a_bounded_table,
                     an_attacker_answers_in_the_resolvers_place,
                     an_attacker_edits_denies_and_keeps_silent,
                     what_lies_outside_the_lab_is_refused,
                     a_person_reads_where_a_name_leads,
                     a_script_answers_edits_denies_and_keeps_silent,
                     a_rule_drops_questions_and_a_filter_chooses_lines,
                     no_name_commands_the_terminal,
                     dig_comes_through):
            test(program, folder)
            print("ok", test.__name__, flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
