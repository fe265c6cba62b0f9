"""Requests at a rate that answers have no influence on: an open loop, as many people make one who do not know of
each other (arrivals of a Poisson process). Arguments: HOST PORT PICTURE RATE SECONDS. Prints the seconds that
each request took from when it was due to the end of its answer, as a JSON array.

It shares the processors with the server, so it does as little as it can: a request is written at once, from a socket
that has room for it, and one thread waits for the next that is due and for answers together."""
import json
import random
import select
import socket
import sys
import time
from pathlib import Path

KEPT = 256  # connections that are open from the beginning
ROOM = 4 << 20  # bytes of a socket


class Client:
    """A connection, and the request that it is busy with."""

    def __init__(self, address):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self.socket.connect(address)
        self.answer = None

    def ask(self, text, due):
        self.due, self.answer = due, b""
        self.socket.sendall(text)

    def take(self):
        """Reads what is there: True when the answer is whole, False when the server has gone, None: more is to come."""
        try:
            piece = self.socket.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionError:
            return False
        if not piece:
            return False
        self.answer += piece
        head, blank, body = self.answer.partition(b"\r\n\r\n")
        if not blank:
            return None
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return True if len(body) >= int(length.split(b":")[1]) else None


class Load:
    def __init__(self, address, text):
        self.address, self.text = address, text
        self.events = select.epoll()
        self.clients, self.times = {}, []
        self.idle = [self.connect() for _ in range(KEPT)]

    def connect(self):
        client = Client(self.address)
        self.clients[client.socket.fileno()] = client
        self.events.register(client.socket, select.EPOLLIN)
        return client

    def close(self, client):
        self.events.unregister(client.socket)
        del self.clients[client.socket.fileno()]
        client.socket.close()

    def ask(self, due):
        while True:
            client = self.idle.pop() if self.idle else self.connect()
            try:
                return client.ask(self.text, due)
            except ConnectionError:  # closed, as it was idle for so long
                self.close(client)

    def hear(self, client):
        whole = client.take()
        if whole:
            self.times.append(time.perf_counter() - client.due)
            client.answer = None
            self.idle.append(client)
        elif whole is False:
            self.close(client)
            if client.answer is None:
                self.idle.remove(client)
            elif client.answer:
                sys.exit("the server has gone in the middle of an answer")
            else:
                self.ask(client.due)

    def wait(self, until):
        """For answers, until then; epoll's own time is of whole milliseconds."""
        select.select([self.events], [], [], max(0, until - time.perf_counter()))
        for number, _ in self.events.poll(0):
            if number in self.clients:
                self.hear(self.clients[number])


def main():
    rate, seconds = float(sys.argv[4]), float(sys.argv[5])
    body = Path(sys.argv[3]).read_bytes()
    text = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body
    load, dice, asked = Load((sys.argv[1], int(sys.argv[2])), text), random.Random(1), 0
    due = begun = time.perf_counter()
    while due < begun + seconds:
        load.wait(due)
        if time.perf_counter() >= due:
            load.ask(due)
            asked += 1
            due += dice.expovariate(rate)
    while len(load.times) < asked:
        load.wait(time.perf_counter() + 1)
    print(json.dumps(load.times))


main()
