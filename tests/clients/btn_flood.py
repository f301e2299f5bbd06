"""Attackers of a master's port for supervisors: garbage, handshakes that are never finished, and handshakes without a
registered key. Each runs as a process of its own, at a bounded rate, against addresses of this machine only."""

import multiprocessing
import random
import select
import socket
import ssl
import time

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted

ALPN = "btn-supervisor/1"
LARGEST_DATAGRAM = 1400
HANDSHAKE_WITHIN_S = 0.5
# First flights made before the flood, each with a connection id of its own.
FIRST_FLIGHTS = 400


def paced(per_second, stop):
    """Counts up at a steady rate until told to stop."""
    begun, number = time.monotonic(), 0
    while not stop.is_set():
        yield number
        number += 1
        time.sleep(max(0, begun + number / per_second - time.monotonic()))


def garbage(targets, per_second, stop, counted, seed):
    """Datagrams of random bytes; half of them look like the start of a QUIC connection."""
    chance = random.Random(seed)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in paced(per_second, stop):
        data = bytearray(chance.randbytes(chance.randint(1, LARGEST_DATAGRAM)))
        if chance.random() < 0.5:
            data[:5] = b"\xc3\x00\x00\x00\x01"
        send(out, data, targets[number % len(targets)])
        counted.value += 1


def send(out, data, target):
    try:
        out.sendto(data, target)
    except OSError:
        # A full buffer, or a master that has just died: the flood goes on either way.
        pass


def client():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE)
    return QuicConnection(configuration=configuration)


def half_open(targets, per_second, stop, counted, _seed):
    """First flights whose answers nobody reads, again and again."""
    flights = []
    for number in range(FIRST_FLIGHTS):
        connection, target = client(), targets[number % len(targets)]
        connection.connect(target, now=0)
        flights.append((target, [data for data, _ in connection.datagrams_to_send(now=0)]))
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in paced(per_second, stop):
        target, datagrams = flights[number % len(flights)]
        for data in datagrams:
            send(out, data, target)
        counted.value += 1


def unregistered(targets, per_second, stop, counted, _seed):
    """Whole handshakes by a client without a registered key. None may succeed; the count is negative if one does."""
    for number in paced(per_second, stop):
        if handshake(targets[number % len(targets)]):
            counted.value = -1
            return
        counted.value += 1


def handshake(target):
    """Whether a client without a registered key gets through, and is still in a moment later."""
    connection = client()
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setblocking(False)
    connection.connect(target, now=time.monotonic())
    deadline, completed = time.monotonic() + HANDSHAKE_WITHIN_S, False
    while time.monotonic() < deadline:
        for data, _ in connection.datagrams_to_send(now=time.monotonic()):
            send(out, data, target)
        if select.select([out], [], [], 0.05)[0]:
            try:
                connection.receive_datagram(out.recv(65536), target, now=time.monotonic())
            except OSError:
                return False
        while (event := connection.next_event()) is not None:
            completed = completed or isinstance(event, HandshakeCompleted)
            if isinstance(event, ConnectionTerminated):
                return False
    return completed


class Flood:
    """`with Flood(targets, rates, seed) as flood:` attacks meanwhile; `flood.counts()` tells how often."""

    KINDS = {"garbage datagrams": garbage, "half-open handshakes": half_open, "unregistered keys": unregistered}

    def __init__(self, targets, rates, seed):
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.counted = {kind: context.Value("q", 0) for kind in rates}
        self.processes = [
            context.Process(target=self.KINDS[kind], args=(targets, rate, self.stop, self.counted[kind], seed), daemon=True)
            for kind, rate in rates.items()
        ]

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for process in self.processes:
            process.join(10)
            if process.is_alive():
                process.kill()

    def counts(self):
        return {kind: counted.value for kind, counted in self.counted.items()}
