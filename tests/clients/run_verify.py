#!/usr/bin/env python3
"""Re-verifies tickets, seeds, certificates and seals of 20 blocks of a devnet, from bytes got by RPC; then shows that
the check can fail: every kind of bytes it looks at is changed once and must be refused."""

import copy
import json
import sys
import time

import rlp
from btn_network import Devnet, rpc
from btn_verify import (FINALIZE, Block, Committee, Supervisors, Verifier, check_audit_path, genesis_commitment, sha256,
                        tree_hash, unhex)

RPC_PORT = 18645
BLOCKS = 20
LEAST_SUPERVISORS = 4
# Small, so that a registry needs several pages.
PAGE = 3
WITHIN_S = 180


def height_of(url, tag):
    return int(rpc(url, "eth_getBlockByNumber", tag, False)["number"], 16)


def wait_for_height(url, height, tag="latest"):
    deadline = time.monotonic() + WITHIN_S
    while height_of(url, tag) < height:
        if time.monotonic() > deadline:
            raise RuntimeError(f"height {height} is not {tag} at {url}")
        time.sleep(0.2)


def read_supervisors(committee, url, genesis):
    """All pages of the registry; λ and the keys are those of the genesis file."""
    records, place, registry = [], 0, None
    while place is not None:
        registry = rpc(url, "btn_getSupervisors", hex(place), hex(PAGE))
        assert int(registry["from"], 16) == place and len(registry["supervisors"]) <= PAGE
        records += registry["supervisors"]
        place = registry["next"] and int(registry["next"], 16)
    assert [int(record["index"], 16) for record in records] == list(range(len(records)))
    known = sorted((node["id"], node["rsa_public_key"], node["payout"].lower()) for node in genesis["supervisors"])
    assert [(record["id"], record["rsaPublicKey"], record["payout"].lower()) for record in records] == known
    supervisors = Supervisors(committee, records, genesis["consensus"]["expected_seals"])
    shown = [int(registry[name], 16) for name in ("registered", "required", "expectedSeals")]
    assert shown == [len(records), supervisors.quorum, supervisors.expected_seals]
    assert unhex(registry["supervisorsRoot"]) == supervisors.root and unhex(registry["genesisHash"]) == committee.chain
    return supervisors


class Chain:
    """Verified blocks by height, fetched as they are needed, each from another node: all must serve one chain."""

    def __init__(self, net, verifier):
        self.net, self.verifier, self.blocks = net, verifier, {}
        # Signers of the Finalizations checked: an aggregate takes py_ecc half a second.
        self.finalizations = {}

    def block(self, height):
        while len(self.blocks) < height:
            following = len(self.blocks) + 1
            url = self.net.nodes[following % len(self.net.nodes)]["rpc"]
            wait_for_height(url, following)
            block = Block(unhex(rpc(url, "btn_getRawBlock", hex(following))))
            shown = rpc(self.net.url, "eth_getBlockByNumber", hex(following), False)
            assert unhex(shown["hash"]) == block.hash
            self.verifier.previous = self.verifier.last
            # What may be needed to check the block once more, changed.
            self.included_before = set(self.verifier.included)
            self.verifier.check(block)
            self.blocks[following] = block
        return self.blocks[height]

    def check_finality(self, answer):
        """The Finalization of a block, or of the first descendant that has one: its height and signers."""
        height = int(answer["certifiedNumber"], 16)
        block = self.block(height)
        assert block.hash == unhex(answer["certifiedHash"]) and height >= int(answer["number"], 16)
        raw = unhex(answer["certificate"]["raw"])
        if (height, raw) not in self.finalizations:
            digest = self.verifier.proposal_digest(block)
            check = self.verifier.committee.check_certificate
            self.finalizations[height, raw] = check(rlp.decode(raw), {FINALIZE}, block.view, digest)
        return self.finalizations[height, raw]

    def check_seals(self, url, height):
        """Every seal of a block that a node shows; the answer and the seals."""
        block, supervisors = self.block(height), self.verifier.supervisors
        answer, core = rpc(url, "btn_getSeals", hex(height)), self.verifier.core(block)
        assert unhex(answer["hash"]) == block.hash and unhex(answer["core"]) == core
        assert int(answer["required"], 16) == supervisors.quorum
        limit = answer["drawLimit"] and int(answer["drawLimit"], 16)
        assert limit == supervisors.draw_limit
        seals = [supervisors.check_shown(shown) for shown in answer["seals"]]
        assert int(answer["count"], 16) == len(seals) == len({seal.supervisor for seal in seals})
        for seal in seals:
            supervisors.check_seal(seal, core, block.hash)
        return answer, seals

    def check_third_state(self, url, height):
        """Third state is claimed only with a Finalization and enough seals on one block at or above; the seals."""
        answer, seals = self.check_seals(url, height)
        assert answer["state"] == "third" and answer["final"] is True, (height, answer["state"])
        covering = int(answer["coveredBy"], 16)
        assert covering >= height
        _, covering_seals = self.check_seals(url, covering)
        block = self.block(covering)
        self.verifier.supervisors.check_second_state(covering_seals, self.verifier.core(block), block.hash)
        # Blocks up to there are linked by their parents' hashes: the Finalization covers both.
        self.check_finality(rpc(url, "btn_getCertificate", hex(covering)))
        return seals


def changed(data, position):
    """The bytes with one bit turned."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1:]


def refuses(check, reason=""):
    """The check fails; where a reason is given, for that reason."""
    try:
        check()
    except Exception as error:  # whatever the libraries raise on wrong bytes
        assert reason in str(error), (reason, error)
        return 1
    raise AssertionError("changed bytes were accepted")


def tamper_block(chain, block):
    """Each part of the last block with one bit turned: nothing may pass."""
    verifier = chain.verifier
    verifier.seeds.pop()
    verifier.included, verifier.last, last = set(chain.included_before), verifier.previous, verifier.last
    refused = 0
    for field in ("clerk_signature", "extra_data", "mix_hash", "parent", "clerk", "seal_root", "supervisors_root"):
        original = getattr(block, field)
        setattr(block, field, changed(original, len(original) - 1))
        refused += refuses(lambda: verifier.check(block))
        setattr(block, field, original)
    block.supervisors += 1
    refused += refuses(lambda: verifier.check(block))
    block.supervisors -= 1
    verifier.check(block)
    assert verifier.last is last
    return refused


def tamper_certificate(chain, answer):
    """Bitmap and aggregate of a Finalization with one bit turned."""
    committee, refused = chain.verifier.committee, 0
    block = chain.block(int(answer["certifiedNumber"], 16))
    raw, digest = rlp.decode(unhex(answer["certificate"]["raw"])), chain.verifier.proposal_digest(block)
    for place in (5, 6):
        wrong = list(raw)
        wrong[place] = changed(raw[place], len(raw[place]) - 1)
        refused += refuses(lambda: committee.check_certificate(wrong, {FINALIZE}, block.view, digest))
    return refused


def altered(seal, **fields):
    other = copy.copy(seal)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def tamper_seals(chain, block, seals, other_block, other_seals):
    """Forged seals, each of a kind of its own."""
    verifier, supervisors = chain.verifier, chain.verifier.supervisors
    core, other_core, seal = verifier.core(block), verifier.core(other_block), seals[0]
    by_another = next(another for another in seals if another.supervisor != seal.supervisor)
    of_another = next(another for another in other_seals if another.supervisor == seal.supervisor)
    forged = [
        (altered(seal, draw_signature=seal.signature, signature=seal.draw_signature), ""),
        (altered(seal, draw_signature=by_another.draw_signature), ""),
        (altered(seal, signature=by_another.signature), ""),
        (altered(seal, supervisor=by_another.supervisor), ""),
        (altered(seal, draw_signature=changed(seal.draw_signature, 9)), ""),
        (altered(seal, signature=changed(seal.signature, 9)), ""),
        # Longer by a zero in front: the same number, another draw.
        (altered(seal, draw_signature=b"\0" + seal.draw_signature), ""),
        (altered(seal, core=other_core), "another core"),
        (altered(seal, block_hash=other_block.hash), "another block"),
        (of_another, "another core"),
        # A genuine seal of another block under this one's names.
        (altered(of_another, core=core, block_hash=block.hash), ""),
        (altered(seal, draw_signature=of_another.draw_signature), ""),
        (altered(seal, signature=of_another.signature), ""),
        (altered(seal, supervisor=changed(seal.supervisor, 0)), "not registered"),
    ]
    refused = sum(refuses(lambda: supervisors.check_seal(wrong, core, block.hash), reason) for wrong, reason in forged)
    # The same seals held against another core or another hash of the block.
    refused += refuses(lambda: supervisors.check_seal(seal, other_core, block.hash), "another core")
    refused += refuses(lambda: supervisors.check_seal(seal, core, other_block.hash), "another block")
    return refused + tamper_counts(supervisors, core, block, seals, other_seals)


def tamper_counts(supervisors, core, block, seals, other_seals):
    """Counts that must not reach the second state, and a draw that is not below its bar."""
    check = lambda chosen: supervisors.check_second_state(chosen, core, block.hash)
    few = seals[:supervisors.quorum - 1]
    refused = refuses(lambda: check(few), "are needed")
    refused += refuses(lambda: check(few + [seals[0]]), "counted twice")
    refused += refuses(lambda: check(few + [seal for seal in other_seals if seal.supervisor not in
                                            {known.supervisor for known in few}][:1]), "another core")
    check(seals[:supervisors.quorum])
    # Were only one of all expected, most would not be drawn: their seals are refused, whatever they signed.
    strict = copy.copy(supervisors)
    strict.expected_seals = 1
    barred = [seal for seal in seals if not strict.is_drawn(sha256(seal.draw_signature))]
    assert barred, "all were drawn at one in all: hardly ever"
    return refused + sum(refuses(lambda: strict.check_seal(seal, core, block.hash), "not drawn") for seal in barred)


def tamper_paths(supervisors, shown):
    """Membership paths that lead elsewhere."""
    root, size, index = supervisors.root, len(supervisors.ids), int(shown["index"], 16)
    leaf, path = unhex(shown["supervisor"]), [unhex(step) for step in shown["membership"]]
    check_audit_path(root, size, index, leaf, path)
    wrong = [
        (size, index, leaf, path[:-1]),
        (size, index, leaf, path + path[-1:]),
        (size, index, leaf, [changed(path[0], 0)] + path[1:]),
        (size, index ^ 1, leaf, path),
        (size, size, leaf, path),
        (size, index, changed(leaf, 0), path),
        (2 * size, index, leaf, path),
    ]
    return sum(refuses(lambda: check_audit_path(root, *arguments)) for arguments in wrong)


def tamper_included(chain):
    """Seals that a body must not hold: too few for its envelope, in another order, one twice, all once more."""
    verifier = chain.verifier
    block = next(block for block in chain.blocks.values() if len(block.seals) > 1)
    included, verifier.included = verifier.included, set()
    check = lambda seals, root: verifier.check_included_seals(altered(block, seals=seals, seal_root=root))
    check(block.seals, block.seal_root)
    refused = refuses(lambda: check(block.seals[1:], block.seal_root))
    for seals in (block.seals[::-1], block.seals + block.seals[-1:]):
        refused += refuses(lambda: check(seals, tree_hash([seal.raw for seal in seals])))
    verifier.included = included
    return refused + refuses(lambda: verifier.check_included_seals(block))


def verify(net):
    genesis = json.load(open(net.directory + "/net/genesis.json"))
    first = rpc(net.url, "eth_getBlockByNumber", "0x0", False)
    assert unhex(first["extraData"]) == genesis_commitment(genesis), "block 0 does not commit to the genesis file"
    committee = Committee(rpc(net.url, "btn_getCommittee"), unhex(first["hash"]))
    supervisors = read_supervisors(committee, net.url, genesis)
    assert len(supervisors.ids) >= LEAST_SUPERVISORS, "this test wants a devnet with supervisors"
    chain = Chain(net, Verifier(committee, supervisors))
    for node in net.nodes:
        wait_for_height(node["rpc"], BLOCKS + 2, "finalized")
    signers = seal_count = 0
    shown = {}
    for height in range(1, BLOCKS + 3):
        # Each block's seals from another node.
        url = net.nodes[height % len(net.nodes)]["rpc"]
        signers += len(chain.check_finality(rpc(url, "btn_getCertificate", hex(height))))
        shown[height] = chain.check_third_state(url, height)
        seal_count += len(shown[height])
    # The tag claims no more than that.
    for node in net.nodes:
        chain.check_third_state(node["rpc"], height_of(node["rpc"], "finalized"))
    included = sum(len(block.seals) for block in chain.blocks.values())
    assert included, "no block includes a seal"
    refused = tamper(chain, shown)
    print(f"{len(shown)} blocks verified: genesis, tickets, seeds, extra data, justifications, {signers} finalizing "
          f"signatures, {seal_count} seals, {included} seals in bodies; {refused} forgeries refused")


def tamper(chain, shown):
    supervisors, url = chain.verifier.supervisors, chain.net.url
    # Two blocks that enough supervisors have sealed, one of them both.
    ample = [height for height, seals in shown.items() if len(seals) >= max(supervisors.quorum, 2)]
    pairs = [(one, other) for one in ample for other in ample
             if one != other and shown[one][0].supervisor in {seal.supervisor for seal in shown[other]}]
    one, other = pairs[0]
    refused = tamper_seals(chain, chain.block(one), shown[one], chain.block(other), shown[other])
    refused += tamper_paths(supervisors, rpc(url, "btn_getSeals", hex(one))["seals"][0])
    refused += tamper_included(chain)
    refused += tamper_certificate(chain, rpc(url, "btn_getCertificate", hex(one)))
    # Last, as it plays with the end of the chain.
    return refused + tamper_block(chain, chain.block(len(chain.blocks)))


def main():
    with Devnet(RPC_PORT) as net:
        verify(net)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
