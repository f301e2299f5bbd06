//! The member that signs what it should not: a second vote of another kind or digest beside each true one, and
//! blocks that are well-formed, properly signed, and wrong when executed.

use super::{Adversary, Shown};
use crate::Random;
use btn_crypto::{Domain, Signer};
use btn_types::{B256, MemberIndex, Message, ProposalMessage, Vote, VoteKind, VoteMessage};
use std::sync::Arc;

/// Votes with a false one beside them, of a million.
const FORGED_PER_MILLION: u64 = 300_000;

/// See the module.
pub(super) struct Forge {
    signer: Box<dyn Signer>,
    domain: Domain,
    random: Random,
}

impl Forge {
    pub(super) const fn new(signer: Box<dyn Signer>, domain: Domain, random: Random) -> Self {
        Self { signer, domain, random }
    }

    fn vote(&mut self, vote: &Vote) -> Message {
        let kinds = [VoteKind::Notarize, VoteKind::Nullify, VoteKind::Finalize];
        let kind = self.random.pick(&kinds).unwrap_or(VoteKind::Nullify);
        let digest = match (kind, self.random.chance(500_000)) {
            (VoteKind::Nullify, _) => B256::ZERO,
            (_, true) => vote.digest,
            (_, false) => B256::repeat_byte(0x66),
        };
        let signature = self.signer.vote(self.domain.vote(kind, vote.epoch, vote.view, digest));
        let vote = Vote { kind, digest, signature, ..vote.clone() };
        Message::Vote(VoteMessage { vote, tickets: Vec::new() })
    }

    /// The same block with a wrong result, under a true signature.
    fn proposal(&mut self, message: &ProposalMessage) -> Message {
        let (mut block, mut proposal) = (Clone::clone(&*message.block), message.proposal.clone());
        match self.random.below(3) {
            0 => block.header.state_root = B256::repeat_byte(0x77),
            1 => block.header.gas_used += 1,
            _ => block.header.base_fee_per_gas = Some(1),
        }
        proposal.block_hash = block.hash();
        let (epoch, view, parent_view) = (proposal.epoch, proposal.view, proposal.parent_view);
        proposal.signature =
            self.signer.vote(self.domain.proposal(epoch, view, parent_view, proposal.block_hash));
        Message::Proposal(Arc::new(ProposalMessage { proposal, block: Arc::new(block) }))
    }
}

impl Adversary for Forge {
    fn show(&mut self, _at_ms: u64, _process: usize, message: &Arc<Message>, _to: MemberIndex) -> Vec<Shown> {
        let forged = match &**message {
            Message::Vote(message) if self.random.chance(FORGED_PER_MILLION) => self.vote(&message.vote),
            // To some the wrong block only.
            Message::Proposal(message) if self.random.chance(FORGED_PER_MILLION) => {
                return vec![Shown { after_ms: 0, message: Arc::new(self.proposal(message)) }];
            }
            _ => return Shown::now(message),
        };
        let mut shown = Shown::now(message);
        shown.insert(0, Shown { after_ms: 0, message: Arc::new(forged) });
        shown
    }
}
