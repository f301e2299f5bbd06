//! What masters, supervisors and users send.

use super::Step;
use crate::forward::encoded;
use crate::import::{ImportError, Imported, import};
use crate::interface::{Effect, SubmissionId};
use alloy_primitives::keccak256;
use btn_chain::{PoolError, SealOffer, SignedTransaction, recover};
use btn_consensus::Input as ConsensusInput;
use btn_types::limits::MAX_SEALS_PER_MESSAGE;
use btn_types::{BlockRange, Bytes, FetchRequest, JournalRecord, MemberIndex, Message, Seal};
use std::sync::Arc;

impl Step<'_> {
    pub(super) fn on_message(&mut self, from: MemberIndex, message: Message) {
        let input = match message {
            Message::Proposal(message) => ConsensusInput::Proposal { from, message },
            Message::Vote(message) => ConsensusInput::Vote { from, message },
            Message::Certificate(message) => {
                let certificates = vec![message.certificate];
                ConsensusInput::Certificates { from, certificates, tickets: message.tickets }
            }
            Message::Certificates(certificates) => {
                ConsensusInput::Certificates { from, certificates, tickets: Vec::new() }
            }
            Message::Candidacy(tickets) => ConsensusInput::Candidacy { from, tickets },
            Message::Fetch(request) => return self.on_fetch(from, request),
            Message::Range(range) => return self.on_range(from, *range),
            Message::Transactions(transactions) => return self.on_transactions(&transactions),
            Message::Seals(seals) => return self.on_seals(seals, false),
        };
        self.tell_consensus(input);
    }

    /// Answers cost a question's sender nothing, so each peer has a budget; what is over it is not answered.
    fn on_fetch(&mut self, from: MemberIndex, request: FetchRequest) {
        let now_ms = self.now.monotonic_ms;
        if !self.engine.answers.may_ask(from, now_ms) {
            return;
        }
        let FetchRequest::Range { from: height } = request else {
            self.tell_consensus(ConsensusInput::Fetch { from, request });
            let sent = self.output.rest.iter().filter_map(|effect| match effect {
                Effect::Send { to, message } if *to == from => Some(alloy_rlp::Encodable::length(&**message)),
                _ => None,
            });
            self.engine.answers.charge(from, sent.sum(), now_ms);
            return;
        };
        match self.engine.chain.range(height) {
            Ok(Some(range)) => {
                let message = Message::Range(Box::new(range));
                self.engine.answers.charge(from, alloy_rlp::Encodable::length(&message), now_ms);
                self.output.rest.push(Effect::Send { to: from, message: Arc::new(message) });
            }
            Ok(None) => {}
            // A damaged old block is no reason to stop voting; whoever asks gets no answer.
            Err(error) => tracing::error!(%error, %height, "blocks could not be read for a peer"),
        }
    }

    /// Finalised blocks from a peer: worth nothing until the Finalization at their end is verified.
    fn on_range(&mut self, from: MemberIndex, range: BlockRange) {
        if !self.engine.sync.is_answer_from(from) {
            return;
        }
        match import(&mut self.engine.chain, range) {
            Ok(Imported::Final { finalization, batch }) => {
                self.output.commits.extend(batch);
                let tip = *self.engine.chain.finalized();
                self.engine.announcer.learn(finalization.digest, &tip);
                let certificates = vec![*finalization];
                self.tell_consensus(ConsensusInput::Certificates { from, certificates, tickets: Vec::new() });
                self.tell_consensus(ConsensusInput::BlocksKnown);
            }
            Ok(Imported::Ahead(height)) => {
                self.engine.sync.reached(height);
                self.tell_consensus(ConsensusInput::BlocksKnown);
            }
            Ok(Imported::Known) => self.tell_consensus(ConsensusInput::BlocksKnown),
            Err(ImportError::Broken(reason)) => self.output.halt = Some(reason),
            // The next member is asked when this one's time is up, so that nobody makes us ask in a circle.
            Err(ImportError::Worthless(reason) | ImportError::Refused(reason)) => {
                tracing::warn!(%from, %reason, "range of blocks refused");
            }
        }
    }

    /// Seals from supervisors' links, or passed on by a master. A bad one is counted; from a master it ends the
    /// message, so that a flood of them costs little; those from links are of several supervisors, and few. Nothing
    /// else happens, and level 1 goes on. One whose block is not here yet is
    /// kept and not passed on: its supervisor has other masters, and who can sign must not multiply by us.
    pub(super) fn on_seals(&mut self, seals: Vec<Seal>, from_supervisor: bool) {
        for seal in seals.into_iter().take(MAX_SEALS_PER_MESSAGE) {
            match self.engine.chain.offer_seal(seal.clone()) {
                Ok(SealOffer::New) if from_supervisor => self.engine.seals.push(seal),
                // A master may have shown it to us alone, before its maker did.
                Ok(SealOffer::Known) if from_supervisor => self.pass_on_held(&seal),
                Ok(_) => {}
                Err(error) => {
                    self.engine.refused_seals = self.engine.refused_seals.saturating_add(1);
                    tracing::debug!(supervisor = %seal.supervisor, %error, "seal refused");
                    if error.is_fault() && !from_supervisor {
                        return;
                    }
                }
            }
        }
    }

    /// Passes on a seal that is known, as it is held: what was offered now has not been verified.
    fn pass_on_held(&mut self, offered: &Seal) {
        if self.engine.seals.has_passed_on(offered) {
            return;
        }
        let held = self.engine.chain.seals_of(offered.block_hash);
        if let Some(held) = held.into_iter().find(|held| held.supervisor == offered.supervisor) {
            self.engine.seals.push(held);
        }
    }

    pub(super) fn on_submit(&mut self, id: SubmissionId, transaction: SignedTransaction) {
        let bytes = encoded(&transaction);
        let outcome = self.engine.chain.submit(transaction, true);
        if outcome.is_ok() {
            // Acknowledged only once it is on disk: a crash must not lose it.
            self.output.records.push(JournalRecord::Transaction(bytes.clone()));
            self.engine.outbox.push(bytes);
        }
        let is_accepted = outcome.is_ok();
        self.output.rest.push(Effect::Submitted { id, outcome });
        if is_accepted {
            self.tell_consensus(ConsensusInput::TransactionsKnown);
        }
    }

    /// Another master's users' transactions: checked like our own, kept, not passed on.
    fn on_transactions(&mut self, transactions: &[Bytes]) {
        let mut accepted = 0usize;
        for bytes in transactions {
            // The hash is cheap, the signature is not: what is known already costs no recovery.
            if self.engine.chain.pool().content().get(keccak256(bytes)).is_some() {
                continue;
            }
            let outcome = recover(bytes)
                .map_err(PoolError::from)
                .and_then(|transaction| self.engine.chain.submit(transaction, false));
            match outcome {
                Ok(_) => accepted += 1,
                Err(error) => tracing::debug!(%error, "forwarded transaction not kept"),
            }
        }
        if accepted > 0 {
            self.tell_consensus(ConsensusInput::TransactionsKnown);
        }
    }
}
