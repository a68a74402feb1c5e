//! Models and data sets of the Hugging Face hub, by name: brought here, and pushed there.
//!
//! [`ModelName`] and [`DatasetName`] say what is wanted, [`Hub`] finds it: what the repository holds ([`Facts`]) before
//! anything is fetched, then its files in the hub's own cache, where other programs look too. What holds: a revision is
//! resolved once, to a commit; a file has its final name only when all of it is there and its hash is the repository's;
//! the token goes to the hub's own address and nowhere else. [`PushPlan`] says what of this machine goes into a repository.

mod account;
mod client;
mod dataset;
pub(crate) mod environment;
mod error;
mod facts;
pub(crate) mod keyring;
mod layout;
mod model;
mod name;
mod needs;
mod push;
mod transfer;
mod watch;

pub use account::Account;
pub use client::Hub;
pub use dataset::{Config, DatasetFacts, FetchedData, Split};
pub use environment::{Patience, Settings, Token};
pub use error::HubError;
pub use facts::{Content, Facts, RemoteFile};
pub use model::{FetchedModel, Room};
pub use name::{DatasetName, ModelName, PREFIX, Part, RepoId};
pub use needs::Needs;
pub use push::{Change, LocalFile, PlannedFile, PushChoices, PushPlan, Pushed, There};
pub use watch::{Moment, Watch};
