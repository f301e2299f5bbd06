"""A devnet for the client tests: started by the binary in $BTN on ports of its own, asked over JSON-RPC, stopped."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

READY_WITHIN_S = 90
FINAL_WITHIN_S = 30
POLL_S = 0.002


def rpc(url, method, *params):
    """One JSON-RPC call; raises with the node's words where it answers with an error."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


def metrics(url):
    """The node's metrics: name with labels, as Prometheus writes it, to value."""
    with urllib.request.urlopen(url + "/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def metric(samples, name):
    """The sum of a metric over its labels."""
    return sum(value for key, value in samples.items() if key == name or key.startswith(name + "{"))


def wait(what, within_s, look, poll_s=0.05):
    """Looks until there is something, and gives it."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within_s} s: {what}")
        time.sleep(poll_s)


def receipt(url, transaction_hash):
    """Waits until a node shows the receipt: then the transaction is final."""
    look = lambda: rpc(url, "eth_getTransactionReceipt", transaction_hash)
    return wait(f"{transaction_hash} is final on {url}", FINAL_WITHIN_S, look, POLL_S)


def third_height(url):
    """Height of the newest block in the third state."""
    return int(rpc(url, "eth_getBlockByNumber", "finalized", False)["number"], 16)


def settle(urls, least_age_ms):
    """Waits until all these nodes have the same newest block, final and in the third state, nothing is pending, and the
    block is older than the least interval to the next one: then the network is at rest."""

    def is_at_rest():
        states = [rpc(url, "btn_status") for url in urls]
        heights = {state[name] for state in states for name in ("height", "thirdHeight", "pendingHeight")}
        age_ms = time.time() * 1000 - max(int(state["milliTimestamp"], 16) for state in states)
        return len(heights) == 1 and age_ms > least_age_ms

    wait("the nodes settle on one block", FINAL_WITHIN_S, is_at_rest, 0.005)


class Devnet:
    """`with Devnet(port) as net:` runs a fresh network; `net.masters`, `net.supervisors`, `net.nodes` (both),
    `net.accounts`, `net.url` tell of it."""

    def __init__(self, rpc_port, supervisors=None):
        self.directory = tempfile.mkdtemp(prefix="btn-clients-")
        command = [os.environ["BTN"], "devnet", "--json", "--dir", self.directory + "/net", "--rpc-port", str(rpc_port)]
        if supervisors is not None:
            command += ["--supervisors", str(supervisors)]
        self.log = open(self.directory + "/devnet.log", "w")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self):
        # The one object comes when a block is sealed on every node; a devnet that cannot start ends, and so the line.
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(READY_WITHIN_S)
            raise RuntimeError("devnet did not start: " + open(self.log.name).read()[-2000:])
        description = json.loads(line)
        self.url, self.chain_id = description["rpc_url"], description["chain_id"]
        self.nodes, self.accounts = description["nodes"], description["accounts"]
        self.masters = [node for node in self.nodes if node["role"] == "master"]
        self.supervisors = [node for node in self.nodes if node["role"] == "supervisor"]
        self.ready_after_s = description["ready_after_s"]
        return self

    def __exit__(self, *exception):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(READY_WITHIN_S)
        self.log.close()
        if exception[0] is None:
            shutil.rmtree(self.directory)
        else:
            print("data and logs are kept in", self.directory)
