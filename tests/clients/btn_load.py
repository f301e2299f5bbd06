"""Load for the client tests: transfers at a steady rate, and how long single ones take to both states."""

import threading
import time

from btn_network import FINAL_WITHIN_S, POLL_S, receipt, rpc, settle, third_height, wait

# Least time between two blocks of a devnet.
LEAST_INTERVAL_MS = 100


def quantile(sorted_values, share):
    """The value that this share of the values does not exceed (nearest rank)."""
    rank = max(1, -(-len(sorted_values) * share // 1))
    return sorted_values[int(rank) - 1]


def one_by_one(masters, wallet, target, transfers):
    """Submits transfers one at a time at one master of a network at rest, reads them from another: milliseconds until
    final and until the third state, each sorted."""
    submit_at, read_at = masters[0]["rpc"], masters[1]["rpc"]
    final_ms, third_ms = [], []
    for _ in range(transfers):
        raw, expected = wallet.transfer(target)
        settle([node["rpc"] for node in masters], LEAST_INTERVAL_MS)
        started = time.monotonic()
        assert rpc(submit_at, "eth_sendRawTransaction", raw) == expected
        height = int(receipt(read_at, expected)["blockNumber"], 16)
        final_ms.append((time.monotonic() - started) * 1000)
        wait(f"block {height} is sealed", FINAL_WITHIN_S, lambda: third_height(read_at) >= height, POLL_S)
        third_ms.append((time.monotonic() - started) * 1000)
    return sorted(final_ms), sorted(third_ms)


class Load:
    """`with Load(...) as load:` submits transfers, signed before, at a steady rate to one node."""

    def __init__(self, url, wallet, target, per_second, seconds):
        self.url = url
        self.signed = [wallet.transfer(target) for _ in range(per_second * seconds)]
        self.interval_s = 1 / per_second
        self.sent, self.stopped = [], threading.Event()
        self.failure, self.thread = None, threading.Thread(target=self.run)

    def run(self):
        begun = time.monotonic()
        try:
            for number, (raw, transaction_hash) in enumerate(self.signed):
                if self.stopped.wait(max(0, begun + number * self.interval_s - time.monotonic())):
                    return
                # One node takes them all: another might see the nonces out of order.
                rpc(self.url, "eth_sendRawTransaction", raw)
                self.sent.append(transaction_hash)
        except Exception as error:  # shown by the thread that waits
            self.failure = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stopped.set()
        self.thread.join()
        if exception[0] is None and self.failure:
            raise self.failure
