"""A devnet for the client tests: started by the binary in $BTN on ports of its own, asked over JSON-RPC, stopped."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request

READY_WITHIN_S = 90


def rpc(url, method, *params):
    """One JSON-RPC call; raises with the node's words where it answers with an error."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


class Devnet:
    """`with Devnet(port) as net:` runs a fresh network; `net.nodes`, `net.accounts`, `net.url` tell of it."""

    def __init__(self, rpc_port):
        self.directory = tempfile.mkdtemp(prefix="btn-clients-")
        command = [os.environ["BTN"], "devnet", "--json", "--dir", self.directory + "/net", "--rpc-port", str(rpc_port)]
        self.log = open(self.directory + "/devnet.log", "w")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self):
        # The one object comes when a block is final on every node; a devnet that cannot start ends, and so the line.
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(READY_WITHIN_S)
            raise RuntimeError("devnet did not start: " + open(self.log.name).read()[-2000:])
        description = json.loads(line)
        self.url, self.chain_id = description["rpc_url"], description["chain_id"]
        self.nodes, self.accounts = description["nodes"], description["accounts"]
        return self

    def __exit__(self, *exception):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(READY_WITHIN_S)
        self.log.close()
        if exception[0] is None:
            shutil.rmtree(self.directory)
        else:
            print("data and logs are kept in", self.directory)
