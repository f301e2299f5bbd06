#!/usr/bin/env python3
"""Four masters and sixteen supervisors: the time to final and to the third state, and what one supervisor costs at rest
and under load. `--json FILE` also writes the figures to a file."""

import contextlib
import json
import os
import pathlib
import sys
import time

from btn_load import Load, one_by_one, quantile
from btn_network import Devnet, metric, metrics, rpc, third_height, wait
from btn_wallet import Wallet

RPC_PORT = 18745
TRANSFERS = 100
MEASURED_S = 30
# Transfers a second under load, over all masters together.
LOAD_PER_S = 20
SEALED_WITHIN_S = 60
LABELS = {
    "seconds": "measured, s", "transfers": "transfers sent", "blocks": "blocks", "seals": "seals made", "rss_mib": "RSS, MiB",
    "pss_mib": "PSS, MiB", "cpu_s": "CPU time, s", "bytes_in": "bytes of frames in", "bytes_out": "bytes of frames out",
}
BYTES = ["btn_supervision_bytes_in_total", "btn_supervision_bytes_out_total"]


def time_to_states(net):
    wallet = Wallet(net.accounts[2]["private_key"], net.chain_id)
    final, third = one_by_one(net.masters, wallet, net.accounts[3]["address"], TRANSFERS)
    return {
        f"{name}_{label}_ms": round(quantile(values, share))
        for name, values in (("final", final), ("third", third))
        for label, share in (("p50", 0.5), ("p99", 0.99))
    }


def memory_kib(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line[:20])
    return {name: int(fields[name].split()[0]) for name in ("Rss", "Pss")}


def cpu_s(pid):
    # The name, in brackets, may hold anything; what follows it are numbers.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(net, node):
    """What one supervisor uses in the measured time."""
    url, pid = node["rpc"], node["pid"]

    def now():
        samples = metrics(url)
        made = metric(samples, "btn_seals_made_total")
        height = int(rpc(url, "eth_blockNumber"), 16)
        return [time.monotonic(), cpu_s(pid), *(metric(samples, name) for name in BYTES), made, height]

    before = now()
    time.sleep(MEASURED_S)
    used = [after - then for after, then in zip(now(), before)]
    memory = memory_kib(pid)
    return {
        "seconds": round(used[0], 1), "rss_mib": round(memory["Rss"] / 1024, 1), "pss_mib": round(memory["Pss"] / 1024, 1),
        "cpu_s": round(used[1], 2), "bytes_in": int(used[2]), "bytes_out": int(used[3]), "seals": int(used[4]),
        "blocks": int(used[5]),
    }


def under_load(net, node):
    """As `measure`, while one client at each master sends transfers."""
    wallets = [Wallet(account["private_key"], net.chain_id) for account in net.accounts[4:8]]
    target, rate = net.accounts[9]["address"], LOAD_PER_S // len(net.masters)
    loads = [Load(master["rpc"], wallet, target, rate, MEASURED_S + 10) for master, wallet in zip(net.masters, wallets)]
    with contextlib.ExitStack() as stack:
        for load in loads:
            stack.enter_context(load)
        sent = sum(len(load.sent) for load in loads)
        figures = measure(net, node)
        figures["transfers"] = sum(len(load.sent) for load in loads) - sent
        height = int(rpc(net.url, "eth_blockNumber"), 16)
    assert figures["transfers"] > 0, "no transfer was taken"
    for other in net.nodes:
        wait(f"block {height} is sealed on {other['rpc']}", SEALED_WITHIN_S, lambda: third_height(other["rpc"]) >= height)
    return figures


def print_figures(states, idle, busy):
    print(f"time from submission to final: p50 {states['final_p50_ms']} ms, p99 {states['final_p99_ms']} ms; "
          f"to the third state: p50 {states['third_p50_ms']} ms, p99 {states['third_p99_ms']} ms "
          f"({TRANSFERS} transfers, one at a time, network at rest)")
    print("one supervisor         at rest       under load")
    idle = {"transfers": 0, **idle}
    for name, label in LABELS.items():
        print(f"{label:20}  {idle[name]:>8}   {busy[name]:>14}")


def main():
    with Devnet(RPC_PORT) as net:
        assert (len(net.masters), len(net.supervisors)) == (4, 16)
        states = time_to_states(net)
        node = net.supervisors[0]
        idle = measure(net, node)
        busy = under_load(net, node)
        assert busy["seals"] > 0 and idle["seals"] > 0, "the supervisor sealed nothing"
    print(f"ready after {net.ready_after_s:.1f} s, keys included")
    print_figures(states, idle, busy)
    if "--json" in sys.argv:
        figures = {"ready_after_s": net.ready_after_s, **states, "idle": idle, "load": busy}
        pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(figures, indent=2) + "\n")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
