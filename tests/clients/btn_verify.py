"""Checks BTN blocks from bytes alone, sharing no code with BTN: RSA by `cryptography`, BLS by `py_ecc`, RLP by `rlp`.

Follows docs/consensus.md (C3, C5) and docs/json-rpc.md, "Checking a block without trusting the node".
"""

import hashlib
import itertools
import math

import rlp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from eth_hash.auto import keccak
from py_ecc.bls import G2ProofOfPossession as bls

NOTARIZE, NULLIFY, FINALIZE = 1, 2, 3
VOTE_TAGS = {NOTARIZE: b"notarize", NULLIFY: b"nullify", FINALIZE: b"finalize"}
ZERO = bytes(32)


def sha256(data):
    return hashlib.sha256(data).digest()


def u64(number):
    return number.to_bytes(8, "big")


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
    """A decoded raw block. The encoding must be the only one of its kind."""

    def __init__(self, raw):
        decoded = rlp.decode(raw)
        assert rlp.encode(decoded) == raw
        self.header, self.transactions, envelope, self.justification = decoded
        self.hash = keccak(rlp.encode(self.header))
        self.parent, self.height = self.header[0], number(self.header[8])
        self.timestamp, self.extra_data, self.mix_hash = number(self.header[11]), self.header[12], self.header[13]
        epoch, view, parent_view, self.clerk, self.clerk_signature, time_ms, self.seal_root = envelope
        self.epoch, self.view, self.parent_view = number(epoch), number(view), number(parent_view)
        self.timestamp_ms = number(time_ms)


class Verifier:
    """Follows the chain upwards from genesis; each block is checked against all before it."""

    def __init__(self, committee):
        self.committee = committee
        self.seeds = [committee.digest(b"seed", committee.chain)]
        self.last = None

    def proposal_digest(self, block):
        fields = [u64(block.epoch), u64(block.view), u64(block.parent_view), block.hash]
        return self.committee.digest(b"prop", *fields)

    def draw_seed(self, height):
        period = height // self.committee.period
        return self.seeds[0 if period < 2 else (period - 1) * self.committee.period - 1]

    def check(self, block):
        """Place, extra data, ticket, seed, justification."""
        committee, last = self.committee, self.last
        assert block.height == len(self.seeds) and block.epoch == 0
        assert block.parent == (last.hash if last else committee.chain)
        assert block.parent_view == (last.view if last else 0) and block.view > block.parent_view
        assert block.timestamp == block.timestamp_ms // 1000
        assert last is None or block.timestamp_ms > last.timestamp_ms
        extra = [u64(0), u64(block.view), u64(block.parent_view), block.clerk, variable(block.clerk_signature)]
        extra += [u64(block.timestamp_ms), variable(rlp.encode(block.justification)), block.seal_root]
        assert block.extra_data == committee.digest(b"envelope", *extra)
        committee.check_ticket(block, self.draw_seed(block.height))
        seed = committee.digest(b"seed", self.seeds[-1], sha256(block.clerk_signature))
        assert block.mix_hash == seed
        self.check_justification(block)
        self.seeds.append(seed)
        self.last = block

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
