//! Decoder models on candle for LoRA training: weights in, log-probabilities and adapter gradients out.
//!
//! Nothing here goes through `Tensor::backward`. Each module has an explicit `forward`, which returns what its
//! `backward` needs, and a `backward`, which takes the gradient of its output, returns the gradient of its input
//! and adds the gradients of the adapter. Frozen weights never receive one. [`Decoder`] is the way in.

pub mod alternatives;
pub mod base_dtype;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod device;
pub mod error;
pub mod head;
mod layer;
mod linear;
pub mod lora;
pub mod memory;
pub mod model_size;
mod named;
mod norm;
pub mod products;
mod rotary;
pub mod weights;
pub mod write;

pub use alternatives::LikelyToken;
pub use base_dtype::BaseDtype;
pub use cache::KvCache;
pub use config::{Config, LinearShape};
pub use decoder::{Decoder, ForwardOptions, Trace};
pub use device::{ComputeDevice, DeviceChoice};
pub use error::{Error, Result, without_backtrace};
pub use head::TokenScores;
pub use kernels::batch::Batch;
pub use kernels::weight::Weight;
pub use lora::{Gradients, Lora, LoraConfig, Patterns, TargetModules};
pub use model_size::ModelSize;

pub use products::Products;
pub use weights::FloatType;
pub use write::GgufType;
