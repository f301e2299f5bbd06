#!/usr/bin/env python3
"""Foundry's cast against a devnet: a transfer that every node shows alike, a contract, and the time to final."""

import os
import statistics
import subprocess
import sys
import time

from btn_load import LEAST_INTERVAL_MS
from btn_network import Devnet, receipt, rpc, settle

RPC_PORT = 18545
TRANSFERS = 100
# Stores a word that is sent, returns it when nothing is sent.
STORE_CODE = "0x6012600a5f3960125ff336600c575f545f5260205ff35b5f355f5500"
WORD = "0x" + "00" * 31 + "2a"


def cast(*arguments):
    """Runs cast and gives what it printed."""
    done = subprocess.run([os.environ["CAST"], *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"cast {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def transfer(net):
    sender, target = net.accounts[0], net.accounts[1]["address"]
    before = int(rpc(net.url, "eth_getBalance", target, "latest"), 16)
    sent = cast("send", "--async", "--rpc-url", net.url, "--private-key", sender["private_key"],
                "--value", "1ether", target)
    receipts = [receipt(node["rpc"], sent) for node in net.nodes]
    assert all(shown == receipts[0] for shown in receipts), receipts
    assert receipts[0]["status"] == "0x1", receipts[0]
    for node in net.nodes:
        balance = int(rpc(node["rpc"], "eth_getBalance", target, "latest"), 16)
        assert balance == before + 10**18, (node["id"], balance)
    print(f"transfer {sent}: the same receipt on {len(net.nodes)} nodes")


def contract(net):
    key = net.accounts[1]["private_key"]
    created = cast("send", "--async", "--rpc-url", net.url, "--private-key", key, "--create", STORE_CODE)
    address = receipt(net.url, created)["contractAddress"]
    for node in net.nodes:
        receipt(node["rpc"], created)
        assert cast("call", "--rpc-url", node["rpc"], "--data", "0x", address) == "0x" + "00" * 32
    written = cast("send", "--async", "--rpc-url", net.url, "--private-key", key, address, WORD)
    for node in net.nodes:
        assert receipt(node["rpc"], written)["status"] == "0x1"
        assert cast("call", "--rpc-url", node["rpc"], "--data", "0x", address) == WORD
    print(f"contract {address}: deployed, written and read on {len(net.nodes)} nodes")


def time_to_final(net):
    """From the submission at one master to the receipt at another, one transfer at a time on an idle network."""
    sender, target = net.accounts[2], net.accounts[3]["address"]
    signed = [
        cast("mktx", "--rpc-url", net.url, "--private-key", sender["private_key"], "--nonce", str(nonce),
             "--value", "1", "--gas-limit", "21000", "--gas-price", "3gwei", "--priority-gas-price", "1gwei", target)
        for nonce in range(TRANSFERS)
    ]
    taken_ms = []
    for raw in signed:
        started = time.monotonic()
        sent = rpc(net.nodes[0]["rpc"], "eth_sendRawTransaction", raw)
        receipt(net.nodes[1]["rpc"], sent)
        taken_ms.append((time.monotonic() - started) * 1000)
        # The next one meets a network at rest: the figure is the one of an idle network.
        settle([node["rpc"] for node in net.nodes], LEAST_INTERVAL_MS)
    taken_ms.sort()
    median, last = statistics.median(taken_ms), taken_ms[-1]
    print(f"time to final of {TRANSFERS} transfers, one at a time, RPC to RPC over loopback: "
          f"median {median:.0f} ms, p90 {taken_ms[TRANSFERS * 9 // 10]:.0f} ms, longest {last:.0f} ms")


def main():
    with Devnet(RPC_PORT) as net:
        assert cast("chain-id", "--rpc-url", net.url) == str(net.chain_id)
        transfer(net)
        contract(net)
    # Masters alone, so that supervisors on the same machine do not enter into it; run_supervisors.py has both.
    with Devnet(RPC_PORT, supervisors=0) as net:
        time_to_final(net)
    print("3 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
