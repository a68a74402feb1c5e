//! The table of all operations: name, what it takes, what it gives, and the function that does it.
//!
//! Both come from this one table: what [`super::Backend::call`] does, and the interface that the page is typed by.

use super::types::{
    Agreement, BlindItem, BlindOf, CancelJob, ChatAnswers, ChatOf, ChatTokens, CheckImport, CheckPairs, CheckRun,
    ComparePairs, CreateProject, DataChecks, EditAnswer, EditPair, EvalItems, EvalItemsOf, EvalSummary, EvalView,
    Export, ExportGguf, ExportMerged, Exported, FetchModel, FigureView, Figures, FindingOf, FindingView, Generate,
    Home, HubModel, HubToken, Import, ImportPreview, ImportReply, InFolder, InProject, Job, JoinUploads, JudgeAgain,
    JudgeBlind, JudgeRequest, KeepPair, KeepPrompt, Kept, LabelState, LabelStateOf, LeaveOut, LocalModels, LookUpModel,
    MeasureRun, Nothing, PairOf, PairPage, PairView, PairsCompared, PairsOf, PlanRun, PreparePush, PreviewImport,
    PreviewPrompts, ProjectView, PromptsPreview, RemovePair, ResumeEvaluation, ResumeRun, RunFileOf, RunOf, RunPairOf,
    RunPairView, RunPairsFigure, RunPairsFigureOf, RunPairsOf, RunPairsView, RunPlan, RunRequest, RunSummary, RunView,
    ScorePairs, SecondPass, SendPush, SetModel, ShowEvaluation, SingleOf, SinglePage, SinglesOf, StartChat,
    StartEvaluation, StartRun, StopRun, StoredSingle, TakeBack, TextFile, Undo, Upload, UseHubToken,
};
use super::{
    Backend, candidates, checks, data, evaluation, exports, hub_models, jobs, joined, labelling, local_models, merged,
    models, plan, playground, projects, pushes, run_pairs, training,
};
use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use train::settings::Remark;

macro_rules! operations {
    ($($name:ident: $request:ty => $reply:ty, $function:path;)*) => {
        /// Does the operation of that name.
        pub(super) fn call(backend: &Backend, operation: &str, request: Value) -> Result<Value> {
            $(if operation == stringify!($name) {
                let function: fn(&Backend, $request) -> Result<$reply> = $function;
                return answer(backend, operation, request, function);
            })*
            Err(Error::new(
                "unknown_operation",
                format!("there is no operation {operation:?}"),
                "Reload the page: it may be older than the program.",
            ))
        }

        /// Shows each operation's types to what writes them for the page.
        #[cfg(test)]
        pub(super) fn describe(bindings: &mut super::bindings::Bindings) {
            $(bindings.operation::<$request, $reply>(stringify!($name));)*
        }
    };
}

operations! {
    // Projects.
    home: Nothing => Home, projects::home;
    create_project: CreateProject => ProjectView, projects::create_project;
    open_project: InFolder => ProjectView, projects::open_project;
    open_demo: Nothing => ProjectView, projects::open_demo;
    forget_project: InFolder => Home, projects::forget_project;
    set_model: SetModel => ProjectView, projects::set_model;
    local_models: Nothing => LocalModels, local_models::local_models;
    look_up_model: LookUpModel => HubModel, hub_models::look_up_model;
    fetch_model: FetchModel => Job, models::fetch_model;

    // Data.
    join_uploads: JoinUploads => Vec<Upload>, joined::join_uploads;
    preview_import: PreviewImport => ImportPreview, data::preview_import;
    check_import: CheckImport => DataChecks, checks::check_import;
    import: Import => ImportReply, data::import;
    pairs: PairsOf => PairPage, data::pairs;
    singles: SinglesOf => SinglePage, data::singles;
    single: SingleOf => StoredSingle, data::single;
    pair: PairOf => PairView, data::pair;
    edit_pair: EditPair => PairView, data::edit_pair;
    remove_pair: RemovePair => PairView, data::remove_pair;
    finding: FindingOf => FindingView, checks::finding;
    leave_out: LeaveOut => FindingView, checks::leave_out;

    // Labelling.
    label_state: LabelStateOf => LabelState, labelling::label_state;
    judge: JudgeRequest => LabelState, labelling::judge;
    undo: Undo => LabelState, labelling::undo;
    edit_answer: EditAnswer => LabelState, labelling::edit_answer;
    second_pass: SecondPass => LabelState, labelling::second_pass;
    agreement: InProject => Agreement, labelling::agreement;
    generate_candidates: Generate => Job, candidates::generate_candidates;

    // Training.
    default_settings: InProject => RunRequest, training::default_settings;
    check_run: CheckRun => Vec<Remark>, training::check_run;
    check_pairs: CheckPairs => DataChecks, checks::check_pairs;
    plan_run: PlanRun => RunPlan, plan::plan_run;
    measure_run: MeasureRun => Job, training::measure_run;
    start_run: StartRun => RunView, training::start_run;
    stop_run: StopRun => RunView, training::stop_run;
    resume_run: ResumeRun => RunView, training::resume_run;
    runs: InProject => Vec<RunSummary>, training::runs;
    run: RunOf => RunView, training::run;
    run_file: RunFileOf => TextFile, training::run_file;
    run_figures: Figures => Vec<FigureView>, training::run_figures;
    score_pairs: ScorePairs => Job, run_pairs::score_pairs;
    run_pairs: RunPairsOf => RunPairsView, run_pairs::run_pairs;
    run_pair: RunPairOf => RunPairView, run_pairs::run_pair;
    run_pairs_figure: RunPairsFigureOf => RunPairsFigure, run_pairs::run_pairs_figure;
    compare_pairs: ComparePairs => PairsCompared, run_pairs::compare_pairs;

    // Evaluation.
    preview_prompts: PreviewPrompts => PromptsPreview, evaluation::preview_prompts;
    start_evaluation: StartEvaluation => Job, evaluation::start_evaluation;
    judge_again: JudgeAgain => Job, evaluation::judge_again;
    resume_evaluation: ResumeEvaluation => Job, evaluation::resume_evaluation;
    evaluations: InProject => Vec<EvalSummary>, evaluation::evaluations;
    evaluation: ShowEvaluation => EvalView, evaluation::evaluation;
    eval_items: EvalItemsOf => EvalItems, evaluation::eval_items;
    blind_item: BlindOf => Option<BlindItem>, evaluation::blind_item;
    judge_blind: JudgeBlind => Option<BlindItem>, evaluation::judge_blind;
    undo_blind: BlindOf => Option<BlindItem>, evaluation::undo_blind;

    // Playground.
    start_chat: StartChat => Job, playground::start_chat;
    chat_answers: ChatOf => ChatAnswers, playground::chat_answers;
    chat_tokens: ChatTokens => Job, playground::chat_tokens;
    keep_pair: KeepPair => Kept, playground::keep_pair;
    take_back: TakeBack => Kept, playground::take_back;
    keep_prompt: KeepPrompt => Kept, playground::keep_prompt;

    // Export.
    export: Export => Vec<Exported>, exports::export;
    export_merged: ExportMerged => Job, merged::export_merged;
    export_gguf: ExportGguf => Job, merged::export_gguf;
    hub_token: Nothing => HubToken, pushes::hub_token;
    use_hub_token: UseHubToken => HubToken, pushes::use_hub_token;
    prepare_push: PreparePush => Job, pushes::prepare_push;
    push: SendPush => Job, pushes::push;

    // Jobs.
    jobs: Nothing => Vec<Job>, jobs::jobs;
    cancel_job: CancelJob => Job, jobs::cancel_job;
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    backend: &Backend,
    operation: &str,
    request: Value,
    function: fn(&Backend, Q) -> Result<A>,
) -> Result<Value> {
    let bad = |error: serde_json::Error| {
        let message = format!("{operation} was asked with a request that it does not understand: {error}");
        Error::new("bad_request", message, "Reload the page: it may be older than the program.")
    };
    let reply = function(backend, serde_json::from_value(request).map_err(bad)?)?;
    serde_json::to_value(reply).map_err(|error| {
        Error::new("bad_reply", format!("the answer of {operation} cannot be sent: {error}"), "Report this as a fault.")
    })
}
