"""Clients that use a kept connection again around the moment at which the gateway closes it (F11).

Arguments: port, number of clients, seconds of idleness, spread in seconds. Every client sends one request, waits so long,
give or take the spread, and sends a second one. Prints how the second ones ended, as JSON:

answered    the answer came
closed      our FIN had been seen before the request was written: a client opens another connection, nothing is lost
unanswered  the connection was open after the request had been handed to the kernel, and no answer came: that is a loss
unclear     the FIN came while the request was being written
"""
import json
import random
import socket
import sys
import time

port, count, idle, spread = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
REQUEST = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
ESTABLISHED = 1
CLOSE_WAIT = 8


def state(client):
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def answer(client, seconds):
    """Reads one answer. Returns its head, or nothing when the connection ends without one."""
    client.settimeout(seconds)
    text = b""
    try:
        while b"\r\n\r\n" not in text:
            piece = client.recv(65536)
            if not piece:
                return b""
            text += piece
    except (ConnectionResetError, socket.timeout):
        return b""
    return text


random.seed(11)
clients = []
keep_alive = set()
for number in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(REQUEST)
    head = answer(client, 5).decode("latin1")
    assert head.startswith("HTTP/1.1 200"), head
    keep_alive.update(line for line in head.split("\r\n") if line.lower().startswith("keep-alive"))
    clients.append((time.monotonic() + idle + random.uniform(-spread, spread), client))

ended = {"answered": 0, "closed": 0, "unanswered": 0, "unclear": 0}
waiting = []
for due, client in sorted(clients, key=lambda one: one[0]):
    time.sleep(max(0.0, due - time.monotonic()))
    if state(client) == CLOSE_WAIT:
        ended["closed"] += 1
        client.close()
        continue
    try:
        client.sendall(REQUEST)
        # On loopback what was sent is with the other side before this returns.
        waiting.append((client, state(client) == ESTABLISHED))
    except (BrokenPipeError, ConnectionResetError):
        ended["unclear"] += 1
for client, open_after in waiting:
    if answer(client, 5).startswith(b"HTTP/1.1 200"):
        ended["answered"] += 1
    else:
        ended["unanswered" if open_after else "unclear"] += 1

print(json.dumps({**ended, "keepAlive": sorted(keep_alive)}))
