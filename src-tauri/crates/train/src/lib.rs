//! DPO training of a `LoRA` adapter: losses, optimiser, schedule, data order, checkpoints, events, the run itself.
//!
//! [`run::run`] takes a [`config::RunConfig`] and a folder to an adapter. What holds here: the losses are pure functions
//! ([`losses`]); a step's pairs follow from its number ([`order`]); everything else that changes is in a checkpoint
//! ([`checkpoint`]), so that a run killed at any instant and resumed ends with the same adapter bit for bit; whatever a
//! screen shows of a run is in its events ([`events`]).

pub mod base;
pub mod checkpoint;
pub mod config;
pub mod cuts;
pub mod data;
pub mod digests;
pub mod dpo;
pub mod dynamics;
mod error;
pub mod events;
mod files;
pub mod folder;
mod grounds;
pub mod losses;
pub mod memory;
pub mod metrics;
pub mod optimizer;
pub mod order;
pub mod origin;
mod pace;
pub mod pair_scores;
pub mod reference;
mod report;
pub mod run;
pub mod samples;
pub mod schedule;
pub mod scores;
pub mod selection;
pub mod settings;
pub mod step;
mod training;

pub use config::RunConfig;
pub use error::{Error, Result};
pub use files::{sync_folder, write_whole};
pub use grounds::check_adapters;
pub use run::{Outcome, Placed, Surroundings, run, run_with};
pub use settings::Settings;
