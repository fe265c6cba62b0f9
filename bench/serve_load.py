"""Requests at a rate that answers have no influence on: an open loop, as many people make one who do not know of
each other (arrivals of a Poisson process). Arguments: HOST PORT PICTURE RATE SECONDS. Prints the seconds that
each request took from when it was due to the end of its answer, as a JSON array."""
import asyncio
import json
import random
import sys
import time
from pathlib import Path

KEPT = 256  # connections that are open from the beginning


async def ask(idle, host, port, text, due, times):
    head = b""
    while not head:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, port)
        try:
            writer.write(text)
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):  # closed, as it was idle for so long
            writer.close()
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(head.decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    times.append(time.perf_counter() - due)
    idle.append((reader, writer))


async def main():
    host, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[4]), float(sys.argv[5])
    body = Path(sys.argv[3]).read_bytes()
    text = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body
    dice, times, asked = random.Random(1), [], []
    idle = [await asyncio.open_connection(host, port) for _ in range(KEPT)]
    due = begun = time.perf_counter()
    while due < begun + seconds:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        asked.append(asyncio.ensure_future(ask(idle, host, port, text, due, times)))
        due += dice.expovariate(rate)
    await asyncio.gather(*asked)
    print(json.dumps(times))


asyncio.run(main())
