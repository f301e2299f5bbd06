//! R-083 at level 2: no bad block is ever sealed, whoever stands behind it.

use crate::hand::{Hand, NONE, place_of};
use crate::kit::{Universe, member, transfer, transfer_of, wallet};
use btn_chain::testing::{Fault, forge, with_transactions};
use btn_engine::SupervisorIdentity;
use btn_types::supervision::{Announcement, MasterReply, Pulled, SupervisorCall};
use btn_types::{Block, BlockRange, Height, U256, VoteKind};
use std::sync::Arc;

/// What people know a bad block by.
#[derive(Clone, Copy, Debug)]
enum Bad {
    Forged(Fault),
    /// A rightly signed transfer of more than its sender has.
    Overdraft,
}

/// An honest block with two transfers, final on nobody's chain, and a supervisor that has not seen it.
fn honest() -> (Hand, Arc<Block>) {
    let mut hand = Hand::new(4);
    hand.submit_honest(transfer(0, 0));
    hand.submit_honest(transfer(1, 0));
    let block = hand.extend(None);
    assert_eq!(block.transactions.len(), 2);
    (hand, block)
}

fn bad_block(hand: &Hand, honest: &Block, bad: Bad) -> Block {
    match bad {
        Bad::Forged(fault) => {
            let store = hand.universe.store();
            forge(&mut hand.universe.chain(&store), honest, fault).unwrap()
        }
        Bad::Overdraft => {
            let all = U256::from(10).pow(U256::from(21));
            let (payment, _) = transfer_of(&wallet(2), 0, all).into_parts();
            with_transactions(honest, vec![payment])
        }
    }
}

/// Proposed, pulled, found invalid: no seal, and no alarm, as a Byzantine clerk may do that.
fn is_refused_when_proposed(bad: Bad) {
    let (mut hand, honest) = honest();
    let block = bad_block(&hand, &honest, bad);
    hand.show(&block);
    assert!(hand.engine.chain().is_invalid(block.hash()), "{bad:?}");
    assert_eq!((hand.sealed(), hand.status().alarm), (Vec::new(), None), "{bad:?}");
    // The view is not lost: another master shows the honest block.
    hand.propose(1, &honest);
    hand.serve(honest.hash(), &honest);
    hand.certify(1, VoteKind::Notarize, &honest);
    assert_eq!(hand.sealed(), [honest.hash()], "{bad:?}");
}

/// A full quorum of masters stands behind it: no seal, an alarm. Finalised: the node stops.
fn is_refused_when_certified(bad: Bad) {
    for certified_first in [false, true] {
        let (mut hand, honest) = honest();
        let block = bad_block(&hand, &honest, bad);
        if certified_first {
            hand.notarize(&block);
            hand.serve(block.hash(), &block);
        } else {
            hand.show(&block);
            hand.certify(1, VoteKind::Notarize, &block);
        }
        assert_eq!(hand.sealed(), NONE, "{bad:?}");
        let alarm = hand.status().alarm.unwrap_or_default();
        assert!(alarm.contains("notarized block") && alarm.contains("invalid here"), "{bad:?}: {alarm}");
        assert_eq!(hand.halted, None, "{bad:?}");
        hand.certify(2, VoteKind::Finalize, &block);
        let halted = hand.halted.clone().unwrap_or_default();
        assert!(halted.contains("invalid here"), "{bad:?}: {halted}");
        assert_eq!((hand.sealed(), hand.status().height), (Vec::new(), Height(0)), "{bad:?}");
    }
}

/// In a range of final blocks.
fn is_refused_in_a_range(bad: Bad) {
    let (mut hand, honest) = honest();
    let block = bad_block(&hand, &honest, bad);
    let finalization = hand.certificate(VoteKind::Finalize, &block);
    // It says that it is far up, so that it comes by a range.
    let place = btn_types::supervision::BlockPlace { height: Height(100), ..place_of(&block) };
    hand.announce(0, Announcement::Certified { place, certificate: finalization.clone() });
    let asked = [0, 1, 2]
        .into_iter()
        .find_map(|master| hand.take(master, |call| matches!(call, SupervisorCall::Pull(_))))
        .unwrap();
    let range = BlockRange { blocks: vec![block], finalization: Some(finalization) };
    hand.reply(&asked, MasterReply::Pulled(Pulled::Range(Box::new(range))));
    assert!(hand.halted.is_some(), "{bad:?}");
    assert_eq!((hand.sealed(), hand.status().height), (Vec::new(), Height(0)), "{bad:?}");
}

fn is_never_sealed(bad: Bad) {
    is_refused_when_proposed(bad);
    is_refused_when_certified(bad);
    is_refused_in_a_range(bad);
}

macro_rules! never_sealed {
    ($($(#[$doc:meta])* $name:ident: $bad:expr;)*) => {
        $($(#[$doc])* #[test] fn $name() { is_never_sealed($bad); })*
    };
}

never_sealed! {
    theft_is_never_sealed: Bad::Forged(Fault::Theft);
    minting_is_never_sealed: Bad::Forged(Fault::Minting);
    an_excess_fee_is_never_sealed: Bad::Forged(Fault::ExcessFee);
    a_forged_sender_is_never_sealed: Bad::Forged(Fault::ForgedSender);
    an_unsigned_transaction_is_never_sealed: Bad::Forged(Fault::Unsigned);
    a_replayed_nonce_is_never_sealed: Bad::Forged(Fault::NonceReplay);
    a_wrong_state_root_is_never_sealed: Bad::Forged(Fault::StateRoot);
    a_wrong_receipts_root_is_never_sealed: Bad::Forged(Fault::ReceiptsRoot);
    wrong_gas_is_never_sealed: Bad::Forged(Fault::GasUsed);
    a_wrong_bloom_is_never_sealed: Bad::Forged(Fault::LogsBloom);
    a_wrong_base_fee_is_never_sealed: Bad::Forged(Fault::BaseFee);
    a_foreign_beneficiary_is_never_sealed: Bad::Forged(Fault::Beneficiary);
    an_overdraft_is_never_sealed: Bad::Overdraft;
}

/// The sibling in the same view with everything right would be sealed: what is refused above is refused for its
/// fault alone.
#[test]
fn the_honest_block_is_sealed() {
    let (mut hand, honest) = honest();
    hand.show(&honest);
    hand.notarize(&honest);
    assert_eq!((hand.sealed(), hand.status().alarm), (vec![honest.hash()], None));
}

/// Whoever builds on a bad block is not sealed either.
#[test]
fn nothing_built_on_a_bad_block_is_sealed() {
    let (mut hand, honest) = honest();
    let bad = bad_block(&hand, &honest, Bad::Forged(Fault::Minting));
    // The liar's own chain does not execute.
    let meta = hand.chain.insert(Arc::new(bad.clone())).unwrap();
    let next = meta.view.0 + 1;
    let request = hand.request(&meta, next, 2, 100);
    let mut child = Block::clone(&honest);
    child.transactions.clear();
    child.envelope.view = request.view;
    child.envelope.parent_view = request.parent_view;
    child.envelope.clerk = request.clerk;
    child.envelope.clerk_signature = request.clerk_signature.clone();
    child.envelope.timestamp_ms = request.timestamp_ms;
    child.justification = request.justification;
    child.header.parent_hash = bad.hash();
    child.header.number += 1;
    child.header.timestamp = request.timestamp_ms / 1000;
    child.header.beneficiary = request.payout;
    let domain = *hand.universe.committee.domain();
    child.header.mix_hash = domain.seed(meta.seed, &request.clerk_signature);
    btn_chain::testing::recommit(&domain, &mut child);
    let child = with_transactions(&child, Vec::new());
    hand.show(&bad);
    hand.show(&child);
    hand.certify(0, VoteKind::Notarize, &child);
    assert_eq!(hand.sealed(), NONE);
    assert!(hand.status().alarm.is_some());
    assert_eq!(hand.dropped, [], "an honest master may hold both and have executed neither");
}

/// All sixteen, each by itself: the whole second level gives nothing.
#[test]
fn no_supervisor_of_all_seals_a_lying_masters_block() {
    let universe = Universe::new(16);
    for place in 0..16 {
        let mut hand = Hand::unlinked(universe.clone());
        let signer = Box::new(btn_stand_in::StandInKeys::seal_signer(crate::kit::SEED, place));
        let identity = SupervisorIdentity::Sealing { id: universe.id(place), signer };
        hand.engine = universe.supervisor_as(identity, &hand.store, &[]);
        hand.connect(0);
        hand.greet(0);
        hand.submit_honest(transfer(0, 0));
        let honest = hand.extend(None);
        let bad = bad_block(&hand, &honest, Bad::Forged(Fault::StateRoot));
        hand.show(&bad);
        hand.notarize(&bad);
        assert_eq!(hand.sealed(), NONE, "supervisor {place}");
        assert!(hand.status().alarm.is_some());
        assert!(hand.calls.iter().all(|asked| asked.to == member(0)));
    }
}
