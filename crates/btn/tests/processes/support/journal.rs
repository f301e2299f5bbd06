//! What journals say of their nodes after a crash: no slashable pair, and no vote in the world that is not in
//! its member's journal (C6, C11.2, .3, .5 and .8).

use super::network::{MASTERS, Network};
use btn_storage::{Identity, Journal};
use btn_types::{B256, Certificate, JournalRecord, View, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// A journal that was compacted has forgotten old votes. None comes near this in these tests.
const COMPACTED_FROM_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the journal of a node that does not run. A copy: opening drops a torn tail, and the node itself
/// must cope with that.
pub fn read(network: &Network, node: usize) -> Vec<JournalRecord> {
    assert!(!network.nodes[node].is_started(), "{} writes to its journal", network.nodes[node].name);
    let place = tempfile::tempdir().expect("a temporary directory");
    let copy = place.path().join("journal");
    let bytes = std::fs::copy(network.data(node).join("journal"), &copy).expect("a journal");
    assert!(bytes < COMPACTED_FROM_BYTES, "the journal may have been compacted");
    let identity = Identity { chain: network.chain(), node_id: network.ids[node] };
    Journal::open(&copy, identity).unwrap_or_else(|error| panic!("{error}")).1
}

/// Checks the journals of all nodes, none of which runs. Gives the number of votes seen.
pub fn check_all(network: &Network) -> usize {
    let journals: Vec<_> = (0..MASTERS).map(|node| (network.member(node), read(network, node))).collect();
    let found = findings(&journals);
    assert!(found.is_empty(), "the journals tell of {} faults:\n{}", found.len(), found.join("\n"));
    let is_vote = |record: &&JournalRecord| matches!(record, JournalRecord::Voted(_));
    journals.iter().map(|(_, records)| records.iter().filter(is_vote).count()).sum()
}

/// Checks the journal of one node that does not run, while others do.
pub fn check_one(network: &Network, node: usize) {
    let found = contradictions(network.member(node), &read(network, node));
    assert!(found.is_empty(), "the journal of node-{node} contradicts itself:\n{}", found.join("\n"));
}

/// Own signatures of one view, in the order written.
#[derive(Default)]
struct Own {
    proposed: BTreeSet<B256>,
    notarized: BTreeSet<B256>,
    finalized: BTreeSet<B256>,
    nullified: bool,
    notarized_after_nullify: bool,
}

fn own_by_view(records: &[JournalRecord]) -> BTreeMap<View, Own> {
    let mut views: BTreeMap<View, Own> = BTreeMap::new();
    for record in records {
        match record {
            JournalRecord::Proposed(message) => {
                views.entry(message.proposal.view).or_default().proposed.insert(message.proposal.block_hash);
            }
            JournalRecord::Voted(vote) => {
                let own = views.entry(vote.view).or_default();
                match vote.kind {
                    VoteKind::Notarize => {
                        own.notarized_after_nullify |= own.nullified;
                        own.notarized.insert(vote.digest);
                    }
                    VoteKind::Nullify => own.nullified = true,
                    VoteKind::Finalize => _ = own.finalized.insert(vote.digest),
                }
            }
            _ => {}
        }
    }
    views
}

/// Pairs of own signatures that no honest member makes.
fn contradictions(member: usize, records: &[JournalRecord]) -> Vec<String> {
    let mut found = Vec::new();
    for record in records {
        if let JournalRecord::Voted(vote) = record
            && vote.member.index() != member
        {
            found.push(format!("member {member} keeps a vote of member {} as its own", vote.member));
        }
    }
    for (view, own) in own_by_view(records) {
        let broken = [
            (own.proposed.len() > 1, "proposed twice"),
            (own.notarized.len() > 1, "notarized twice"),
            (own.finalized.len() > 1, "finalized twice"),
            (own.nullified && !own.finalized.is_empty(), "nullified and finalized"),
            (own.notarized_after_nullify, "notarized what it had nullified"),
        ];
        let broken = broken.iter().filter(|(is_broken, _)| *is_broken);
        found.extend(broken.map(|(_, what)| format!("member {member} {what} in view {view}")));
    }
    found
}

/// Everything wrong with the journals of all members: `(member, records)` each.
fn findings(journals: &[(usize, Vec<JournalRecord>)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut voted: BTreeSet<(usize, u8, View, B256)> = BTreeSet::new();
    let mut certificates: BTreeMap<(View, u8), Vec<&Certificate>> = BTreeMap::new();
    for (member, records) in journals {
        found.extend(contradictions(*member, records));
        for record in records {
            match record {
                JournalRecord::Voted(vote) => {
                    _ = voted.insert((*member, vote.kind as u8, vote.view, vote.digest));
                }
                JournalRecord::Certificate(certificate) => {
                    let place = (certificate.view, certificate.kind as u8);
                    certificates.entry(place).or_default().push(certificate);
                }
                _ => {}
            }
        }
    }
    for certificate in certificates.values().flatten() {
        let (kind, view, digest) = (certificate.kind, certificate.view, certificate.digest);
        let signers = certificate.bitmap.signers(journals.len());
        for signer in signers.unwrap_or_else(|error| panic!("{error}")) {
            if !voted.contains(&(signer.index(), kind as u8, view, digest)) {
                found.push(format!("member {signer} signed {kind:?} of view {view} and does not know it"));
            }
        }
    }
    found.extend(conflicts(&certificates));
    found
}

/// Certificates that exclude each other.
fn conflicts(certificates: &BTreeMap<(View, u8), Vec<&Certificate>>) -> Vec<String> {
    let mut found = Vec::new();
    for ((view, kind), same) in certificates {
        if same.iter().any(|certificate| certificate.digest != same[0].digest) {
            found.push(format!("two proposals have certificates of kind {kind} in view {view}"));
        }
        let is_nullified = *kind == VoteKind::Nullify as u8;
        if is_nullified && certificates.contains_key(&(*view, VoteKind::Finalize as u8)) {
            found.push(format!("view {view} is finalized and nullified"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::{Bitmap, Epoch, MemberIndex, SUITE_BLS12_381, Vote, VoteSignature};

    fn vote(kind: VoteKind, view: u64, digest: u8) -> JournalRecord {
        JournalRecord::Voted(Vote {
            kind,
            epoch: Epoch(0),
            view: View(view),
            digest: B256::repeat_byte(digest),
            member: MemberIndex(0),
            signature: VoteSignature::ZERO,
        })
    }

    fn certificate(kind: VoteKind, view: u64, digest: u8) -> JournalRecord {
        JournalRecord::Certificate(Certificate {
            suite: SUITE_BLS12_381,
            kind,
            epoch: Epoch(0),
            view: View(view),
            digest: B256::repeat_byte(digest),
            bitmap: Bitmap::new(1, [MemberIndex(0)]),
            aggregate: VoteSignature::ZERO,
        })
    }

    fn count(records: &[JournalRecord]) -> usize {
        findings(&[(0, records.to_vec())]).len()
    }

    #[test]
    fn faults_are_found_and_honest_journals_pass() {
        use VoteKind::{Finalize, Notarize, Nullify};
        let honest = [
            vote(Notarize, 1, 1),
            vote(Notarize, 1, 1),
            vote(Finalize, 1, 1),
            vote(Notarize, 2, 2),
            vote(Nullify, 2, 0),
            certificate(Finalize, 1, 1),
            certificate(Nullify, 2, 0),
        ];
        assert_eq!(count(&honest), 0);
        assert_eq!(count(&[vote(Notarize, 1, 1), vote(Notarize, 1, 2)]), 1);
        assert_eq!(count(&[vote(Finalize, 1, 1), vote(Finalize, 1, 2)]), 1);
        assert_eq!(count(&[vote(Nullify, 1, 0), vote(Finalize, 1, 1)]), 1);
        assert_eq!(count(&[vote(Nullify, 1, 0), vote(Notarize, 1, 1)]), 1);
        assert_eq!(count(&[certificate(Notarize, 1, 1)]), 1, "signed and not written down");
        let forked = [vote(Nullify, 1, 0), vote(Finalize, 1, 1)];
        let forked = [&forked[..], &[certificate(Nullify, 1, 0), certificate(Finalize, 1, 1)]].concat();
        assert_eq!(count(&forked), 2);
        assert_eq!(contradictions(1, &[vote(Nullify, 1, 0)]).len(), 1, "another member's vote");
    }
}
