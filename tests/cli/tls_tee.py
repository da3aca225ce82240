#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in a connection and writes down what its opener says first.

usage: tls_tee.py PORT FILE: passes one connection on to 127.0.0.1:PORT; FILE
gets a dump that text2pcap(1) reads. The first line printed is the port to
connect to."""
import socket
import sys
import threading


def pump(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def first_record(source):
    data = b""
    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
        more = source.recv(65536)
        if not more:
            break
        data += more
    return data


door = socket.create_server(("127.0.0.1", 0))
print(f'{{"kind":"ready","data":{{"listen":["127.0.0.1:{door.getsockname()[1]}"'
      ']}}', flush=True)
opener, _ = door.accept()
acceptor = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
said = first_record(opener)
with open(sys.argv[2], "w", encoding="ascii") as dump:
    for at in range(0, len(said), 16):
        print(f"{at:06x} {said[at:at + 16].hex(' ')}", file=dump)
acceptor.sendall(said)
threading.Thread(target=pump, args=(acceptor, opener), daemon=True).start()
pump(opener, acceptor)
