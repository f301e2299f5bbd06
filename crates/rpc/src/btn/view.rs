//! Where consensus stands now: the view, and who may pack the next blocks (C6, R-032).

use crate::arguments::Arguments;
use crate::context::{Context, Json, json};
use crate::limits::MAX_CANDIDATES_PER_VIEW;
use crate::{CommitteeInfo, RpcError};
use alloy_primitives::U64;
use btn_crypto::{Domain, Draw};
use btn_types::{B256, Bytes, NodeId, Ticket};
use serde::Serialize;
use std::collections::BTreeMap;

/// `btn_getCandidates`' answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CandidatesAnswer {
    epoch: U64,
    /// Current view.
    view: U64,
    candidates: Vec<CandidateObject>,
}

/// One ticket, with what checks it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CandidateObject {
    /// View that the ticket is for.
    view: U64,
    /// Place in the committee.
    member: U64,
    id: NodeId,
    /// Leading zero bits of the draw.
    zeros: U64,
    /// SHA-256 of the signature; the least is the best.
    draw: B256,
    /// Seed that the draw was made on.
    draw_seed: B256,
    /// `M_clerk`: what the ticket signs.
    message: B256,
    signature: Bytes,
}

impl CandidateObject {
    fn new(ticket: Ticket, draw: Draw, id: NodeId, domain: Domain) -> Self {
        Self {
            view: U64::from(ticket.view.0),
            member: U64::from(ticket.member.0),
            id,
            zeros: U64::from(draw.zeros()),
            draw: draw.0,
            draw_seed: ticket.draw_seed,
            message: domain.clerk(ticket.epoch, ticket.view, ticket.draw_seed),
            signature: ticket.signature,
        }
    }
}

/// `btn_getCandidates`: by view, best first.
pub(crate) fn get_candidates(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    let backend = &context.backend;
    let (now, domain) = (backend.view_info(), Domain::new(backend.genesis_hash()));
    let committee = backend.committee(now.epoch);
    let id_of = |committee: &CommitteeInfo, ticket: &Ticket| {
        committee.members.get(ticket.member.index()).map(|member| member.id)
    };
    let mut views: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ticket in backend.candidates()? {
        let draw = Draw::of(&ticket.signature);
        views.entry(ticket.view).or_default().push((draw, ticket));
    }
    let mut candidates = Vec::new();
    for (_, mut tickets) in views {
        tickets.sort_by_key(|(draw, _)| *draw);
        for (draw, ticket) in tickets.into_iter().take(MAX_CANDIDATES_PER_VIEW) {
            // A ticket of an epoch whose committee is not this one's names nobody.
            let id = committee.as_ref().filter(|committee| committee.epoch == ticket.epoch);
            if let Some(id) = id.and_then(|committee| id_of(committee, &ticket)) {
                candidates.push(CandidateObject::new(ticket, draw, id, domain));
            }
        }
    }
    json(&CandidatesAnswer { epoch: U64::from(now.epoch.0), view: U64::from(now.view.0), candidates })
}

/// `btn_getView`'s answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViewAnswer {
    epoch: U64,
    view: U64,
    round: U64,
    /// Highest finalised view.
    floor: U64,
    height: U64,
    third_height: U64,
    pending_height: U64,
    /// Votes that make a certificate; `null` for an epoch whose committee is unknown.
    quorum: Option<U64>,
}

/// `btn_getView`
pub(crate) fn get_view(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    let now = context.backend.view_info();
    let committee = context.backend.committee(now.epoch);
    json(&ViewAnswer {
        epoch: U64::from(now.epoch.0),
        view: U64::from(now.view.0),
        round: U64::from(now.round.0),
        floor: U64::from(now.floor.0),
        height: U64::from(now.height),
        third_height: U64::from(now.third_height),
        pending_height: U64::from(now.pending_height),
        quorum: committee.map(|committee| U64::from(committee.quorum)),
    })
}
