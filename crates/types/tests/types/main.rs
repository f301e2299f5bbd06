//! Contract tests of the vocabulary: one canonical encoding for every type that travels or rests (ADR 002), every
//! named limit, and the ranges of a genesis file.

mod canonical;
mod fixtures;
mod genesis;
mod limits;
mod round_trip;
mod strategies;
mod vectors;
