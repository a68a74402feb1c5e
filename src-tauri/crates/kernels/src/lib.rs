//! The kernels of the engine: each operation with its forward and its backward, its maths and its shapes.
//!
//! An operation is a module. Its own file states the maths and chooses the version; beside it stand the versions: `plain`,
//! on candle tensors, which runs on any device and in any float type and is what the others are tested against, and `cpu`,
//! fused for f32 on the CPU. A version for another device goes there too. What is a few lines stands in one file.
//!
//! This is the only crate with `unsafe`. A kernel fails only where candle does: on shapes that do not fit each other, and
//! when memory runs out.
#![allow(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod attention;
pub mod batch;
pub mod blocks;
pub mod buffers;
pub mod dispatch;
pub mod dropout;
pub mod gated;
mod kept_memory;
pub mod product;
pub mod profile;
pub mod rates;
pub mod rms_norm;
pub mod rope;
pub mod softcap;
pub mod sums;
pub mod threads;
pub mod weight;
pub mod wide;
