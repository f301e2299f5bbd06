#!/usr/bin/env python3
"""Supervisors at home behind a masquerading router, with no inbound path, in network namespaces: they connect, seal, and
come back after the router has forgotten them. Skipped where the machine has no namespaces."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from btn_load import Load
from btn_namespaces import HOME_ADDRESS, MASTERS_ADDRESS, ROUTER_ADDRESS, Home, NotPermitted, inside
from btn_network import rpc, third_height, wait
from btn_wallet import Wallet

MASTERS, SUPERVISORS, LINKS = 4, 3, 3
FIRST_PORT, FIRST_RPC = 30303, 8545
WITHIN_S = 90
UNREACHABLE_S = 2
MEASURED_S = 10
LOAD_PER_S = 20
# Known to everybody: the first two accounts of the mnemonic of tests.
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
TARGET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


class Node:
    """One `btn node` in a namespace."""

    def __init__(self, place, name, namespace, rpc_port, options):
        self.directory, self.namespace, self.process = place / name, namespace, None
        self.url = f"http://127.0.0.1:{rpc_port}"
        btn(place, "init", "--dir", name, "--password-file", "password", "--payout", ACCOUNT, *options)
        config = self.directory / "config.toml"
        config.write_text(config.read_text().replace('"127.0.0.1:8545"', f'"127.0.0.1:{rpc_port}"'))

    def start(self):
        shutil.copy(self.directory.parent / "genesis.json", self.directory)
        log = open(self.directory / "node.log", "a")
        command = ["ip", "netns", "exec", self.namespace, os.environ["BTN"], "node", "--config", "config.toml"]
        self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, method, *params):
        with inside(self.namespace):
            return rpc(self.url, method, *params)

    def third(self):
        """Height of the newest sealed block; 0 while the node does not answer."""
        try:
            with inside(self.namespace):
                return third_height(self.url)
        except OSError:
            return 0

    def linked(self):
        peers = self.ask("btn_status")["peers"]
        return [peer["id"] for peer in peers if peer["connected"]]

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


def btn(place, *arguments):
    done = subprocess.run([os.environ["BTN"], *arguments], cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"btn {' '.join(arguments)}: {done.stderr.strip()}")


def make(place, home):
    """Keys and the genesis file."""
    (place / "password").write_text("correct horse\n")
    masters, supervisors = [], []
    for number in range(MASTERS):
        addresses = [f"{MASTERS_ADDRESS}:{FIRST_PORT + 2 * number + offset}" for offset in (0, 1)]
        options = ["--address", addresses[0], "--supervisor-address", addresses[1]]
        masters.append(Node(place, f"node-{number + 1}", home.masters, FIRST_RPC + number, options))
    for number in range(SUPERVISORS):
        name = f"supervisor-{number + 1}"
        supervisors.append(Node(place, name, home.devices, FIRST_RPC + number, ["--supervisor"]))
    records = [f"--node={node.directory.name}/node.json" for node in masters]
    records += [f"--supervisor={node.directory.name}/supervisor.json" for node in supervisors]
    btn(place, "genesis", "new", "--output", "genesis.json", "--fund", f"{ACCOUNT}=1000BTN", *records)
    return masters, supervisors


def prove_one_way(home):
    """A listener at home is reached from home and not from outside; one outside is reached from home."""
    ports = {}
    for namespace, address in ((home.devices, HOME_ADDRESS), (home.masters, MASTERS_ADDRESS)):
        with inside(namespace):
            ports[address] = socket.create_server((address, 0))

    def reaches(namespace, address):
        with inside(namespace):
            try:
                socket.create_connection(ports[address].getsockname(), UNREACHABLE_S).close()
                return True
            except OSError:
                return False

    assert reaches(home.devices, HOME_ADDRESS), "the listener at home does not listen"
    assert reaches(home.devices, MASTERS_ADDRESS), "home does not reach the masters' network"
    assert not reaches(home.masters, HOME_ADDRESS), "the home is reached from outside"
    for listener in ports.values():
        listener.close()
    print("a listener at home is reached from home and not from outside")


def assert_outbound_only(home):
    """Every mapping that has to do with the home was begun by it, for the masters' ports for supervisors."""
    mappings = home.mappings()
    assert mappings, "no mapping at the router"
    for source, target, _ in mappings:
        assert HOME_ADDRESS not in (target,), f"{source} began a connection to {target}"
    return {port for source, _, port in mappings if source == HOME_ADDRESS}


def wait_until_sealed(nodes, height):
    for node in nodes:
        wait(f"{node.directory.name} shows block {height} sealed", WITHIN_S, lambda: node.third() >= height)


def wait_for_links(supervisors):
    for node in supervisors:
        wait(f"{node.directory.name} has {LINKS} links", WITHIN_S, lambda: len(node.linked()) >= LINKS)


def height_of(node):
    return int(node.ask("eth_blockNumber"), 16)


def forget(home, masters, supervisors):
    """The router loses all mappings and gives new ports; links recover and seals go on."""
    before = assert_outbound_only(home)
    home.forget_mappings()
    flushed_at = time.monotonic()
    wait_until_sealed(masters + supervisors, height_of(masters[0]) + 2)
    wait_for_links(supervisors)
    after = assert_outbound_only(home)
    assert before != after, "the router gave no new port"
    print(f"mappings flushed, {len(after - before)} new ports at the router; sealed again everywhere after "
          f"{time.monotonic() - flushed_at:.1f} s")


def measure(home, masters, label):
    """Traffic of the home on the wire."""
    before, begun, height = home.bytes_on_the_wire(), time.monotonic(), height_of(masters[0])
    time.sleep(MEASURED_S)
    received, sent = (after - then for after, then in zip(home.bytes_on_the_wire(), before))
    seconds, blocks = time.monotonic() - begun, height_of(masters[0]) - height
    print(f"{label}: one supervisor receives {received / SUPERVISORS / seconds / 1000:.1f} kB/s and sends "
          f"{sent / SUPERVISORS / seconds / 1000:.1f} kB/s on the wire, {blocks / seconds:.1f} blocks/s")
    return {"in": received, "out": sent, "seconds": seconds, "blocks": blocks, "supervisors": SUPERVISORS}


def measure_both(home, masters):
    figures = {"idle": measure(home, masters, "at rest")}
    chain_id = int(masters[0].ask("eth_chainId"), 16)
    load = Load(masters[0].url, Wallet(KEY, chain_id), TARGET, LOAD_PER_S, MEASURED_S + 10)
    sending = load.run

    def run_inside():
        with inside(home.masters):
            sending()

    load.thread = threading.Thread(target=run_inside)
    with load:
        figures["load"] = measure(home, masters, f"{LOAD_PER_S} transfers/s")
    assert load.sent, "no transfer was taken"
    return figures


def scenario(place, home):
    prove_one_way(home)
    masters, supervisors = make(place, home)
    try:
        for node in masters + supervisors:
            node.start()
        wait_until_sealed(masters + supervisors, 2)
        wait_for_links(supervisors)
        linked = masters[0].ask("btn_status")["supervisors"]
        addresses = {link["address"].rsplit(":", 1)[0].strip("[]") for link in linked if link["address"]}
        addresses = {address.removeprefix("::ffff:") for address in addresses}
        assert addresses == {ROUTER_ADDRESS}, f"supervisors come from {addresses}"
        print(f"{SUPERVISORS} supervisors seal from behind {ROUTER_ADDRESS}")
        forget(home, masters, supervisors)
        return measure_both(home, masters)
    finally:
        for node in supervisors + masters:
            node.stop()


def main():
    # A polite end on SIGTERM too: the namespaces go with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    place = pathlib.Path(tempfile.mkdtemp(prefix="btn-nat-"))
    try:
        with Home() as home:
            figures = scenario(place, home)
    except NotPermitted as reason:
        print(f"skipped: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        shutil.rmtree(place)
        return
    except BaseException:
        print("data and logs are kept in", place)
        raise
    shutil.rmtree(place)
    if "--json" in sys.argv:
        pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(figures, indent=2) + "\n")
    print("1 passed, 0 failed, 0 skipped")


if __name__ == "__main__":
    sys.exit(main())
