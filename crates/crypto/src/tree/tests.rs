//! Known answers of RFC 6962, every position of every small tree, and every way to forge a path.

use super::*;
use crate::vectors;
use btn_types::sha256;

fn leaf(position: usize) -> Vec<u8> {
    format!("leaf {position}").into_bytes()
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(leaf).collect()
}

fn slices(leaves: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    leaves.iter().map(Vec::as_slice)
}

fn vector_digest(pointer: &str) -> B256 {
    B256::from_slice(&vectors::bytes(pointer))
}

/// The leaves that implementations of RFC 6962 test each other with; the first and the last root are published.
#[test]
fn certificate_transparency_vectors() {
    let leaves: Vec<_> =
        (0..8).map(|leaf| vectors::bytes(&format!("/tree/leaves/{leaf}")).to_vec()).collect();
    for count in 0..=8 {
        let root = tree_hash(slices(&leaves[..count]));
        assert_eq!(root, vector_digest(&format!("/tree/roots/{count}")), "{count} leaves");
    }
    let published = [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ];
    for (count, root) in published {
        assert_eq!(hex::encode(tree_hash(slices(&leaves[..count]))), root, "{count} leaves");
    }
    for position in 0..8 {
        let path = audit_path(slices(&leaves), position).unwrap();
        assert_eq!(path.len(), 3);
        for (step, digest) in path.iter().enumerate() {
            assert_eq!(*digest, vector_digest(&format!("/tree/paths/{position}/{step}")), "leaf {position}");
        }
    }
}

/// All roots and paths of the trees of 0 to 40 leaves, against a program that shares no code with this one.
#[test]
fn every_tree_up_to_forty_leaves() {
    let mut everything = Vec::new();
    for count in 0..=40 {
        let leaves = leaves(count);
        everything.extend_from_slice(tree_hash(slices(&leaves)).as_slice());
        for position in 0..count {
            everything.extend(audit_path(slices(&leaves), position).unwrap().iter().flatten());
        }
    }
    assert_eq!(sha256(&everything), vector_digest("/tree/digest_of_all"));
}

#[test]
fn every_position_verifies_and_no_forgery_does() {
    for count in 0..=40usize {
        let (all, size) = (leaves(count), count as u64);
        let root = tree_hash(slices(&all));
        assert_eq!(audit_path(slices(&all), count), None, "past the last leaf");
        for position in 0..count {
            let (at, own) = (position as u64, &all[position][..]);
            let path = audit_path(slices(&all), position).unwrap();
            let verify = |at, own: &[u8], path: &[B256]| verify_audit_path(root, size, at, own, path);
            assert!(verify(at, own, &path), "leaf {position} of {count}");
            for other in (0..size).filter(|other| *other != at) {
                assert!(!verify(other, own, &path), "leaf {position} of {count} at {other}");
                assert!(!verify(at, &leaf(other as usize), &path), "another leaf");
            }
            assert!(!verify(size, own, &path), "past the last leaf");
            assert!(!verify(at, &own[1..], &path) && !verify(at, &[], &path), "another leaf");
            assert!(!verify_audit_path(B256::ZERO, size, at, own, &path), "another root");
            assert!(!verify(at, own, &[&path[..], &[B256::ZERO]].concat()), "a step more");
            for step in 0..path.len() {
                let mut forged = path.clone();
                forged[step].0[31] ^= 1;
                assert!(!verify(at, own, &forged), "step {step} changed");
                forged = path.clone();
                forged.remove(step);
                assert!(!verify(at, own, &forged), "step {step} missing");
            }
        }
    }
}

/// A path fits the trees whose way up from that leaf has the same turns, and no other: the root commits to the
/// leaves, the header to root and size.
#[test]
fn a_tree_of_another_height_does_not_verify() {
    let all = leaves(16);
    let root = tree_hash(slices(&all));
    let path = audit_path(slices(&all), 5).unwrap();
    assert!(verify_audit_path(root, 16, 5, &all[5], &path));
    for size in (0..=8).chain(17..=40) {
        assert!(!verify_audit_path(root, size, 5, &all[5], &path), "{size} leaves");
    }
}

/// RFC 6962's prefixes: an inner node's content cannot be passed off as a leaf.
#[test]
fn an_inner_node_is_no_leaf() {
    let all = leaves(4);
    let root = tree_hash(slices(&all));
    let (left, right) = (tree_hash(slices(&all[..2])), tree_hash(slices(&all[2..])));
    let inner = [left.as_slice(), right.as_slice()].concat();
    assert!(!verify_audit_path(root, 1, 0, &inner, &[]));
    assert_ne!(tree_hash([&inner[..]]), root);
}

#[test]
fn absurd_sizes_and_paths_are_refused_without_a_panic() {
    let root = tree_hash([&b"leaf"[..]]);
    assert!(verify_audit_path(root, 1, 0, b"leaf", &[]));
    for size in [0, (1 << 32) + 1, u64::MAX / 2, u64::MAX / 2 + 2, u64::MAX] {
        for position in [0, 1, size / 2, size.saturating_sub(1), size, u64::MAX] {
            for steps in [0, 1, 32, 33, 64, 10_000] {
                let path = vec![B256::ZERO; steps];
                assert!(!verify_audit_path(root, size, position, b"leaf", &path), "{position} of {size}");
            }
        }
    }
    let path = vec![B256::ZERO; 32];
    assert!(
        !verify_audit_path(root, 1 << 32, (1 << 32) - 1, b"leaf", &path),
        "at the largest size, no such leaf"
    );
}
