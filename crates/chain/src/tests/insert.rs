//! One rejection for every rule of insertion.

use super::fixture::{Fixture, transfer, wallet};
use crate::{BlockError, JustificationError, MAX_UNFINALIZED_BLOCKS};
use btn_crypto::{CertificateError, TicketError};
use btn_execution::HeaderError;
use btn_types::limits::MAX_UNFINALIZED_HEIGHTS;
use btn_types::{Address, B256, Block, Epoch, Height, NodeId, View, VoteKind, VoteSignature};

/// A chain with block 1 (view 1) unfinalised, and an unseen honest block of view 4 on it, with views 2 and 3
/// nullified.
fn setting() -> (Fixture, Block) {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let block = fixture.foreign(first, 4, &[transfer(&wallet(0), 0, 1)]);
    (fixture, block)
}

/// The error of a forged block. The honest block must pass afterwards, and the forged one be remembered
/// exactly where its fault is permanent.
fn refusal(forge: impl FnOnce(&Fixture, &mut Block)) -> BlockError {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forge(&fixture, &mut forged);
    assert_ne!(forged, honest, "nothing was forged");
    let hash = forged.hash();
    let error = fixture.insert(forged.clone()).unwrap_err();
    assert!(fixture.chain.meta(hash).is_none());
    assert_eq!(fixture.chain.is_invalid(hash), error.is_permanent(), "{error}");
    if error.is_permanent() {
        assert!(matches!(fixture.insert(forged), Err(BlockError::KnownInvalid(known)) if known == hash));
    }
    let meta = fixture.insert(honest).unwrap();
    assert_eq!((meta.height, meta.view, meta.parent_view), (Height(2), View(4), View(1)));
    error
}

/// As [`refusal`], for a change to envelope or justification, which the header must then commit to.
fn recommitted_refusal(forge: impl FnOnce(&Fixture, &mut Block)) -> BlockError {
    refusal(|fixture, block| {
        forge(fixture, block);
        fixture.recommit(block);
    })
}

fn justification_refusal(forge: impl FnOnce(&Fixture, &mut Block)) -> JustificationError {
    match recommitted_refusal(forge) {
        BlockError::Justification(error) => error,
        other => panic!("another rule was hit: {other}"),
    }
}

#[test]
fn honest_blocks_are_inserted_once_and_again() {
    let (mut fixture, honest) = setting();
    let meta = fixture.insert(honest.clone()).unwrap();
    assert_eq!(fixture.insert(honest.clone()).unwrap(), meta);
    assert_eq!(
        meta.seed,
        fixture.committee.domain().seed(fixture.meta(meta.parent).seed, &honest.envelope.clerk_signature)
    );
    assert!(!fixture.chain.is_executed(meta.hash));
    fixture.chain.execute(meta.hash).unwrap();
    assert!(fixture.chain.is_executed(meta.hash));
    fixture.chain.execute(meta.hash).unwrap();
}

#[test]
fn place_in_the_chain() {
    let error = refusal(|_, block| block.header.parent_hash = B256::repeat_byte(9));
    assert!(matches!(error, BlockError::UnknownParent(_)), "{error}");
    let error = refusal(|_, block| block.header.number = 3);
    assert!(matches!(error, BlockError::Height { actual: Height(3), expected: Height(2) }), "{error}");
    let error = recommitted_refusal(|_, block| block.envelope.epoch = Epoch(1));
    assert!(matches!(error, BlockError::Epoch { actual: Epoch(1), expected: Epoch(0) }), "{error}");
    let error = recommitted_refusal(|_, block| block.envelope.parent_view = View(2));
    assert!(matches!(error, BlockError::ParentView { actual: View(2), expected: View(1) }), "{error}");
    for view in [0, 1] {
        let error = recommitted_refusal(|_, block| block.envelope.view = View(view));
        assert!(matches!(error, BlockError::ViewOrder { parent_view: View(1), .. }), "{error}");
    }
    let error = refusal(|_, block| block.header.mix_hash = B256::repeat_byte(1));
    assert!(matches!(error, BlockError::Seed { .. }), "{error}");
    let error = recommitted_refusal(|_, block| block.envelope.seal_root = B256::ZERO);
    assert!(matches!(error, BlockError::SealRoot { .. }), "{error}");
}

#[test]
fn below_the_finalised_tip_nothing_is_taken() {
    let (mut fixture, honest) = setting();
    let second = fixture.insert(honest).unwrap();
    let late = fixture.foreign(fixture.meta(second.parent).parent, 2, &[]);
    fixture.finalize(second.hash);
    let error = fixture.insert(late).unwrap_err();
    assert!(matches!(error, BlockError::NotAboveTip { actual: Height(1), tip: Height(2) }), "{error}");
}

#[test]
fn body_and_header_belong_together() {
    let error = refusal(|_, block| block.transactions.clear());
    assert!(matches!(error, BlockError::TransactionsRoot { .. }), "{error}");
    // Who relays another body or other certificates under a good header must not discredit it.
    assert!(!error.is_permanent());
    let error = refusal(|_, block| block.envelope.timestamp_ms += 1);
    assert!(matches!(error, BlockError::ExtraData { .. }), "{error}");
    assert!(!error.is_permanent());
    let error = refusal(|fixture, block| {
        block.justification.nullifications[0] =
            fixture.certificate_of(VoteKind::Nullify, View(2), B256::ZERO, 4);
    });
    assert!(matches!(error, BlockError::ExtraData { .. }), "{error}");
    let error = refusal(|_, block| block.header.extra_data = block.header.extra_data[..31].to_vec().into());
    assert!(matches!(error, BlockError::ExtraData { .. }), "{error}");
}

#[test]
fn clerk_and_ticket() {
    let error = recommitted_refusal(|_, block| block.envelope.clerk = NodeId(B256::repeat_byte(1)));
    assert!(matches!(error, BlockError::NotMember(_)), "{error}");
    let error = refusal(|_, block| block.header.beneficiary = Address::repeat_byte(1));
    assert!(matches!(error, BlockError::Beneficiary { .. }), "{error}");
    let forge_ticket = |view: u64, draw_seed: Option<B256>| {
        recommitted_refusal(|fixture, block| {
            let parent = fixture.meta(block.header.parent_hash);
            let member = fixture.committee.index_of(block.envelope.clerk).unwrap();
            let seed = draw_seed.unwrap_or(parent.child_draw_seed);
            block.envelope.clerk_signature = fixture.ticket(member.index(), view, seed);
            block.header.mix_hash =
                fixture.committee.domain().seed(parent.seed, &block.envelope.clerk_signature);
        })
    };
    for error in [forge_ticket(5, None), forge_ticket(4, Some(B256::ZERO))] {
        assert!(matches!(error, BlockError::Ticket(TicketError::Signature { .. })), "{error}");
    }
}

#[test]
fn tickets_below_the_bar() {
    let mut fixture = Fixture::with(16, 16, crate::PoolLimits::default());
    assert_eq!(fixture.committee.clerk_bar(), 1);
    let genesis = fixture.meta(fixture.genesis_hash());
    let weak = fixture.clerk(1, genesis.child_draw_seed, false);
    let request = fixture.request_by(&genesis, 1, weak);
    let error = fixture.chain.build(request).unwrap_err();
    let expected = "clerk's ticket: 0 leading zeros, a clerk needs 1";
    assert_eq!(error.to_string(), expected);
    fixture.grow(genesis.hash, 1);
}

#[test]
fn time() {
    for back_ms in [100, 101, 5_000] {
        let error = recommitted_refusal(|_, block| block.envelope.timestamp_ms -= back_ms);
        assert!(matches!(error, BlockError::Timestamp { .. }), "{error}");
    }
    for error in [
        refusal(|_, block| block.header.timestamp += 1),
        refusal(|_, block| block.header.timestamp -= 1),
        recommitted_refusal(|_, block| block.envelope.timestamp_ms += 1_000),
    ] {
        assert!(matches!(error, BlockError::HeaderTimestamp { .. }), "{error}");
    }
}

#[test]
fn fixed_header_fields() {
    let error = refusal(|_, block| block.header.gas_limit += 1);
    assert!(matches!(error, BlockError::Header(HeaderError::GasLimit { .. })), "{error}");
    let error = refusal(|_, block| block.header.base_fee_per_gas = Some(1));
    assert!(matches!(error, BlockError::Header(HeaderError::BaseFee { .. })), "{error}");
}

#[test]
fn parent_certificate() {
    use JustificationError as E;
    let error = justification_refusal(|_, block| block.justification.parent_certificate = None);
    assert_eq!(error, E::ParentMissing(View(1)));
    let error = justification_refusal(|fixture, block| {
        block.justification.parent_certificate = Some(fixture.nullification(1));
    });
    assert_eq!(error, E::ParentKind(VoteKind::Nullify));
    let error = justification_refusal(|fixture, block| {
        let digest = fixture.committee.domain().digest_of(&fixture.meta(block.header.parent_hash));
        block.justification.parent_certificate =
            Some(fixture.certificate(VoteKind::Notarize, View(2), digest));
    });
    assert_eq!(error, E::ParentView { actual: View(2), expected: View(1) });
    let error = justification_refusal(|fixture, block| {
        let other = fixture.certificate(VoteKind::Notarize, View(1), B256::repeat_byte(1));
        block.justification.parent_certificate = Some(other);
    });
    assert!(matches!(error, E::ParentDigest { .. }), "{error}");
    let error = justification_refusal(|_, block| {
        block.justification.parent_certificate.as_mut().unwrap().aggregate = VoteSignature::repeat_byte(1);
    });
    assert_eq!(error, E::Parent(CertificateError::Signature));
    let error = justification_refusal(|fixture, block| {
        let parent = fixture.meta(block.header.parent_hash);
        let digest = fixture.committee.domain().digest_of(&parent);
        block.justification.parent_certificate =
            Some(fixture.certificate_of(VoteKind::Notarize, View(1), digest, 2));
    });
    assert_eq!(error, E::Parent(CertificateError::Quorum { actual: 2, expected: 3 }));
}

#[test]
fn a_notarize_is_not_a_finalize() {
    // C5 ⚠: the kind is inside what is signed, so the votes of one kind make no certificate of the other.
    let error = justification_refusal(|_, block| {
        block.justification.parent_certificate.as_mut().unwrap().kind = VoteKind::Finalize;
    });
    assert_eq!(error, JustificationError::Parent(CertificateError::Signature));
}

#[test]
fn a_finalization_counts_as_notarization() {
    let (mut fixture, mut block) = setting();
    let parent = fixture.meta(block.header.parent_hash);
    block.justification.parent_certificate = Some(fixture.finalization(&parent));
    fixture.recommit(&mut block);
    fixture.insert(block).unwrap();
}

#[test]
fn genesis_needs_no_certificate() {
    let fixture = &mut Fixture::new();
    let mut block = fixture.foreign(fixture.genesis_hash(), 1, &[]);
    let genesis = fixture.meta(fixture.genesis_hash());
    block.justification.parent_certificate = Some(fixture.notarization(&genesis));
    fixture.recommit(&mut block);
    let error = fixture.insert(block).unwrap_err();
    assert!(matches!(error, BlockError::Justification(JustificationError::ParentSuperfluous)), "{error}");
}

#[test]
fn nullifications() {
    use JustificationError as E;
    let error = justification_refusal(|_, block| {
        block.justification.nullifications.pop();
    });
    assert_eq!(error, E::NullificationMissing { actual: 1, expected: 2 });
    let error = justification_refusal(|fixture, block| {
        block.justification.nullifications.push(fixture.nullification(4));
    });
    assert_eq!(error, E::NullificationSuperfluous { actual: 3, expected: 2 });
    let error = justification_refusal(|_, block| block.justification.nullifications.reverse());
    assert_eq!(error, E::NullificationView { actual: View(3), expected: View(2) });
    let error = justification_refusal(|fixture, block| {
        block.justification.nullifications[1] = fixture.nullification(2);
    });
    assert_eq!(error, E::NullificationView { actual: View(2), expected: View(3) });
    let error = justification_refusal(|fixture, block| {
        let notarization = fixture.certificate(VoteKind::Notarize, View(2), B256::repeat_byte(1));
        block.justification.nullifications[0] = notarization;
    });
    assert_eq!(error, E::NullificationKind { view: View(2), actual: VoteKind::Notarize });
    let error = justification_refusal(|_, block| {
        block.justification.nullifications[1].aggregate = VoteSignature::repeat_byte(1);
    });
    assert_eq!(error, E::Nullification { view: View(3), reason: CertificateError::Signature });
    let error = justification_refusal(|fixture, block| {
        block.justification.nullifications[1] =
            fixture.certificate_of(VoteKind::Nullify, View(3), B256::ZERO, 2);
    });
    let reason = CertificateError::Quorum { actual: 2, expected: 3 };
    assert_eq!(error, E::Nullification { view: View(3), reason });
}

#[test]
fn a_view_that_is_skipped_in_one_go_has_a_bound() {
    // A block cannot make us verify more certificates than it carries: the count is compared first.
    let error = recommitted_refusal(|fixture, block| {
        let parent = fixture.meta(block.header.parent_hash);
        let view = u64::MAX;
        let member = fixture.clerk(view, parent.child_draw_seed, true);
        block.envelope.view = View(view);
        let clerk = &fixture.committee.members()[member];
        (block.envelope.clerk, block.header.beneficiary) = (clerk.id, clerk.payout);
        block.envelope.clerk_signature = fixture.ticket(member, view, parent.child_draw_seed);
        block.header.mix_hash = fixture.committee.domain().seed(parent.seed, &block.envelope.clerk_signature);
    });
    let BlockError::Justification(error) = error else { panic!("{error}") };
    assert_eq!(error, JustificationError::NullificationMissing { actual: 2, expected: u64::MAX - 2 });
}

#[test]
fn children_of_invalid_blocks_are_invalid() {
    let (mut fixture, honest) = setting();
    let mut forged = honest.clone();
    forged.header.state_root = B256::repeat_byte(1);
    let forged_hash = fixture.insert(forged).unwrap().hash;
    let child = {
        // Nobody can execute the forged block, so its child is an honest one bent to it.
        let mut child = honest;
        child.header.parent_hash = forged_hash;
        child
    };
    fixture.chain.execute(forged_hash).unwrap_err();
    let error = fixture.insert(child.clone()).unwrap_err();
    assert!(
        matches!(error, BlockError::InvalidAncestor { ancestor, .. } if ancestor == forged_hash),
        "{error}"
    );
    assert!(fixture.chain.is_invalid(child.hash()));
}

#[test]
fn the_tree_is_bounded() {
    let mut fixture = Fixture::new();
    let genesis = fixture.genesis_hash();
    let mut block = fixture.foreign(genesis, 1, &[]);
    for _ in 0..MAX_UNFINALIZED_BLOCKS {
        block.envelope.timestamp_ms += 1;
        block.header.timestamp = block.envelope.timestamp_ms / 1000;
        fixture.recommit(&mut block);
        fixture.insert(block.clone()).unwrap();
    }
    block.envelope.timestamp_ms += 1;
    block.header.timestamp = block.envelope.timestamp_ms / 1000;
    fixture.recommit(&mut block);
    let error = fixture.insert(block).unwrap_err();
    assert!(matches!(error, BlockError::TreeFull { blocks: MAX_UNFINALIZED_BLOCKS, .. }), "{error}");
    assert!(!error.is_permanent());
}

#[test]
fn unfinalised_heights_are_bounded_and_late_ones_empty() {
    let mut fixture = Fixture::new();
    fixture.chain.submit(transfer(&wallet(0), 0, 1), true).unwrap();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let mut head = first;
    for view in 2..=2 * MAX_UNFINALIZED_HEIGHTS {
        if view == MAX_UNFINALIZED_HEIGHTS {
            fixture.chain.submit(transfer(&wallet(0), 1, 1), true).unwrap();
        }
        if view == MAX_UNFINALIZED_HEIGHTS + 1 {
            fixture.chain.submit(transfer(&wallet(0), 2, 1), true).unwrap();
        }
        head = fixture.grow(head, view);
        let block = fixture.chain.block(head).unwrap().unwrap();
        assert_eq!(block.transactions.len(), usize::from(view == MAX_UNFINALIZED_HEIGHTS), "view {view}");
    }
    let view = 2 * MAX_UNFINALIZED_HEIGHTS + 1;
    let request = fixture.request(head, view);
    let error = fixture.chain.build(request).unwrap_err();
    assert!(matches!(error, crate::ChainError::TooManyUnfinalized { heights: 128 }), "{error}");
    // Who builds it nevertheless finds no room here, until something is final.
    let mut block = Block::clone(&fixture.chain.block(head).unwrap().unwrap());
    block.header.parent_hash = head;
    block.header.number += 1;
    let error = fixture.insert(block).unwrap_err();
    assert!(matches!(error, BlockError::TooFarAhead { most: Height(128), .. }), "{error}");
    fixture.finalize(first);
    fixture.grow(head, view);
}
