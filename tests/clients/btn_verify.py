"""Checks BTN blocks from bytes alone, sharing no code with BTN: RSA by `cryptography`, BLS by `py_ecc`, RLP by `rlp`.

Follows docs/consensus.md (C3, C5, C8) and docs/json-rpc.md, "Checking a block without trusting the node".
"""

import hashlib
import itertools
import math

import rlp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from eth_hash.auto import keccak
from py_ecc.bls import G2ProofOfPossession as bls

MAX_SEAL_AGE_HEIGHTS, MAX_BLOCK_SEALS = 32, 256
NOTARIZE, NULLIFY, FINALIZE = 1, 2, 3
VOTE_TAGS = {NOTARIZE: b"notarize", NULLIFY: b"nullify", FINALIZE: b"finalize"}
ZERO = bytes(32)


def sha256(data):
    return hashlib.sha256(data).digest()


def u64(number):
    return number.to_bytes(8, "big")


def u32(number):
    return number.to_bytes(4, "big")


def variable(data):
    return len(data).to_bytes(4, "big") + data


def number(data):
    """An RLP integer; a leading zero byte would be a second encoding of the same number."""
    assert not data or data[0] != 0, data
    return int.from_bytes(data, "big")


def leading_zeros(digest):
    return 256 - int.from_bytes(digest, "big").bit_length()


def unhex(text):
    return bytes.fromhex(text.removeprefix("0x"))


def mgf1(seed, length):
    """MGF1 with SHA-256 (RFC 8017, B.2.1)."""
    blocks = (sha256(seed + counter.to_bytes(4, "big")) for counter in range(-(-length // 32)))
    return b"".join(blocks)[:length]


def challenge(spki, position, modulus, size):
    """The first value of the key's own sequence below the modulus (ADR 006)."""
    tag = b"enrol"
    base = sha256(bytes([len(tag)]) + tag + variable(spki) + variable(position.to_bytes(4, "big")))
    drawn = (mgf1(base + attempt.to_bytes(4, "big"), size) for attempt in itertools.count())
    return next(value for value in (int.from_bytes(data, "big") for data in drawn) if value < modulus)


def check_permutation(spki, roots):
    """RSA is a permutation under this key: eight roots of degree e·n of units, no small factor (K1, ADR 006)."""
    numbers = serialization.load_der_public_key(spki).public_numbers()
    modulus, size = numbers.n, numbers.n.bit_length() // 8
    assert numbers.e == 65537 and size in (256, 384) and len(roots) == 8
    assert all(modulus % factor for factor in range(2, 65538))
    values = [challenge(spki, position, modulus, size) for position in range(8)]
    assert math.gcd(math.prod(values), modulus) == 1
    for root, value in zip(roots, values):
        assert len(root) == size and pow(int.from_bytes(root, "big"), 65537 * modulus, modulus) == value


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def tree_hash(leaves):
    """Tree hash of RFC 6962, section 2.1; the left half is the largest power of two below the whole."""
    if len(leaves) <= 1:
        return leaf_hash(leaves[0]) if leaves else sha256(b"")
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_hash(leaves[:half]), tree_hash(leaves[half:]))


def check_audit_path(root, size, index, leaf, path):
    """The path of RFC 6962, section 2.1.1, followed from the leaf upwards (RFC 9162, section 2.1.3.2)."""
    assert 0 <= index < size
    position, last, current = index, size - 1, leaf_hash(leaf)
    for step in path:
        assert last > 0 and len(step) == 32, "the path is too long"
        if position & 1 or position == last:
            current = node_hash(step, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, step)
        position, last = position >> 1, last >> 1
    assert last == 0 and current == root


def genesis_commitment(genesis):
    """SHA-256 of the genesis file's canonical encoding, which block 0 carries as extra data (C2)."""
    base_fee = [genesis["base_fee"][name] for name in ("initial_wei", "floor_wei", "change_denominator", "elasticity")]
    names = ("delta_ms", "candidate_wait_ms", "idle_interval_ms", "min_block_interval_ms", "lottery_period_blocks",
             "expected_seals")
    consensus = [genesis["consensus"][name] for name in names]
    accounts = []
    for address, account in sorted(genesis["alloc"].items(), key=lambda entry: unhex(entry[0])):
        slots = [[unhex(slot), unhex(value)] for slot, value in sorted(account["storage"].items())]
        accounts.append([unhex(address), int(account["balance"], 16), account["nonce"], unhex(account["code"]), slots])
    keys = lambda record: [unhex(record["rsa_public_key"]), [unhex(root) for root in record["rsa_permutation_proof"]],
                           unhex(record["network_key"])]
    by_id = lambda records: sorted(records, key=lambda record: unhex(record["id"]))
    texts = lambda addresses: [address.encode() for address in addresses]
    nodes = [[unhex(node["id"]), {"master": 1}[node["level"]], *keys(node), texts(node["addresses"]),
              texts(node["supervisor_addresses"]), unhex(node["payout"]), unhex(node["vote_key"]),
              unhex(node["vote_key_proof"])] for node in by_id(genesis["nodes"])]
    supervisors = [[unhex(node["id"]), *keys(node), unhex(node["payout"])] for node in by_id(genesis["supervisors"])]
    head = [genesis["chain_id"], genesis["timestamp_ms"], genesis["gas_limit"]]
    return sha256(rlp.encode(head + [base_fee, consensus, accounts, nodes, supervisors]))


class Committee:
    """Public keys in the order of the bitmap, and the digests of one chain."""

    def __init__(self, answer, genesis_hash):
        assert unhex(answer["genesisHash"]) == genesis_hash
        self.chain = genesis_hash
        self.bar = int(answer["clerkBar"], 16)
        self.period = int(answer["lotteryPeriodBlocks"], 16)
        self.ids = [unhex(member["id"]) for member in answer["members"]]
        self.rsa = [serialization.load_der_public_key(unhex(m["rsaPublicKey"])) for m in answer["members"]]
        self.vote_keys = [unhex(member["voteKey"]) for member in answer["members"]]
        self.quorum = len(self.ids) * 2 // 3 + 1
        assert int(answer["quorum"], 16) == self.quorum
        assert self.ids == sorted(self.ids)
        for member, node_id in zip(answer["members"], self.ids):
            assert sha256(unhex(member["rsaPublicKey"])) == node_id
            self.check_possession(member, node_id)
            check_permutation(unhex(member["rsaPublicKey"]), [unhex(root) for root in member["rsaPermutationProof"]])

    def check_possession(self, member, node_id):
        """The proof of possession of the vote key: a signature in its own domain, bound to the node (C3 `pop`)."""
        key, tag = unhex(member["voteKey"]), b"pop"
        message = sha256(bytes([len(tag)]) + tag + node_id + variable(key))
        suite = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
        assert bls._CoreVerify(key, message, unhex(member["voteKeyProof"]), suite), node_id.hex()

    def digest(self, tag, *fields):
        return sha256(bytes([len(tag)]) + tag + self.chain + b"".join(fields))

    def check_ticket(self, block, draw_seed):
        """The clerk's lottery signature, and enough leading zeros (C3, C4)."""
        place = self.ids.index(block.clerk)
        message = self.digest(b"clerk", u64(block.epoch), u64(block.view), draw_seed)
        key = self.rsa[place]
        assert key.key_size // 8 == len(block.clerk_signature)
        key.verify(block.clerk_signature, message, padding.PKCS1v15(), hashes.SHA256())
        assert leading_zeros(sha256(block.clerk_signature)) >= self.bar

    def check_certificate(self, certificate, kinds, view, digest):
        """Suite, kind, view, digest, quorum of distinct members, aggregate (C5)."""
        suite, kind, epoch, at_view, named, bitmap, aggregate = certificate
        kind = number(kind)
        assert number(suite) == 1 and kind in kinds and number(epoch) == 0 and number(at_view) == view
        assert named == digest, (named.hex(), digest.hex())
        assert len(bitmap) == (len(self.ids) + 7) // 8
        bits = int.from_bytes(bitmap, "little")
        signers = [place for place in range(len(bitmap) * 8) if bits >> place & 1]
        assert len(signers) >= self.quorum and signers[-1] < len(self.ids), signers
        fields = [u64(0), u64(view)] + ([] if kind == NULLIFY else [digest])
        message = self.digest(VOTE_TAGS[kind], *fields)
        assert bls.FastAggregateVerify([self.vote_keys[place] for place in signers], message, aggregate)
        return signers


class Block:
    """A decoded raw block. The encoding must be the only one of its kind, and the seals those of its envelope."""

    def __init__(self, raw):
        decoded = rlp.decode(raw)
        assert rlp.encode(decoded) == raw
        self.header, self.transactions, envelope, self.justification, seals = decoded
        self.hash = keccak(rlp.encode(self.header))
        self.parent, self.height = self.header[0], number(self.header[8])
        self.timestamp, self.extra_data, self.mix_hash = number(self.header[11]), self.header[12], self.header[13]
        *place, self.clerk, self.clerk_signature, time_ms, self.seal_root, self.supervisors_root, supervisors = envelope
        epoch, view, parent_view = place
        self.epoch, self.view, self.parent_view = number(epoch), number(view), number(parent_view)
        self.timestamp_ms, self.supervisors = number(time_ms), number(supervisors)
        self.seals = [Seal(rlp.encode(seal)) for seal in seals]


class Seal:
    """One supervisor's seal, decoded (C5)."""

    def __init__(self, raw):
        decoded = rlp.decode(raw)
        assert rlp.encode(decoded) == raw
        self.raw = raw
        self.supervisor, self.core, self.draw_signature, self.block_hash, self.signature = decoded
        assert all(len(part) == 32 for part in (self.supervisor, self.core, self.block_hash))


class Supervisors:
    """The registered supervisors by id, with the rules that seals are held against (C8)."""

    def __init__(self, committee, records, expected_seals):
        self.digest = committee.digest
        self.expected_seals = expected_seals
        self.keys = {}
        for record in records:
            node_id, spki = unhex(record["id"]), unhex(record["rsaPublicKey"])
            assert sha256(spki) == node_id and node_id not in self.keys
            check_permutation(spki, [unhex(root) for root in record["rsaPermutationProof"]])
            self.keys[node_id] = serialization.load_der_public_key(spki)
        self.ids = sorted(self.keys)
        self.root = tree_hash(self.ids)

    @property
    def quorum(self):
        """s_min: a third of the seals expected, rounded up."""
        return -(-min(self.expected_seals, len(self.ids)) // 3)

    @property
    def draw_limit(self):
        """⌊2²⁵⁶·λ/S⌋; `None` while S is at most λ, when everyone is drawn."""
        size = len(self.ids)
        return None if size <= self.expected_seals else (self.expected_seals << 256) // size

    def is_drawn(self, draw):
        return self.draw_limit is None or int.from_bytes(draw, "big") < self.draw_limit

    def check_signature(self, node_id, message, signature):
        key = self.keys[node_id]
        assert key.key_size // 8 == len(signature)
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())

    def check_seal(self, seal, core, block_hash):
        """Registration, the block it is for, the draw and its bar, the supervisor's word."""
        assert seal.supervisor in self.keys, "not registered"
        assert seal.core == core, "another core"
        assert seal.block_hash == block_hash, "another block"
        self.check_signature(seal.supervisor, self.digest(b"seal", core), seal.draw_signature)
        assert self.is_drawn(sha256(seal.draw_signature)), "not drawn"
        self.check_signature(seal.supervisor, self.digest(b"sealsig", core, block_hash), seal.signature)

    def check_second_state(self, seals, core, block_hash):
        """Enough distinct supervisors on this one block."""
        for seal in seals:
            self.check_seal(seal, core, block_hash)
        sealed_by = {seal.supervisor for seal in seals}
        assert len(sealed_by) == len(seals), "a supervisor counted twice"
        assert len(sealed_by) >= self.quorum, f"{len(sealed_by)} seals, {self.quorum} are needed"

    def check_shown(self, shown):
        """A seal as `btn_getSeals` shows it: fields, draw and audit path fit its raw bytes."""
        seal = Seal(unhex(shown["raw"]))
        assert seal.supervisor == unhex(shown["supervisor"]) and seal.signature == unhex(shown["signature"])
        assert seal.draw_signature == unhex(shown["drawSignature"])
        assert sha256(seal.draw_signature) == unhex(shown["draw"])
        path = [unhex(step) for step in shown["membership"]]
        check_audit_path(self.root, len(self.ids), int(shown["index"], 16), seal.supervisor, path)
        return seal


class Verifier:
    """Follows the chain upwards from genesis; each block is checked against all before it."""

    def __init__(self, committee, supervisors):
        self.committee = committee
        self.supervisors = supervisors
        # Of each block checked: its height and core by its hash, and which seals stand in bodies already.
        self.places, self.included = {}, set()
        self.seeds = [committee.digest(b"seed", committee.chain)]
        self.last = None

    def proposal_digest(self, block):
        fields = [u64(block.epoch), u64(block.view), u64(block.parent_view), block.hash]
        return self.committee.digest(b"prop", *fields)

    def draw_seed(self, height):
        period = height // self.committee.period
        return self.seeds[0 if period < 2 else (period - 1) * self.committee.period - 1]

    def check(self, block):
        """Place, extra data, ticket, seed, justification, seals in the body."""
        committee, last = self.committee, self.last
        assert block.height == len(self.seeds) and block.epoch == 0
        assert block.parent == (last.hash if last else committee.chain)
        assert block.parent_view == (last.view if last else 0) and block.view > block.parent_view
        assert block.timestamp == block.timestamp_ms // 1000
        assert last is None or block.timestamp_ms > last.timestamp_ms
        extra = [u64(0), u64(block.view), u64(block.parent_view), block.clerk, variable(block.clerk_signature)]
        extra += [u64(block.timestamp_ms), variable(rlp.encode(block.justification)), block.seal_root]
        extra += [block.supervisors_root, u32(block.supervisors)]
        assert block.extra_data == committee.digest(b"envelope", *extra)
        committee.check_ticket(block, self.draw_seed(block.height))
        seed = committee.digest(b"seed", self.seeds[-1], sha256(block.clerk_signature))
        assert block.mix_hash == seed
        self.check_justification(block)
        included = self.check_included_seals(block)
        self.places[block.hash] = (block.height, self.core(block))
        self.included |= included
        self.seeds.append(seed)
        self.last = block

    def core(self, block):
        """What the block's seals draw on: it needs the parent's seed (C3)."""
        place = [u64(block.epoch), u64(block.view), u64(block.height), self.seeds[block.height - 1]]
        return self.committee.digest(b"core", *place, block.clerk, variable(block.clerk_signature))

    def check_included_seals(self, block):
        """The registry's root and size, the seals' root, and each seal: of an ancestor not too old, in order, once."""
        assert (block.supervisors_root, block.supervisors) == (self.supervisors.root, len(self.supervisors.ids))
        assert len(block.seals) <= MAX_BLOCK_SEALS
        assert block.seal_root == tree_hash([seal.raw for seal in block.seals])
        places = []
        for seal in block.seals:
            height, core = self.places[seal.block_hash]
            assert block.height - height <= MAX_SEAL_AGE_HEIGHTS
            self.supervisors.check_seal(seal, core, seal.block_hash)
            places.append((height, seal.supervisor))
        assert places == sorted(set(places)) and not self.included & set(places)
        return set(places)

    def check_justification(self, block):
        parent, nullifications = block.justification
        assert len(parent) == (1 if self.last else 0)
        if self.last:
            digest = self.proposal_digest(self.last)
            self.committee.check_certificate(parent[0], {NOTARIZE, FINALIZE}, self.last.view, digest)
        skipped = range(block.parent_view + 1, block.view)
        assert len(nullifications) == len(skipped)
        for view, certificate in zip(skipped, nullifications):
            self.committee.check_certificate(certificate, {NULLIFY}, view, ZERO)
