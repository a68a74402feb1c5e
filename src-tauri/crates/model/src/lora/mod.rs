//! A low-rank adapter on some of a model's linears: its settings, its weights and its files.

pub mod adapter;
pub mod config;
pub mod gradients;
pub mod patterns;
pub mod peft;
pub mod weight;

pub use adapter::Lora;
pub use config::{LoraConfig, TargetModules};
pub use gradients::Gradients;
pub use patterns::Patterns;
pub use weight::LoraWeight;
