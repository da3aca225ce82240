#!/usr/bin/env python3
"""Both ends of a WebSocket, for tests of what a proxy sees in between.

    websocket.py serve               prints its port; says back what it hears
    websocket.py visit PORT WORD...  says each word, prints what it hears

A word that begins with hex: is a binary message, such as hex:0001; ping: is a
ping with what follows; split: comes in two fragments. In the end the visitor
says goodbye (1000, "bye").
"""
import base64
import hashlib
import os
import socket
import struct
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FINAL = {}  # of each connection: did the last frame end its message?


def exactly(conn, size):
    got = b""
    while len(got) < size:
        more = conn.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def head(conn):
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        got += exactly(conn, 1)
    return got.decode("latin-1")


def frame(opcode, data, masked, final=True):
    size = bytes([len(data)]) if len(data) < 126 else \
        b"\x7e" + struct.pack(">H", len(data))
    first = bytes([opcode | (0x80 if final else 0)])
    if not masked:
        return first + size + data
    mask = os.urandom(4)
    hidden = bytes(it ^ mask[i % 4] for i, it in enumerate(data))
    return first + bytes([size[0] | 0x80]) + size[1:] + mask + hidden


def read_frame(conn):
    first, size = exactly(conn, 2)
    FINAL[conn] = bool(first & 0x80)
    masked, size = size & 0x80, size & 0x7f
    if size == 126:
        size, = struct.unpack(">H", exactly(conn, 2))
    mask = exactly(conn, 4) if masked else bytes(4)
    data = exactly(conn, size)
    return first & 15, bytes(it ^ mask[i % 4] for i, it in enumerate(data))


def answer(conn):
    try:
        lines = head(conn).split("\r\n")
        key = [it.split(": ", 1)[1] for it in lines
               if it.lower().startswith("sec-websocket-key")][0]
        proof = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket"
                     b"\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                     proof + b"\r\n\r\n")
        opcode = None
        while opcode != CLOSE:
            opcode, data = read_frame(conn)
            while opcode == TEXT and not FINAL[conn]:
                data += read_frame(conn)[1]
            if opcode == TEXT:
                data = b"heard " + data
            conn.sendall(frame(PONG if opcode == PING else opcode, data,
                               False))
    except (EOFError, OSError, IndexError):
        pass
    conn.close()


def serve():
    door = socket.create_server(("127.0.0.1", 0))
    print(door.getsockname()[1], flush=True)
    while True:
        conn, _ = door.accept()
        threading.Thread(target=answer, args=(conn,), daemon=True).start()


def say(conn, word):
    if word.startswith("hex:"):
        conn.sendall(frame(BINARY, bytes.fromhex(word[4:]), True))
    elif word.startswith("ping:"):
        conn.sendall(frame(PING, os.fsencode(word[5:]), True))
    elif word.startswith("split:"):
        half = len(word) // 2
        conn.sendall(frame(TEXT, word[6:half].encode(), True, False) +
                     frame(0, word[half:].encode(), True))
    else:
        conn.sendall(frame(TEXT, os.fsencode(word), True))


def visit(port, words):
    conn = socket.create_connection(("127.0.0.1", int(port)))
    conn.settimeout(float(os.environ.get("PATIENCE", "20")))
    conn.sendall(b"GET /chat?room=1 HTTP/1.1\r\nHost: bank.lab.test\r\n"
                 b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\n"
                 b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
    print(head(conn).split("\r\n")[0], flush=True)
    try:
        for word in words:
            say(conn, word)
            print(read_frame(conn), flush=True)
        conn.sendall(frame(CLOSE, struct.pack(">H", 1000) + b"bye", True))
        print(read_frame(conn), flush=True)
    except TimeoutError:
        print("silence", flush=True)
    except (EOFError, ConnectionError):
        print("hung up", flush=True)


if sys.argv[1] == "serve":
    serve()
else:
    visit(sys.argv[2], sys.argv[3:])
