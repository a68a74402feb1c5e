//! The table of all operations: name, what it takes, what it gives, and the function that does it.
//!
//! Both come from this one table: what [`super::Backend::call`] does, and the interface that the page is typed by.

use super::types::{
    ActOnAudit, ActOnPairs, ActOnRunPairs, Agreement, ArchiveItem, ArchiveProject, AtMost, Audit, AuditIn, Bin,
    BinEntry, BlindItem, BlindOf, CancelJob, ChangeImport, ChatAnswers, ChatOf, ChatTokens, CheckImport, CheckPairs,
    CheckRun, Checkpoints, ComparePairs, ConfirmPair, Consider, CreateProject, DataChecks, DeletedProject, Dependents,
    DescribeItem, DescribeProject, DiskUse, EditAnswer, EditPair, EmptyBin, EmptyProjectsBin, EvalItems, EvalItemsOf,
    EvalSummary, EvalView, Export, ExportGguf, ExportMerged, ExportSummary, Exported, FetchModel, FigureView, Figures,
    FindPrompts, FindingOf, FindingView, FoundPrompt, Freed, Generate, Guideline, Home, HubModel, HubToken, Import,
    ImportChanged, ImportPreview, ImportReply, InFolder, InProject, InQueue, ItemOf, Job, JoinUploads, JudgeAgain,
    JudgeBlind, JudgeKey, JudgeRequest, KeepPair, KeepPrompt, Kept, LabelState, LabelStateOf, LabelledItem,
    LabelledItemOf, LabelledOf, LabelledPage, Leaderboard, LeaveOut, LocalModels, LookUpModel, MeasureRun,
    ModelScoresView, Notes, Nothing, PairIdsOf, PairOf, PairPage, PairSetView, PairView, PairsActedOn, PairsCompared,
    PairsOf, PlanRun, PreparePush, PreviewImport, PreviewPrompts, ProjectView, PromptsPreview, PutBack, PutProjectBack,
    QueueView, RemovePair, RemoveSet, RemoveUploads, ResumeEvaluation, ResumeRun, RunFileOf, RunOf, RunPairOf,
    RunPairView, RunPairsFigure, RunPairsFigureOf, RunPairsOf, RunPairsView, RunPlan, RunRequest, RunSummary, RunView,
    SaveGuideline, SaveSet, SavedSet, ScoreByModel, ScorePairs, SecondPass, SendPush, SentUploads, SetModel,
    ShowEvaluation, SingleOf, SinglePage, SinglesOf, StartAudit, StartChat, StartEvaluation, StartRun, StopRun,
    StoredSingle, SweepFigureOf, SweepOf, SweepPlan, SweepRequest, SweepSummary, SweepView, TakeBack, TakeBackDecision,
    TextFile, Undo, UndoAct, UndoAuditAct, Upload, UseHubToken, UseJudgeKey,
};
use super::{
    Backend, acts, candidates, checks, data, evaluation, exports, housekeeping, hub_models, imports, jobs, joined,
    labelling, local_models, merged, model_scores, models, plan, playground, projects, pushes, queue, run_pairs, sets,
    sweep, training, uploads, votes,
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
    change_import: ChangeImport => ImportChanged, imports::change_import;
    pairs: PairsOf => PairPage, data::pairs;
    pair_ids: PairIdsOf => Vec<i64>, acts::pair_ids;
    act_on_pairs: ActOnPairs => PairsActedOn, acts::act_on_pairs;
    undo_act: UndoAct => PairsActedOn, acts::undo_act;
    pair_sets: InProject => Vec<PairSetView>, sets::pair_sets;
    save_set: SaveSet => SavedSet, sets::save_set;
    remove_set: RemoveSet => SavedSet, sets::remove_set;
    singles: SinglesOf => SinglePage, data::singles;
    single: SingleOf => StoredSingle, data::single;
    pair: PairOf => PairView, data::pair;
    edit_pair: EditPair => PairView, data::edit_pair;
    remove_pair: RemovePair => PairView, data::remove_pair;
    confirm_pair: ConfirmPair => PairView, data::confirm_pair;
    finding: FindingOf => FindingView, checks::finding;
    leave_out: LeaveOut => FindingView, checks::leave_out;

    // Labelling.
    label_state: LabelStateOf => LabelState, labelling::label_state;
    judge: JudgeRequest => LabelState, labelling::judge;
    undo: Undo => LabelState, labelling::undo;
    edit_answer: EditAnswer => LabelState, labelling::edit_answer;
    second_pass: SecondPass => LabelState, labelling::second_pass;
    agreement: InProject => Agreement, labelling::agreement;
    labelled: LabelledOf => LabelledPage, votes::labelled;
    labelled_item: LabelledItemOf => LabelledItem, votes::labelled_item;
    vote_again: Consider => LabelledItem, votes::vote_again;
    decide: Consider => LabelledItem, votes::decide;
    take_back_decision: TakeBackDecision => LabelledItem, votes::take_back_decision;
    audits: InProject => Vec<Audit>, votes::audits;
    audit: AuditIn => Audit, votes::audit;
    audit_size: StartAudit => usize, votes::audit_size;
    start_audit: StartAudit => Audit, votes::start_audit;
    act_on_audit: ActOnAudit => Audit, votes::act_on_audit;
    undo_audit_act: UndoAuditAct => Audit, votes::undo_audit_act;
    guidelines: InProject => Vec<Guideline>, votes::guidelines;
    save_guideline: SaveGuideline => Vec<Guideline>, votes::save_guideline;
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
    queue: InProject => QueueView, queue::queue;
    move_in_queue: InQueue => QueueView, queue::move_in_queue;
    leave_queue: RunOf => QueueView, queue::leave_queue;
    set_at_most: AtMost => QueueView, queue::set_at_most;
    forget_begun: InProject => QueueView, queue::forget_begun;
    plan_sweep: SweepRequest => SweepPlan, sweep::plan_sweep;
    start_sweep: SweepRequest => SweepSummary, sweep::start_sweep;
    sweeps: InProject => Vec<SweepSummary>, sweep::sweeps;
    sweep: SweepOf => SweepView, sweep::sweep;
    sweep_figure: SweepFigureOf => FigureView, sweep::sweep_figure;
    runs: InProject => Vec<RunSummary>, training::runs;
    run: RunOf => RunView, training::run;
    run_file: RunFileOf => TextFile, training::run_file;
    run_figures: Figures => Vec<FigureView>, training::run_figures;
    score_by_model: ScoreByModel => Job, model_scores::score_by_model;
    model_scores: InProject => Vec<ModelScoresView>, model_scores::model_scores;
    score_pairs: ScorePairs => Job, run_pairs::score_pairs;
    run_pairs: RunPairsOf => RunPairsView, run_pairs::run_pairs;
    run_pair: RunPairOf => RunPairView, run_pairs::run_pair;
    run_pairs_figure: RunPairsFigureOf => RunPairsFigure, run_pairs::run_pairs_figure;
    run_pair_ids: RunPairsOf => Vec<Option<i64>>, run_pairs::run_pair_ids;
    act_on_run_pairs: ActOnRunPairs => PairsActedOn, run_pairs::act_on_run_pairs;
    compare_pairs: ComparePairs => PairsCompared, run_pairs::compare_pairs;

    // Evaluation.
    preview_prompts: PreviewPrompts => PromptsPreview, evaluation::preview_prompts;
    checkpoints: RunOf => Checkpoints, evaluation::checkpoints;
    start_evaluation: StartEvaluation => Job, evaluation::start_evaluation;
    use_judge_key: UseJudgeKey => JudgeKey, evaluation::use_judge_key;
    judge_again: JudgeAgain => Job, evaluation::judge_again;
    resume_evaluation: ResumeEvaluation => Job, evaluation::resume_evaluation;
    evaluations: InProject => Vec<EvalSummary>, evaluation::evaluations;
    leaderboard: InProject => Leaderboard, evaluation::leaderboard;
    evaluation: ShowEvaluation => EvalView, evaluation::evaluation;
    eval_items: EvalItemsOf => EvalItems, evaluation::eval_items;
    find_prompts: FindPrompts => Vec<FoundPrompt>, evaluation::find_prompts;
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
    exports: InProject => Vec<ExportSummary>, exports::exports;
    export: Export => Vec<Exported>, exports::export;
    export_merged: ExportMerged => Job, merged::export_merged;
    export_gguf: ExportGguf => Job, merged::export_gguf;
    hub_token: Nothing => HubToken, pushes::hub_token;
    use_hub_token: UseHubToken => HubToken, pushes::use_hub_token;
    prepare_push: PreparePush => Job, pushes::prepare_push;
    push: SendPush => Job, pushes::push;

    // Keeping house.
    describe_item: DescribeItem => Notes, housekeeping::describe_item;
    archive_item: ArchiveItem => Notes, housekeeping::archive_item;
    dependents: ItemOf => Dependents, housekeeping::dependents;
    delete_item: ItemOf => BinEntry, housekeeping::delete_item;
    disk_use: InProject => DiskUse, housekeeping::disk_use;
    remove_checkpoints: ItemOf => BinEntry, housekeeping::remove_checkpoints;
    bin: InProject => Bin, housekeeping::bin;
    put_back: PutBack => BinEntry, housekeeping::put_back;
    empty_bin: EmptyBin => Freed, housekeeping::empty_bin;
    describe_project: DescribeProject => ProjectView, housekeeping::describe_project;
    archive_project: ArchiveProject => Home, housekeeping::archive_project;
    delete_project: InFolder => DeletedProject, housekeeping::delete_project;
    deleted_projects: Nothing => Vec<DeletedProject>, housekeeping::deleted_projects;
    put_project_back: PutProjectBack => ProjectView, housekeeping::put_project_back;
    remove_projects: EmptyProjectsBin => Freed, housekeeping::remove_projects;
    uploads: Nothing => SentUploads, uploads::uploads;
    remove_uploads: RemoveUploads => Freed, uploads::remove_uploads;

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
