"""Makes crypto.json, the golden vectors of btn-crypto, with code that shares nothing with the Rust crate.

Needs the Python packages `cryptography` and `py_ecc`. Run it in this directory; the RSA key in an existing
crypto.json is kept, so a second run must not change the file.
"""

import hashlib
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from py_ecc.bls import G2ProofOfPossession as bls

TARGET = pathlib.Path(__file__).with_name("crypto.json")


def sha256(data):
    return hashlib.sha256(data).digest()


def number(value, length=8):
    return value.to_bytes(length, "big")


def variable(value):
    return number(len(value), 4) + value


def digest(tag, chain, *fields):
    """D(tag, ...) of C3."""
    tag = tag.encode()
    return sha256(bytes([len(tag)]) + tag + chain + b"".join(fields))


def rlp(item):
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return rlp_header(0x80, len(item)) + item
    payload = b"".join(rlp(part) for part in item)
    return rlp_header(0xC0, len(payload)) + payload


def rlp_header(base, length):
    if length < 56:
        return bytes([base + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(size)]) + size


CHAIN, SEED, HASH, CLERK, SEAL = (bytes([value]) * 32 for value in (0x11, 0x22, 0x33, 0x44, 0x55))
SIGNATURE, SENDER, KEY, SPKI = bytes([0x66]) * 256, bytes([0x77]) * 20, bytes([0x88]) * 48, bytes([0x99]) * 294
SUPERVISORS, CORE = (bytes([value]) * 32 for value in (0xAA, 0xBB))
EPOCH, VIEW, PARENT_VIEW, HEIGHT, TIME, SUPERVISOR_COUNT = 1, 6, 4, 9, 1_700_000_000_123, 0x1234


def certificate(kind, view, named):
    return [1, kind, EPOCH, view, named, bytes([0x0F]), bytes([0xAA]) * 96]


def domain_vectors():
    place = number(EPOCH) + number(VIEW)
    proposal = digest("prop", CHAIN, place, number(PARENT_VIEW), HASH)
    head = place + number(PARENT_VIEW) + CLERK + variable(SIGNATURE) + number(TIME)
    level_two = SEAL + SUPERVISORS + number(SUPERVISOR_COUNT, 4)
    justification = rlp([[certificate(1, PARENT_VIEW, HASH)], [certificate(2, 5, bytes(32))]])
    return {
        "clerk": digest("clerk", CHAIN, place, SEED),
        "genesis_seed": digest("seed", CHAIN, CHAIN),
        "seed": digest("seed", CHAIN, SEED, sha256(SIGNATURE)),
        "core": digest("core", CHAIN, place, number(HEIGHT), SEED, CLERK, variable(SIGNATURE)),
        "seal": digest("seal", CHAIN, CORE),
        "seal_signature": digest("sealsig", CHAIN, CORE, HASH),
        "proposal": proposal,
        "notarize": digest("notarize", CHAIN, place, proposal),
        "nullify": digest("nullify", CHAIN, place),
        "finalize": digest("finalize", CHAIN, place, proposal),
        "envelope_bare": digest("envelope", CHAIN, head, variable(rlp([[], []])), level_two),
        "envelope_justified": digest("envelope", CHAIN, head, variable(justification), level_two),
        "submit": digest("submit", CHAIN, number(EPOCH), variable(SENDER), CLERK),
        "proof_of_possession": digest("pop", b"", CLERK, variable(KEY)),
        "enrolment": digest("enrol", b"", variable(SPKI), variable(number(3, 4))),
    }


def split(count):
    """The greatest power of two below a count (RFC 6962, section 2.1)."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree_hash(leaves):
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    half = split(len(leaves))
    return sha256(b"\1" + tree_hash(leaves[:half]) + tree_hash(leaves[half:]))


def audit_path(position, leaves):
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if position < half:
        return audit_path(position, leaves[:half]) + [tree_hash(leaves[half:])]
    return audit_path(position - half, leaves[half:]) + [tree_hash(leaves[:half])]


def tree_vectors():
    """The leaves of the Certificate Transparency tests; and all trees of up to forty leaves in one digest."""
    texts = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
    leaves = [bytes.fromhex(text) for text in texts]
    many = [b"leaf %d" % position for position in range(40)]
    everything = b"".join(
        tree_hash(many[:count]) + b"".join(step for leaf in range(count) for step in audit_path(leaf, many[:count]))
        for count in range(41)
    )
    return {
        "leaves": leaves,
        "roots": [tree_hash(leaves[:count]) for count in range(9)],
        "paths": [audit_path(position, leaves) for position in range(8)],
        "digest_of_all": sha256(everything),
    }


def bar_vectors():
    """Seal lottery of C8: ⌊2²⁵⁶·λ/S⌋ where more are registered than λ, and quorums of ⌈min(λ, S)/3⌉."""
    cases = [(0, 128), (1, 128), (2, 128), (3, 128), (4, 128), (16, 128), (127, 128), (128, 128), (129, 128)]
    cases += [(256, 128), (1000, 128), (10_000, 128), (2, 1), (10_000, 1), (4_096, 4_096), (4_097, 4_096), (7, 3)]
    return [
        {
            "supervisors": count,
            "expected_seals": expected,
            "quorum": -(-min(count, expected) // 3),
            "bar": (2**256 * expected // count).to_bytes(32, "big") if count > expected else b"",
        }
        for count, expected in cases
    ]


def challenge(spki, position, modulus, length):
    base = digest("enrol", b"", variable(spki), variable(number(position, 4)))
    attempt = 0
    while True:
        blocks = (sha256(base + number(attempt, 4) + number(counter, 4)) for counter in range((length + 31) // 32))
        value = int.from_bytes(b"".join(blocks)[:length], "big")
        if value < modulus:
            return value
        attempt += 1


def lottery_vectors(pkcs8):
    key = serialization.load_der_private_key(pkcs8, None)
    private, public = key.private_numbers(), key.private_numbers().public_numbers
    modulus, exponent = public.n, public.e
    length = (modulus.bit_length() + 7) // 8
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    inverse = pow(exponent * modulus, -1, (private.p - 1) * (private.q - 1))
    challenges = [challenge(spki, position, modulus, length) for position in range(8)]
    roots = [pow(value, inverse, modulus) for value in challenges]
    assert all(pow(root, exponent * modulus, modulus) == value for root, value in zip(roots, challenges))
    message = digest("clerk", CHAIN, number(EPOCH), number(VIEW), SEED)
    signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return {
        "pkcs8": pkcs8,
        "spki": spki,
        "node_id": sha256(spki),
        "message": message,
        "signature": signature,
        "draw": sha256(signature),
        "permutation_roots": [root.to_bytes(length, "big") for root in roots],
    }


def seal_vectors(pkcs8):
    """A seal by the lottery key, and the root over a block that holds it twice (encodings as leaves)."""
    key = serialization.load_der_private_key(pkcs8, None)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    sign = lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    draw, word = sign(digest("seal", CHAIN, CORE)), sign(digest("sealsig", CHAIN, CORE, HASH))
    encoding = rlp([sha256(spki), CORE, draw, HASH, word])
    return {
        "encoding": encoding,
        "draw_signature": draw,
        "signature": word,
        "roots": [tree_hash([encoding] * count) for count in range(4)],
    }


def vote_vectors(node):
    secrets = [int.from_bytes(sha256(b"vote key %d" % member), "big") >> 2 for member in range(4)]
    keys = [bls.SkToPk(secret) for secret in secrets]
    message = digest("nullify", CHAIN, number(EPOCH), number(VIEW))
    votes = [bls.Sign(secret, message) for secret in secrets]
    possession = digest("pop", b"", node, variable(keys[0]))
    return {
        "private": [secret.to_bytes(32, "big") for secret in secrets],
        "public": keys,
        "message": message,
        "votes": votes,
        "aggregate_of_first_three": bls.Aggregate(votes[:3]),
        "possession_of_first": bls._CoreSign(secrets[0], possession, bls.POP_TAG),
    }


def key_file_vector(secret, public):
    """A key file of a vote key under the password "correct horse", with fixed salt and nonce."""
    salt, nonce, kind = bytes(range(32)), bytes(range(12)), "bls-vote"
    key = hashlib.scrypt(b"correct horse", salt=salt, n=4096, r=8, p=1, dklen=32)
    ciphertext = AESGCM(key).encrypt(nonce, secret, kind.encode() + b"\0" + public)
    return {
        "version": 1,
        "kind": kind,
        "public": public,
        "kdf": {"name": "scrypt", "n": 4096, "r": 8, "p": 1, "salt": salt},
        "cipher": {"name": "aes-256-gcm", "nonce": nonce, "ciphertext": ciphertext},
    }


def to_hex(value):
    if isinstance(value, (int, str)):
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [to_hex(item) for item in value]
    return {name: to_hex(item) for name, item in value.items()}


def private_key():
    if TARGET.exists():
        return bytes.fromhex(json.loads(TARGET.read_text())["lottery"]["pkcs8"][2:])
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


lottery = lottery_vectors(private_key())
votes = vote_vectors(lottery["node_id"])
key_file = key_file_vector(votes["private"][0], votes["public"][0])
vectors = {"domain": domain_vectors(), "lottery": lottery, "votes": votes, "key_file": key_file}
vectors |= {"tree": tree_vectors(), "seal_bars": bar_vectors(), "seal": seal_vectors(lottery["pkcs8"])}
TARGET.write_text(json.dumps(to_hex(vectors), indent=2) + "\n")
