"""Requests at a rate that answers have no influence on: an open loop. Arguments: HOST PORT PICTURE RATE SECONDS
CLIENTS. So many clients ask at a steady pace, each for itself, and begin at random; 0: countless ones who ask once
(arrivals of a Poisson process). Prints the seconds that each request took from when it was due to the end of its
answer, as a JSON array.

It shares the processors with the server, so it does as little as it can: a request is written at once, from a socket
that has room for it, and one thread waits for the next that is due and for answers together."""
import itertools
import json
import random
import select
import socket
import sys
import time
from pathlib import Path

KEPT = 256  # connections that are open from the beginning
TURNS = 8  # of paced clients until they begin anew, as one beginning may be luckier than another
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


def poisson(dice, rate):
    due = 0
    while True:
        due += dice.expovariate(rate)
        yield due


def paced(dice, rate, clients):
    pause, begin = clients / rate, 0
    while True:
        firsts = sorted(dice.uniform(0, pause) for _ in range(clients))
        for turn in range(TURNS):
            yield from (begin + turn * pause + first for first in firsts)
        begin += TURNS * pause


def arrivals(rate, seconds, clients):
    """The seconds at which requests are due, in order."""
    dice = random.Random(1)
    endless = paced(dice, rate, clients) if clients > 0 else poisson(dice, rate)
    return itertools.takewhile(lambda due: due < seconds, endless)


def main():
    rate, seconds, clients = float(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6])
    body = Path(sys.argv[3]).read_bytes()
    text = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body
    load, asked = Load((sys.argv[1], int(sys.argv[2])), text), 0
    begun = time.perf_counter()
    for due in arrivals(rate, seconds, clients):
        while time.perf_counter() < begun + due:
            load.wait(begun + due)
        load.ask(begun + due)
        asked += 1
    while len(load.times) < asked:
        load.wait(time.perf_counter() + 1)
    print(json.dumps(load.times))


if __name__ == "__main__":
    main()
