//! Vote signatures against vectors of other implementations, and every refusal.

use super::*;
use crate::vectors;
use alloy_primitives::hex;

fn key(member: usize) -> VotePrivateKey {
    VotePrivateKey::from_bytes(&vectors::bytes(&format!("/votes/private/{member}"))).unwrap()
}

fn public(member: usize) -> VotePublicKey {
    VotePublicKey::from_bytes(&key(member).public()).unwrap()
}

fn message() -> B256 {
    B256::from_slice(&vectors::bytes("/votes/message"))
}

fn vote(member: usize) -> VoteSignature {
    key(member).sign(message())
}

#[test]
fn keys_votes_and_proofs_match_py_ecc() {
    for member in 0..4 {
        assert_eq!(key(member).public().as_slice(), &vectors::bytes(&format!("/votes/public/{member}"))[..]);
        assert_eq!(vote(member).as_slice(), &vectors::bytes(&format!("/votes/votes/{member}"))[..]);
    }
    let aggregate = aggregate_votes(&[vote(0), vote(1), vote(2)]).unwrap();
    assert_eq!(aggregate.as_slice(), &vectors::bytes("/votes/aggregate_of_first_three")[..]);
    let node = NodeId(B256::from_slice(&vectors::bytes("/lottery/node_id")));
    let proof = key(0).prove_possession(node);
    assert_eq!(proof.as_slice(), &vectors::bytes("/votes/possession_of_first")[..]);
    assert!(public(0).verify_possession(node, &proof));
}

#[test]
fn consensus_bls_suite_sign_cases() {
    let cases = [
        (
            hex!("263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"),
            0x00,
            hex!(
                "b6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6076334f91e2366c96e9ab279fb515809"
                "0352ea1c5b0c9274504f4f0e7053af24802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55"
            ),
        ),
        (
            hex!("263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"),
            0x56,
            hex!(
                "882730e5d03f6b42c3abc26d3372625034e1d871b65a8a6b900a56dae22da98abbe1b68f85e49fe7652a55ec3d0591c2"
                "0767677e33e5cbb1207315c41a9ac03be39c2e7668edc043d6cb1d9fd93033caa8a1c5b0e84bedaeb6c64972503a43eb"
            ),
        ),
        (
            hex!("263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"),
            0xab,
            hex!(
                "91347bccf740d859038fcdcaf233eeceb2a436bcaaee9b2aa3bfb70efe29dfb2677562ccbea1c8e061fb9971b0753c24"
                "0622fab78489ce96768259fc01360346da5b9f579e5da0d941e4c6ba18a0e64906082375394f337fa1af2b7127b0d121"
            ),
        ),
        (
            hex!("47b8192d77bf871b62e87859d653922725724a5c031afeabc60bcef5ff665138"),
            0x56,
            hex!(
                "af1390c3c47acdb37131a51216da683c509fce0e954328a59f93aebda7e4ff974ba208d9a4a2a2389f892a9d418d6184"
                "18dd7f7a6bc7aa0da999a9d3a5b815bc085e14fd001f6a1948768a3f4afefc8b8240dda329f984cb345c6363272ba4fe"
            ),
        ),
        (
            hex!("47b8192d77bf871b62e87859d653922725724a5c031afeabc60bcef5ff665138"),
            0xab,
            hex!(
                "9674e2228034527f4c083206032b020310face156d4a4685e2fcaec2f6f3665aa635d90347b6ce124eb879266b1e801d"
                "185de36a0a289b85e9039662634f2eea1e02e670bc7ab849d006a70b2f93b84597558a05b879c8d445f387a5d5b653df"
            ),
        ),
        (
            hex!("328388aff0d4a5b7dc9205abd374e7e98f3cd9f3418edb4eafda5fb16473d216"),
            0x00,
            hex!(
                "948a7cb99f76d616c2c564ce9bf4a519f1bea6b0a624a02276443c245854219fabb8d4ce061d255af5330b078d538068"
                "1751aa7053da2c98bae898edc218c75f07e24d8802a17cd1f6833b71e58f5eb5b94208b4d0bb3848cecb075ea21be115"
            ),
        ),
        (
            hex!("328388aff0d4a5b7dc9205abd374e7e98f3cd9f3418edb4eafda5fb16473d216"),
            0x56,
            hex!(
                "a4efa926610b8bd1c8330c918b7a5e9bf374e53435ef8b7ec186abf62e1b1f65aeaaeb365677ac1d1172a1f5b44b4e6d"
                "022c252c58486c0a759fbdc7de15a756acc4d343064035667a594b4c2a6f0b0b421975977f297dba63ee2f63ffe47bb6"
            ),
        ),
        (
            hex!("328388aff0d4a5b7dc9205abd374e7e98f3cd9f3418edb4eafda5fb16473d216"),
            0xab,
            hex!(
                "ae82747ddeefe4fd64cf9cedb9b04ae3e8a43420cd255e3c7cd06a8d88b7c7f8638543719981c5d16fa3527c468c25f0"
                "026704a6951bde891360c7e8d12ddee0559004ccdbe6046b55bae1b257ee97f7cdb955773d7cf29adf3ccbb9975e4eb9"
            ),
        ),
    ];
    for (secret, byte, expected) in cases {
        let key = VotePrivateKey::from_bytes(&secret).unwrap();
        assert_eq!(key.sign(B256::repeat_byte(byte)), VoteSignature::new(expected), "message of {byte:#x}");
    }
}

#[test]
fn a_vote_binds_key_and_message() {
    assert!(public(0).verify(message(), &vote(0)));
    assert!(!public(1).verify(message(), &vote(0)), "another key");
    assert!(!public(0).verify(B256::ZERO, &vote(0)), "another message");
    let mut changed = vote(0);
    changed[95] ^= 1;
    assert!(!public(0).verify(message(), &changed));
    let node = NodeId(B256::repeat_byte(1));
    let proof = key(0).prove_possession(node);
    assert!(!public(0).verify_possession(NodeId(B256::repeat_byte(2)), &proof), "another node's proof");
    assert!(!public(1).verify_possession(node, &proof), "another key's proof");
    // A vote over the very bytes that a proof of possession signs is no proof.
    let signed = key(0).sign(Domain::proof_of_possession(node, key(0).public().as_slice()));
    assert!(!public(0).verify_possession(node, &signed));
}

#[test]
fn an_aggregate_binds_its_signers() {
    let keys: Vec<_> = (0..4).map(public).collect();
    let aggregate = aggregate_votes(&[vote(2), vote(0), vote(1)]).unwrap();
    let verify = |members: &[usize], message| {
        let named: Vec<_> = members.iter().map(|&member| &keys[member]).collect();
        verify_aggregate_vote(&named, message, &aggregate)
    };
    assert!(verify(&[0, 1, 2], message()));
    for wrong in [&[0, 1][..], &[0, 1, 3], &[0, 1, 2, 3], &[0, 0, 1, 2], &[]] {
        assert!(!verify(wrong, message()), "{wrong:?}");
    }
    assert!(!verify(&[0, 1, 2], B256::ZERO), "another message");
}

/// Compressed points at infinity.
fn infinity<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes[0] = 0xc0;
    bytes
}

#[test]
fn what_is_no_point_of_the_group_is_refused() {
    assert!(VotePublicKey::from_bytes(&VoteKey::ZERO).is_err());
    assert!(VotePublicKey::from_bytes(&VoteKey::new(infinity())).is_err(), "infinity");
    // x = 4 gives a point of the curve E1 outside the subgroup G1.
    let mut outside = [0; 48];
    (outside[0], outside[47]) = (0x80, 4);
    let error = VotePublicKey::from_bytes(&VoteKey::new(outside)).unwrap_err();
    assert!(error.to_string().contains("NOT_IN_GROUP"), "{error}");
    assert_eq!(aggregate_votes(&[]), None);
    assert_eq!(aggregate_votes(&[vote(0), VoteSignature::ZERO]), None);
    assert_eq!(aggregate_votes(&[vote(0), VoteSignature::new(infinity())]), None);
    assert!(!public(0).verify(message(), &VoteSignature::new(infinity())));
    assert!(!public(0).verify(message(), &VoteSignature::ZERO));
}

#[test]
fn opposite_keys_sign_nothing_together() {
    // k and −k, both with proofs of possession, sum to infinity; an infinite signature must not pass for theirs.
    let positive = public(0).to_bytes();
    let mut negative = positive;
    negative[0] ^= 0x20; // the sign of y
    let negative = VotePublicKey::from_bytes(&negative).unwrap();
    let keys = [&public(0), &negative];
    assert!(!verify_aggregate_vote(&keys, message(), &VoteSignature::new(infinity())));
}

#[test]
fn private_keys_out_of_range_are_refused_and_never_shown() {
    assert!(VotePrivateKey::from_bytes(&[0; 32]).is_err());
    assert!(VotePrivateKey::from_bytes(&[0xff; 32]).is_err());
    assert!(VotePrivateKey::from_bytes(&[1; 31]).is_err());
    let (one, other) = (VotePrivateKey::generate().unwrap(), VotePrivateKey::generate().unwrap());
    assert_ne!(one.public(), other.public());
    let shown = format!("{one:?}");
    assert!(shown.contains(&hex::encode(one.public())) && !shown.contains(&hex::encode(*one.to_bytes())));
    assert_eq!(VotePrivateKey::from_bytes(&*one.to_bytes()).unwrap().public(), one.public());
}
