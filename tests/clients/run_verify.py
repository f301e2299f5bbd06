#!/usr/bin/env python3
"""Re-verifies tickets, seeds and certificates of 20 blocks of a devnet, from bytes got by RPC; then shows that the
check can fail: every kind of bytes it looks at is changed once and must be refused."""

import sys
import time

import rlp
from btn_network import Devnet, rpc
from btn_verify import FINALIZE, Block, Committee, Verifier, unhex

RPC_PORT = 18645
BLOCKS = 20
HEIGHT_WITHIN_S = 120


def wait_for_height(url, height):
    deadline = time.monotonic() + HEIGHT_WITHIN_S
    while int(rpc(url, "eth_blockNumber"), 16) < height:
        if time.monotonic() > deadline:
            raise RuntimeError(f"height {height} is not reached")
        time.sleep(0.2)


def check_finality(committee, verifier, blocks, answer):
    """The Finalization of a block, or of the first descendant that has one."""
    block = blocks[int(answer["certifiedNumber"], 16)]
    assert block.hash == unhex(answer["certifiedHash"])
    raw = rlp.decode(unhex(answer["certificate"]["raw"]))
    return committee.check_certificate(raw, {FINALIZE}, block.view, verifier.proposal_digest(block))


def changed(data, position):
    """The bytes with one bit turned."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1:]


def refuses(check):
    try:
        check()
    except Exception:  # whatever the libraries raise on wrong bytes
        return
    raise AssertionError("changed bytes were accepted")


def tamper(committee, verifier, block, answer):
    """Each part of the last block with one bit turned: nothing may pass."""
    verifier.seeds.pop()
    previous, verifier.last = verifier.last, verifier.previous
    fields = ["clerk_signature", "extra_data", "mix_hash", "parent", "clerk"]
    for field in fields:
        original = getattr(block, field)
        setattr(block, field, changed(original, len(original) - 1))
        refuses(lambda: verifier.check(block))
        setattr(block, field, original)
    verifier.check(block)
    assert verifier.last is previous
    raw = rlp.decode(unhex(answer["certificate"]["raw"]))
    digest = verifier.proposal_digest(block)
    for place in (5, 6):
        wrong = list(raw)
        wrong[place] = changed(raw[place], len(raw[place]) - 1)
        refuses(lambda: committee.check_certificate(wrong, {FINALIZE}, block.view, digest))
    return len(fields) + 2


def main():
    with Devnet(RPC_PORT) as net:
        # One block more, so that the newest checked one has a Finalization above it in any case.
        wait_for_height(net.url, BLOCKS + 1)
        genesis_hash = unhex(rpc(net.url, "eth_getBlockByNumber", "0x0", False)["hash"])
        committee = Committee(rpc(net.url, "btn_getCommittee"), genesis_hash)
        verifier, blocks, signatures = Verifier(committee), {}, 0
        for height in range(1, BLOCKS + 2):
            # Each block from another master: what they serve must be one chain.
            url = net.nodes[height % len(net.nodes)]["rpc"]
            wait_for_height(url, height)
            blocks[height] = Block(unhex(rpc(url, "btn_getRawBlock", hex(height))))
            shown = rpc(net.url, "eth_getBlockByNumber", hex(height), False)
            assert unhex(shown["hash"]) == blocks[height].hash
            verifier.previous = verifier.last
            verifier.check(blocks[height])
        last = blocks[BLOCKS + 1]
        for height in range(1, BLOCKS + 1):
            answer = rpc(net.url, "btn_getCertificate", hex(height))
            signatures += len(check_finality(committee, verifier, blocks, answer))
        answer = rpc(net.url, "btn_getCertificate", hex(BLOCKS + 1))
        own = int(answer["certifiedNumber"], 16) == BLOCKS + 1
        tampered = tamper(committee, verifier, last, answer) if own else 0
    print(f"{BLOCKS} blocks verified: tickets, seeds, extra data, justifications and {signatures} finalizing signatures; "
          f"{tampered} forgeries refused")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
