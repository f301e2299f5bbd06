//! Measures what this crate costs on this machine: `cargo run --release -p btn-crypto --example timings`.

use btn_crypto::{
    KeyFile, LotteryKeySize, LotteryPrivateKey, ScryptCost, SupervisorKeys, SupervisorPublicKeys,
    Supervisors, VotePrivateKey, VotePublicKey, aggregate_votes, check_modulus, check_supervisor_record,
    prove_permutation, seal_root, verify_aggregate_vote, verify_permutation,
};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};
use btn_types::{Address, B256, Genesis, NodeId, encode, sha256};
use std::collections::BTreeMap;
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

/// What a node pays per supervisor when it reads a genesis for the first time and ever after, and per seal.
fn supervisors() -> Result<(), Box<dyn Error>> {
    let (count, core, block_hash) = (16u8, sha256(b"core"), sha256(b"block"));
    let keys = (0..count)
        .map(|_| {
            LotteryPrivateKey::generate(LotteryKeySize::Bits2048).map(|lottery| SupervisorKeys { lottery })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let records = keys
        .iter()
        .zip(0..)
        .map(|(keys, number)| keys.record(B256::with_last_byte(number), Address::with_last_byte(number)));
    let genesis = Genesis {
        chain_id: 1,
        timestamp_ms: 0,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: BTreeMap::new(),
        nodes: Vec::new(),
        supervisors: records.collect::<Result<Vec<_>, _>>()?,
    };
    println!("{} processors", std::thread::available_parallelism()?);
    measure("supervisor record, check", 3, || check_supervisor_record(&genesis.supervisors[0]));
    measure("16 supervisors from genesis", 1, || SupervisorPublicKeys::from_genesis(&genesis));
    measure("16 supervisors from checked genesis", 10, || {
        SupervisorPublicKeys::from_checked_genesis(&genesis)
    });
    let verifier = SupervisorPublicKeys::from_checked_genesis(&genesis)?;
    let supervisors = Supervisors::from_genesis(&genesis, core, verifier);
    let id = keys[0].lottery.public().node_id();
    let seal = supervisors.seal(id, &keys[0], core, block_hash)?.ok_or("not drawn")?;
    println!("a seal is {} bytes", encode(&seal).len());
    measure("seal, make", 100, || supervisors.seal(id, &keys[0], core, block_hash));
    measure("seal, verify", 1_000, || supervisors.verify(&seal));
    let block = vec![seal; 256];
    measure("seal root of 256 seals", 100, || seal_root(&block));
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
    supervisors()?;
    votes()?;
    key_files()
}
