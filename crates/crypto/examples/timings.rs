//! Measures what this crate costs on this machine: `cargo run --release -p btn-crypto --example timings`.

use btn_crypto::{
    KeyFile, LotteryKeySize, LotteryPrivateKey, ScryptCost, VotePrivateKey, VotePublicKey, aggregate_votes,
    check_modulus, prove_permutation, verify_aggregate_vote, verify_permutation,
};
use btn_types::{B256, NodeId, sha256};
use std::error::Error;
use std::time::Instant;

/// Prints the mean time of `runs` calls in microseconds.
fn measure<T>(what: &str, runs: u32, mut call: impl FnMut() -> T) {
    let start = Instant::now();
    for _ in 0..runs {
        std::hint::black_box(call());
    }
    println!("{what:<44} {:>10} µs", start.elapsed().as_micros() / u128::from(runs));
}

fn lottery(size: LotteryKeySize) -> Result<(), Box<dyn Error>> {
    let (bits, message) = (size.bits(), sha256(b"message"));
    measure(&format!("RSA-{bits} generate"), 5, || LotteryPrivateKey::generate(size));
    let key = LotteryPrivateKey::generate(size)?;
    let (signature, proof) = (key.sign(message)?, prove_permutation(&key)?);
    println!("RSA-{bits} proof is {} bytes", proof.iter().map(|root| root.len()).sum::<usize>());
    measure(&format!("RSA-{bits} sign"), 100, || key.sign(message));
    measure(&format!("RSA-{bits} verify"), 1_000, || key.public().verify(message, &signature));
    measure(&format!("RSA-{bits} modulus check"), 20, || check_modulus(key.public()));
    measure(&format!("RSA-{bits} permutation proof, make"), 3, || prove_permutation(&key));
    measure(&format!("RSA-{bits} permutation proof, verify"), 3, || verify_permutation(key.public(), &proof));
    Ok(())
}

fn votes() -> Result<(), Box<dyn Error>> {
    let message = sha256(b"message");
    let keys = (0..150).map(|_| VotePrivateKey::generate()).collect::<Result<Vec<_>, _>>()?;
    let public =
        keys.iter().map(|key| VotePublicKey::from_bytes(&key.public())).collect::<Result<Vec<_>, _>>()?;
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(message)).collect();
    measure("BLS sign", 100, || keys[0].sign(message));
    measure("BLS key validation", 100, || VotePublicKey::from_bytes(&keys[0].public()));
    measure("BLS verify", 100, || public[0].verify(message, &signatures[0]));
    let proof = keys[0].prove_possession(NodeId(B256::ZERO));
    measure("BLS proof of possession, verify", 100, || {
        public[0].verify_possession(NodeId(B256::ZERO), &proof)
    });
    for count in [3, 5, 67, 101] {
        let named: Vec<_> = public[..count].iter().collect();
        let aggregate = aggregate_votes(&signatures[..count]).ok_or("no aggregate")?;
        measure(&format!("BLS aggregate {count} votes"), 10, || aggregate_votes(&signatures[..count]));
        measure(&format!("BLS verify aggregate of {count}"), 100, || {
            verify_aggregate_vote(&named, message, &aggregate)
        });
    }
    Ok(())
}

fn key_files() -> Result<(), Box<dyn Error>> {
    let key = VotePrivateKey::generate()?;
    for (name, cost) in [("devnet", ScryptCost::DEVNET), ("standard", ScryptCost::STANDARD)] {
        let file = KeyFile::from_vote_key(&key, "password", cost)?;
        measure(&format!("key file, open at {name} cost"), 3, || file.vote_key("password"));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    lottery(LotteryKeySize::Bits2048)?;
    lottery(LotteryKeySize::Bits3072)?;
    votes()?;
    key_files()
}
