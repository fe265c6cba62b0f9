"""Who asks `vgg serve` while its calls fail."""

import http.client
import os
import signal
import socket
import struct
import threading

# Seconds in which an answer comes, or the connection ends.
ANSWER_MOST = 30


class Client(threading.Thread):
    """Asks the server behind a socket, as soon as there is one, to predict pictures, then twice whether it is
    well, each on a connection of its own, and ends it by SIGTERM. `answers`: pairs of status and body, None where
    the connection ended before; TimeoutError where nothing came."""

    def __init__(self, path, pictures):
        super().__init__(daemon=True)
        # A socket's address has 108 bytes, which a path may exceed.
        self.folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        self.path = f"/proc/self/fd/{self.folder}/{path.name}"
        self.over, self.answers = threading.Event(), []
        self.requests = [("POST", "/predict", picture.read_bytes()) for picture in pictures]
        self.requests += [("GET", "/health", b"")] * 2
        self.start()

    def connect(self):
        """A connection, or None when the server is over."""
        while not self.over.wait(0.005):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(ANSWER_MOST)
            try:
                connection.connect(self.path)
                return connection
            except OSError:
                connection.close()
        return None

    def ask(self, connection, method, target, body):
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            connection.sendall(head.encode() + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()
        except TimeoutError:
            return TimeoutError
        except (OSError, http.client.HTTPException):
            return None

    def run(self):
        process = None
        for request in self.requests:
            connection = self.connect()
            if connection is None:
                return
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            process = struct.unpack("=III", credentials)[0]
            self.answers.append(self.ask(connection, *request))
            connection.close()
        os.kill(process, signal.SIGTERM)

    def end(self):
        """The answers, when the server is over."""
        self.over.set()
        self.join()
        os.close(self.folder)
        return self.answers


def wrong_answers(good, found, once):
    """What is wrong with the answers of a server of which a call failed, in words."""
    if TimeoutError in found:
        yield "does not answer"
    for expected, answer in zip(good, found):
        if answer not in (None, TimeoutError, expected) and answer[0] < 500:
            yield f"answers {answer} in place of {expected}"
    if once and good and len(found) == len(good) and good[-1] not in found[-2:]:
        yield f"is not well afterwards: {found[-1]}"
