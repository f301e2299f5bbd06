#!/usr/bin/env python3
"""Floods on the masters' ports for supervisors: garbage, half-open handshakes, clients and whole supervisors without a
registered key. The honest supervisors' time to the third state is measured before and meanwhile."""

import json
import os
import pathlib
import random
import re
import subprocess
import sys

from btn_flood import Flood
from btn_load import one_by_one, quantile
from btn_network import Devnet, rpc, third_height, wait
from btn_wallet import Wallet

RPC_PORT = 18845
SUPERVISORS, LINKS = 4, 3
TRANSFERS = 30
STRANGERS = 2
STRANGERS_RPC = 18895
# A second, over all masters together.
RATES = {"garbage datagrams": 2000, "half-open handshakes": 100, "unregistered keys": 10}
# The machine is shared by network and attackers: slower is expected, standing still is not.
LONGEST_MEDIAN_MS = 5000
MOST_GROWTH_MIB = 200
# Lines that one master may log meanwhile: each attacker is worth a word, not each datagram.
MOST_LINES = 300
LINKED_WITHIN_S = 60


def addresses(net):
    hosts = (node["supervisors"].rsplit(":", 1) for node in net.masters)
    return [(host, int(port)) for host, port in hosts]


def rss_mib(node):
    status = pathlib.Path(f"/proc/{node['pid']}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def lines(node):
    return pathlib.Path(node["log"]).read_bytes().count(b"\n")


def btn(place, *arguments):
    subprocess.run([os.environ["BTN"], *arguments], cwd=place, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def start_strangers(net):
    """Supervisors with a genesis file of their own, in which they are registered: the masters know none of them."""
    place = pathlib.Path(net.directory)
    genesis = json.loads((place / "net/genesis.json").read_text())
    (place / "secret").write_text("correct horse\n")
    names = [f"stranger-{number}" for number in range(STRANGERS)]
    for name in names:
        btn(place, "init", "--supervisor", "--dir", name, "--password-file", "secret")
        genesis["supervisors"].append(json.loads((place / name / "supervisor.json").read_text()))
    overrides = "".join(
        f'\n[[peer]]\nid = "{node["id"]}"\nsupervisor_addresses = ["{node["supervisors"]}"]\n' for node in net.masters
    )
    processes = []
    for number, name in enumerate(names):
        (place / name / "genesis.json").write_text(json.dumps(genesis))
        config = place / name / "config.toml"
        text = config.read_text().replace('"127.0.0.1:8545"', f'"127.0.0.1:{STRANGERS_RPC + number}"')
        config.write_text(text + overrides)
        log = open(place / name / "node.log", "w")
        command = [os.environ["BTN"], "node", "--config", str(config)]
        processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    return processes


def linked_masters(url):
    return sum(peer["connected"] for peer in rpc(url, "btn_status")["peers"])


def assert_strangers_stay_out(strangers):
    for number, process in enumerate(strangers):
        assert process.poll() is None, "a stranger ended: it attacked nobody"
        url = f"http://127.0.0.1:{STRANGERS_RPC + number}"
        wait("a stranger answers", LINKED_WITHIN_S, lambda: answers(url))
        assert linked_masters(url) == 0, "a master let a stranger in"


def answers(url):
    try:
        return rpc(url, "btn_status")
    except OSError:
        return None


def describe(label, final, third):
    print(f"{label:8} to final p50 {quantile(final, 0.5):5.0f} ms, p99 {quantile(final, 0.99):5.0f} ms; "
          f"to the third state p50 {quantile(third, 0.5):5.0f} ms, p99 {quantile(third, 0.99):5.0f} ms")


def attack(net, wallet, seed):
    target = net.accounts[3]["address"]
    final, third = one_by_one(net.masters, wallet, target, TRANSFERS)
    describe("before", final, third)
    memory, logged = [rss_mib(node) for node in net.masters], [lines(node) for node in net.masters]
    strangers = start_strangers(net)
    try:
        with Flood(addresses(net), RATES, seed) as flood:
            final, third = one_by_one(net.masters, wallet, target, TRANSFERS)
            assert_strangers_stay_out(strangers)
            counts = flood.counts()
    finally:
        for process in strangers:
            process.terminate()
            process.wait(30)
    describe("flooded", final, third)
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()) + f", {STRANGERS} foreign supervisors")
    assert all(count > 0 for count in counts.values()), f"an attacker did nothing, or got in (-1): {counts}"
    assert quantile(third, 0.5) <= LONGEST_MEDIAN_MS, "the third state stood still"
    growth = max(rss_mib(node) - before for node, before in zip(net.masters, memory))
    words = max(lines(node) - before for node, before in zip(net.masters, logged))
    print(f"masters: memory grew by at most {growth:.0f} MiB, logs by at most {words} lines")
    assert growth <= MOST_GROWTH_MIB and words <= MOST_LINES


def main():
    seed = int(os.environ.get("BTN_TEST_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    with Devnet(RPC_PORT, SUPERVISORS) as net:
        attack(net, Wallet(net.accounts[2]["private_key"], net.chain_id), seed)
        for node in net.supervisors:
            wait("three links stand", LINKED_WITHIN_S, lambda: linked_masters(node["rpc"]) >= LINKS)
        height = int(rpc(net.url, "eth_blockNumber"), 16)
        for node in net.nodes:
            wait(f"block {height} is sealed", LINKED_WITHIN_S, lambda: third_height(node["rpc"]) >= height)
        notes = pathlib.Path(net.log.name).read_text()
        assert "is started again" not in notes, notes
    print("1 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
