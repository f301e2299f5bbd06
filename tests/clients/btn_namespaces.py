"""Network namespaces for the client tests: masters on one side of a router, a home on the other. Nothing outside these
namespaces is touched, and all of them are removed on exit."""

import contextlib
import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
TOOLS = ["ip", "nft", "conntrack"]
PUBLIC, HOME = "10.77.1", "10.77.2"
MASTERS_ADDRESS, ROUTER_ADDRESS, HOME_ADDRESS = PUBLIC + ".2", PUBLIC + ".1", HOME + ".2"
# Every mapping gets a port by chance, so that a new mapping is another port.
RULES = """
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "public" masquerade fully-random; }
}
table ip filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "home" oifname "public" accept
    iifname "public" oifname "home" ct state established,related accept
  }
}
"""


class NotPermitted(Exception):
    """The machine has no namespaces or no address translation, or does not let us use them."""


def run(*command, stdin=None):
    """Runs a command that must succeed, and gives what it printed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextlib.contextmanager
def inside(namespace):
    """This thread's sockets belong to the namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor):
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns into {namespace}")

    with open("/proc/thread-self/ns/net") as before, open("/run/netns/" + namespace) as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(before.fileno())


class Home:
    """`with Home() as home:` makes the namespaces `home.masters`, `home.router` and `home.devices`. Devices reach
    masters through the router, which masquerades; nothing from outside reaches a device unasked."""

    def __init__(self):
        prefix = f"btn-{os.getpid()}-"
        self.masters, self.router, self.devices = (prefix + name for name in ("masters", "router", "home"))

    def __enter__(self):
        try:
            self.make()
        except Exception as error:
            self.remove()
            raise NotPermitted(str(error)) from error
        return self

    def make(self):
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not installed")
        for namespace in (self.masters, self.router, self.devices):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        self.wire(self.masters, "public", MASTERS_ADDRESS, ROUTER_ADDRESS)
        self.wire(self.devices, "home", HOME_ADDRESS, HOME + ".1")
        run("ip", "netns", "exec", self.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "netns", "exec", self.router, "nft", "-f", "-", stdin=RULES)

    def wire(self, namespace, side, address, gateway):
        """A cable from the namespace to the router's interface of this name."""
        run("ip", "-n", self.router, "link", "add", side, "type", "veth", "peer", "name", "uplink", "netns", namespace)
        for where, name, own in ((self.router, side, gateway), (namespace, "uplink", address)):
            run("ip", "-n", where, "address", "add", own + "/24", "dev", name)
            run("ip", "-n", where, "link", "set", name, "up")
        run("ip", "-n", namespace, "route", "add", "default", "via", gateway)

    def __exit__(self, *exception):
        self.remove()

    def remove(self):
        for namespace in (self.masters, self.router, self.devices):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)

    def mappings(self):
        """The router's UDP mappings: (who began it, to whom, port shown to the masters)."""
        found = []
        for line in run("ip", "netns", "exec", self.router, "conntrack", "-L", "-p", "udp").splitlines():
            fields = [field.split("=", 1) for field in line.split() if "=" in field]
            values = {}
            for name, value in fields:
                values.setdefault(name, []).append(value)
            found.append((values["src"][0], values["dst"][0], int(values["dport"][1])))
        return found

    def forget_mappings(self):
        run("ip", "netns", "exec", self.router, "conntrack", "-F")

    def bytes_on_the_wire(self):
        """Bytes that the home has received and sent, Ethernet headers included."""
        with inside(self.devices), open("/proc/thread-self/net/dev") as table:
            fields = next(line for line in table if "uplink" in line).split(":", 1)[1].split()
        return int(fields[0]), int(fields[8])
