"""Signs transfers without any code of BTN: EIP-1559 transactions by py_ecc's secp256k1."""

import rlp
from eth_hash.auto import keccak
from py_ecc.secp256k1 import ecdsa_raw_sign

GWEI = 10**9
TRANSFER_GAS = 21_000


class Wallet:
    """One account; counts its own nonces."""

    def __init__(self, private_key, chain_id, nonce=0):
        self.key = bytes.fromhex(private_key.removeprefix("0x"))
        self.chain_id, self.nonce = chain_id, nonce

    def transfer(self, target, value_wei=1):
        """A signed transfer with the next nonce: its bytes in hex, and its hash."""
        to = bytes.fromhex(target.removeprefix("0x"))
        fields = [self.chain_id, self.nonce, GWEI, 100 * GWEI, TRANSFER_GAS, to, value_wei, b"", []]
        v, r, s = ecdsa_raw_sign(keccak(b"\x02" + rlp.encode(fields)), self.key)
        raw = b"\x02" + rlp.encode([*fields, v - 27, r, s])
        self.nonce += 1
        return "0x" + raw.hex(), "0x" + keccak(raw).hex()
