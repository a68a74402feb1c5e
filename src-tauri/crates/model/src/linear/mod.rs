//! Frozen linears, each with the adapter beside it.
//!
//! [`projections`] is the way in: some linears that read one input, and the choice of how they are computed. There are three
//! ways: [`decode_linears`] for passes of single new tokens, [`fused_linears`] by a kernel that adds up several products in one
//! pass, and the plain one of [`adapted`], which runs anywhere and does all that an adapter may ask for.

pub(crate) mod adapted;
mod decode_linears;
mod fused_linears;
pub(crate) mod projections;
