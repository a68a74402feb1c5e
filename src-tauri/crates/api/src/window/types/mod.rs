//! What crosses between the page and the back end. `ts-rs` writes the same types for the page, into one file
//! (`ui/src/client/bindings.ts`); see [`crate::window::bindings`].
//!
//! What another crate keeps, reads or is set by (a message, a verdict, the settings of a run, the type of a file) crosses as it
//! stands there; all else is defined here.
//!
//! All numbers are numbers of the page's language, times are milliseconds since 1970, and an absent value is `null`.
// Most fields are said whole by their names.
#![allow(missing_docs)]

mod data;
mod evaluation;
mod export;
mod figures;
mod housekeeping;
mod jobs;
mod labelling;
mod leaderboard;
mod news;
mod playground;
mod projects;
mod push;
mod queue;
mod requests;
mod run_pairs;
mod sets;
mod sweep;
mod training;

pub use prefs::{Content, Message};

pub use data::{
    Code, Column, ColumnMapping, Counted, DataChecks, DataFinding, DataSeverity, EditedText, FindingView, FoundPair,
    ImportChange, ImportChanged, ImportKind, ImportPreview, ImportReply, PairChange, PairPage, PairQuery, PairRatings,
    PairSource, PairView, Place, PlainText, PreviewRow, Question, RefusedRow, Rendered, SentFile, SingleKind,
    SinglePage, StoredSingle, Upload,
};
pub use evaluation::{
    AccuracyView, BlindItem, BothView, Checkpoints, EvalItem, EvalItems, EvalRequest, EvalState, EvalSummary, EvalView,
    FindPrompts, FoundPrompt, GroupView, ItemFilter, JudgeChoice, JudgeKey, JudgeKeyFrom, PreviewPrompts, PromptSource,
    PromptsPreview, SideNames, SideRequest, Winner,
};
pub use export::{ExportSummary, ExportWhat, Exported, PairForm};
pub use figures::{Axes, FigureName, FigureSeries, FigureView, Theme};
pub use housekeeping::{
    ArchiveItem, ArchiveProject, Bin, BinEntry, BinKind, DeletedProject, Dependents, DescribeItem, DescribeProject,
    DiskUse, EmptyBin, EmptyProjectsBin, Freed, ItemDisk, ItemKind, ItemOf, Notes, PutBack, PutProjectBack,
    RemoveUploads, SentUpload, SentUploads,
};
pub use jobs::{Job, JobKind, JobState};
pub use labelling::{
    ActOnAudit, Agreement, Among, Audit, AuditChoice, AuditIn, AuditOf, Consider, Guideline, ItemAnswer, JudgeRequest,
    LabelState, LabelledItem, LabelledItemOf, LabelledOf, LabelledPage, LabelledQuery, SaveGuideline, Side, StartAudit,
    TakeBackDecision, UndoAuditAct, Verdict,
};
pub use leaderboard::{Cell, Leaderboard, LeaderboardGroup, LeftOutEvaluation, Ranked};
pub use news::News;
pub use playground::{
    Alternative, Chat, ChatAnswer, ChatAnswers, ChatOf, ChatTokens, GoOn, KeepPair, KeepPrompt, Kept, StartChat,
    TakeBack, TokenProbability,
};
pub use projects::{
    CatalogueModel, Home, HubModel, ImportView, LocalModel, LocalModels, ModelPlace, NextStep, ProjectCounts,
    ProjectView, RecentProject, Screen,
};
pub use push::{HubToken, PushForm};
pub use queue::{AtMost, InQueue, QueueFailure, QueueView, QueuedRun, TrainingNow, WaitingRun};
pub use requests::{
    BlindOf, CancelJob, ChangeImport, CheckImport, CheckPairs, CheckRun, ConfirmPair, CreateProject, EditAnswer,
    EditPair, EvalItemsOf, Export, ExportGguf, ExportMerged, FetchModel, Figures, FindingOf, Generate, Import,
    InFolder, InProject, JoinUploads, JudgeAgain, JudgeBlind, KeptFinding, LabelStateOf, LeaveOut, LookUpModel,
    MeasureRun, Nothing, PairOf, PairsOf, PlanRun, PreparePush, PreviewImport, RemovePair, ResumeEvaluation, ResumeRun,
    RunOf, SecondPass, SendPush, SetModel, ShowEvaluation, SingleOf, SinglesOf, StartEvaluation, StartRun, StopRun,
    TokenLimits, Undo, UseHubToken, UseJudgeKey,
};
pub use run_pairs::{
    ActOnRunPairs, ComparePairs, LocalSide, ModelScoresView, PairMeasure, PairNow, PairNumbers, PairOrder, PairPoint,
    PairScorer, PairSubset, PairsChange, PairsCompared, RunPairOf, RunPairRow, RunPairView, RunPairsFigure,
    RunPairsFigureOf, RunPairsOf, RunPairsQuery, RunPairsView, ScoreByModel, ScorePairs,
};
pub use sets::{
    ActOnPairs, PairAct, PairIdsOf, PairSetView, PairsActedOn, PairsChosen, RemoveSet, SaveSet, SavedSet,
    SetDefinition, Subset, UndoAct,
};
pub use sweep::{
    Measured, OutcomeName, OutcomeView, PlannedTrial, RangeScale, Search, SweepFigureOf, SweepOf, SweepOfRun,
    SweepPlan, SweepRequest, SweepRow, SweepSummary, SweepView, Vary, VaryValues,
};
pub use training::{
    Finding, Remedy, RunData, RunFile, RunFileOf, RunNow, RunPlan, RunRequest, RunSummary, RunView, SampleAnswer,
    SampleSet, SetInRun, Severity, TextFile,
};
