//! Every operation that the window or the command line can ask for, with its request, its reply and its error.
//!
//! An operation reports through a [`Context`]: what it is doing, how far it is and how long it still takes. It stops
//! soon after the context's `stop` is set, leaving what is done in a state from which the same operation resumes.

mod answers;
mod bench;
mod check;
mod context;
mod demo;
mod error;
mod evaluate;
mod export;
mod hub_paths;
mod import;
mod judge_keys;
mod lineage;
mod login;
mod model_scores;
mod next;
mod open;
mod provenance;
mod push;
mod reading;
mod report;
mod reuse;
mod score;
mod sides;
mod suspects;
mod token_checks;
mod training;
pub mod window;

pub use answers::{Answered, GenerateRequest, generate};
pub use bench::{
    BenchModel, BenchReply, BenchRequest, Cell, CellOutcome, CellReply, GrowthReply, GrowthRequest, Machine,
    ProductsRow, Rates, Shape, Spread, StepReply, StepRequest, Versions, WorkRow, bench, growth,
};
pub use check::{CheckReply, CheckRequest, CheckedFinding, CheckedPairs, LeftOut, LeftOutBy, ShownLine, check};
pub use context::{Context, Update};
pub use demo::{DemoReply, DemoRequest, demo, fetch_demo_model};
pub use error::{Error, Result};
pub use evaluate::{EvalReply, EvalRequest, JudgeRequest, evaluate, judge};
pub use export::{CurveForm, ExportReply, ExportRequest, Exported, MergedCheck, StoredType, Weights, export};
pub use import::{ImportReply, ImportRequest, import};
pub use judge_keys::{JudgeKeyReply, check_judge_key, forget_judge_key, keep_judge_key};
pub use login::{LoginReply, LogoutReply, check_login, login, logout};
pub use next::{begin_next, start_next};
pub use open::ModelChoice;
pub use push::{ListedFile, PreparedPush, PushChoices, PushList, PushReply, PushRequest, PushWhat, prepare_push};
pub use report::{ReportReply, ReportRequest, report};
pub use score::{PairLogps, PairScore, ScoreReply, ScoreRequest, score};
pub use sides::{NamedSide, SideChoice};
pub use suspects::{ScoredPair, Suspect, SuspectOrder, SuspectsReply, SuspectsRequest, suspects};
pub use token_checks::LengthBin;
pub use training::{TrainReply, train, work};

pub use chat::{Limits, Truncation};
pub use generate::Sampling;
pub use kernels::threads::compute_on_this_thread;
pub use model::{BaseDtype, DeviceChoice, FloatType, GgufType, Products};
pub use prefs::checks::{Code, Severity};
pub use prefs::export::PairForm;
pub use prefs::mapping::{CHOICE_KEYS, COLUMN_KEYS, ImportKind};
pub use prefs::reader::Choices;
pub use prefs::words;
pub use prefs::{Content, Place};
pub use runs::{ALLOW_CHANGED_BASE, StopRule};
pub use window::types::PreviewRow;
