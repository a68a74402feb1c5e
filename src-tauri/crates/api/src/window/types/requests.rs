//! What each operation is asked with, where the contract has no type of its own for it.

use super::{
    Among, Code, ColumnMapping, Content, EvalRequest, ExportWhat, FigureName, ImportChange, ItemFilter, JudgeChoice,
    PairForm, PairQuery, PushForm, RunData, RunRequest, Side, SingleKind, Theme, Verdict,
};
use chat::Truncation;
use model::{FloatType, GgufType};
use serde::Deserialize;
use ts_rs::TS;

/// Requests, each with its fields; an unknown field is an error.
macro_rules! requests {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
        #[serde(deny_unknown_fields)]
        $(#[$about])*
        pub struct $name {
            $($(#[$field_about])* pub $field: $type,)*
        })*
    };
}

requests! {
    /// Of an operation that needs to know nothing.
    #[ts(type = "{}")]
    Nothing {}

    /// A new project.
    CreateProject {
        name: String,
        /// Its folder; one of that name in the projects folder where absent.
        folder: Option<String>,
    }

    /// A project by its folder.
    InFolder {
        folder: String,
    }

    InProject {
        /// Its folder.
        project: String,
    }

    /// The model of a project.
    SetModel {
        /// The project's folder.
        project: String,
        /// A name of the catalogue or the hub, or a path.
        model: String,
    }

    /// A model of the hub to be told about.
    LookUpModel {
        /// Its name.
        model: String,
    }

    /// A model to be brought here.
    FetchModel {
        /// A name of the catalogue or the hub.
        model: String,
    }

    /// Files that were sent together.
    JoinUploads {
        /// By which they are named.
        uploads: Vec<String>,
    }

    /// A file to be looked at.
    PreviewImport {
        /// The project's folder.
        project: String,
        /// The file.
        upload: String,
        /// Which column is what; guessed where absent.
        mapping: Option<ColumnMapping>,
    }

    /// A file whose pairs are to be checked.
    CheckImport {
        /// The project's folder.
        project: String,
        /// The file.
        upload: String,
        /// Which column is what.
        mapping: ColumnMapping,
    }

    /// Pairs to be checked before they are trained on.
    CheckPairs {
        /// The project's folder.
        project: String,
        /// Share of the pairs that is kept for evaluation, 0 to 1.
        held_out_share: f64,
        /// By which they are chosen.
        seed: u64,
        /// Sets that the run is made of; all pairs where absent.
        #[serde(default)]
        #[ts(optional = nullable)]
        data: Option<RunData>,
        /// The model that reads them, and its limits; without it nothing is said of tokens.
        tokens: Option<TokenLimits>,
    }

    /// A model and how much of a pair it is trained on.
    TokenLimits {
        /// A name of the catalogue or a path.
        model: String,
        /// The most tokens of prompt and answer together; 0 for no limit.
        max_length: usize,
        /// The most tokens of the prompt.
        max_prompt_length: Option<usize>,
        /// What `max_length` keeps.
        truncation: Truncation,
    }

    /// A finding of the pairs of a project.
    FindingOf {
        /// The project's folder.
        project: String,
        /// The check that found it.
        check: u32,
        #[ts(inline)]
        code: Code,
    }

    /// The pairs of a finding to be taken out of what is trained on, or put back.
    LeaveOut {
        /// The project's folder.
        project: String,
        /// The check that found them.
        check: u32,
        #[ts(inline)]
        code: Code,
        who: String,
        /// Out, or back.
        out: bool,
    }

    /// A file to be brought in.
    Import {
        /// The project's folder.
        project: String,
        /// The file.
        upload: String,
        /// Which column is what.
        mapping: ColumnMapping,
    }

    /// A file that was brought in, and what is decided of it.
    ChangeImport {
        /// The project's folder.
        project: String,
        /// Its number.
        import: i64,
        /// Who decides.
        who: String,
        change: ImportChange,
    }

    /// Pairs to be listed.
    PairsOf {
        /// The project's folder.
        project: String,
        query: PairQuery,
        /// Those of this finding alone.
        finding: Option<KeptFinding>,
    }

    /// Single answers of a project: a part of those of one kind.
    SinglesOf {
        /// The project's folder.
        project: String,
        kind: SingleKind,
        /// How many come before the first that is wanted.
        offset: usize,
        /// How many are wanted at most.
        limit: usize,
    }

    /// A single answer.
    SingleOf {
        /// The project's folder.
        project: String,
        id: i64,
    }

    /// A finding by the check that found it.
    KeptFinding {
        check: u32,
        #[ts(inline)]
        code: Code,
    }

    PairOf {
        /// The project's folder.
        project: String,
        /// Its number.
        id: i64,
    }

    /// A pair with new texts.
    EditPair {
        /// The project's folder.
        project: String,
        /// Its number.
        id: i64,
        /// Who changes it.
        who: String,
        /// The new preferred answer.
        chosen: Content,
        /// The new other answer.
        rejected: Content,
        /// The new prompt.
        prompt: Content,
        /// Its prompt, chosen and rejected answer as they were when the new ones were written: where they are others now, nothing
        /// is changed.
        #[serde(default)]
        #[ts(optional = nullable)]
        before: Option<[Content; 3]>,
    }

    /// A pair to be taken out or put back.
    RemovePair {
        /// The project's folder.
        project: String,
        /// Its number.
        id: i64,
        who: String,
        /// Out, or back.
        removed: bool,
    }

    /// A pair whose label was found right, or that this is taken back of.
    ConfirmPair {
        /// The project's folder.
        project: String,
        /// Its number.
        id: i64,
        who: String,
        /// Found right, or taken back.
        confirmed: bool,
        /// The mark of the look at it: where it has changed since, nothing is done.
        #[serde(default)]
        #[ts(optional = nullable)]
        seen: Option<String>,
    }

    /// An annotator's state.
    LabelStateOf {
        /// The project's folder.
        project: String,
        /// Who judges.
        annotator: String,
        /// How many items to give.
        ahead: usize,
        /// Only some of the items.
        among: Option<Among>,
    }

    /// An annotator's last judgement to be taken back.
    Undo {
        /// The project's folder.
        project: String,
        /// Who judges.
        annotator: String,
        /// Of which items to give the next.
        among: Option<Among>,
    }

    /// An answer with a new text.
    EditAnswer {
        /// The project's folder.
        project: String,
        /// Who changes it.
        annotator: String,
        item: i64,
        /// How it was shown.
        showing: i64,
        /// Which of the two.
        side: Side,
        /// The new text.
        text: String,
        /// Of which items to give the next.
        among: Option<Among>,
    }

    /// Items to be judged again.
    SecondPass {
        /// The project's folder.
        project: String,
        /// Who judges.
        annotator: String,
        /// Share of the judged items, 0 to 1.
        share: f64,
    }

    /// Answers to be made for prompts that have none.
    Generate {
        /// The project's folder.
        project: String,
        /// For at most so many prompts.
        limit: usize,
        /// Above 0, so that the two answers differ.
        temperature: f64,
        /// Tokens after which an answer is cut.
        max_new_tokens: usize,
    }

    /// A job to be stopped.
    CancelJob {
        /// Its number.
        job: u64,
    }

    /// A run as its form holds it, whatever is typed in there.
    CheckRun {
        /// The run.
        #[ts(type = "RunRequest")]
        request: serde_json::Value,
    }

    /// A run to be planned.
    PlanRun {
        /// The run.
        request: RunRequest,
        /// How to draw.
        theme: Theme,
    }

    /// A run of which two steps are to be timed.
    MeasureRun {
        /// The run.
        request: RunRequest,
    }

    StartRun {
        /// The run.
        request: RunRequest,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
        /// At once, whatever trains already.
        #[serde(default)]
        now: bool,
    }

    ResumeRun {
        /// The project's folder.
        project: String,
        run: String,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
        /// At once, whatever trains already.
        #[serde(default)]
        now: bool,
    }

    StopRun {
        /// The project's folder.
        project: String,
        run: String,
        /// Whether it is to be resumed later: it then counts as paused.
        pause: bool,
    }

    RunOf {
        /// The project's folder.
        project: String,
        run: String,
    }

    /// Figures of one or more runs.
    Figures {
        /// The project's folder.
        project: String,
        runs: Vec<String>,
        figures: Vec<FigureName>,
        /// How to draw.
        theme: Theme,
        /// How wide, in pixels.
        width: u32,
        /// How high, in pixels.
        height: u32,
    }

    /// Lets another judge decide on the answers of an evaluation, in a new one.
    JudgeAgain {
        /// The project's folder.
        project: String,
        evaluation: String,
        judge: JudgeChoice,
    }

    /// An evaluation to be made.
    StartEvaluation {
        /// The evaluation.
        request: EvalRequest,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    ResumeEvaluation {
        /// The project's folder.
        project: String,
        evaluation: String,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    /// An evaluation to be shown.
    ShowEvaluation {
        /// The project's folder.
        project: String,
        evaluation: String,
        /// How to draw.
        theme: Theme,
    }

    /// Items of an evaluation.
    EvalItemsOf {
        /// The project's folder.
        project: String,
        evaluation: String,
        #[ts(inline)]
        filter: ItemFilter,
        /// How many to skip.
        offset: usize,
        /// How many to give.
        limit: usize,
    }

    /// An annotator at an evaluation.
    BlindOf {
        /// The project's folder.
        project: String,
        evaluation: String,
        /// Who judges.
        annotator: String,
    }

    /// A judgement in an evaluation.
    JudgeBlind {
        /// The project's folder.
        project: String,
        evaluation: String,
        /// Who judges.
        annotator: String,
        /// The item.
        id: usize,
        /// What is said of it.
        verdict: Verdict,
        /// How long it was looked at.
        milliseconds: u64,
        /// These answers were shown with their authors before: the verdict is not blind.
        #[serde(default)]
        seen: bool,
    }

    /// What is to be exported.
    Export {
        /// The project's folder.
        project: String,
        run: Option<String>,
        evaluation: Option<String>,
        /// Which things.
        what: Vec<ExportWhat>,
        /// The pairs of this set alone; all that are trained on where absent.
        #[serde(default)]
        #[ts(optional = nullable)]
        set: Option<i64>,
        /// In which forms pairs are written; JSONL and Parquet where none is named.
        #[serde(default)]
        pairs_as: Vec<PairForm>,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    /// A run whose merged weights are to be exported.
    ExportMerged {
        /// The project's folder.
        project: String,
        run: String,
        /// What they are stored as.
        dtype: FloatType,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    /// A run whose weights are to be exported as a GGUF file.
    ExportGguf {
        /// The project's folder.
        project: String,
        run: String,
        /// What the merged weights are stored as; the file holds the adapter alone where absent.
        dtype: Option<GgufType>,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    /// A key of a judge.
    UseJudgeKey {
        /// An address of the server that it is for.
        url: String,
        key: String,
        /// Whether it is also kept in the system's keyring.
        keep: bool,
    }

    /// An access token for the hub.
    UseHubToken {
        token: String,
        /// Whether it is also kept in the system's keyring.
        keep: bool,
    }

    /// Something that is to be pushed to the hub, to be shown first.
    PreparePush {
        /// The project's folder.
        project: String,
        run: Option<String>,
        form: PushForm,
        /// As `owner/name`.
        repo: String,
        /// What the card names.
        licence: Option<String>,
        /// Go on although the model is not the one that was computed on before; the record keeps it.
        #[serde(default)]
        allow_changed_base: bool,
    }

    /// What was shown is to be sent.
    SendPush {
        /// The project's folder.
        project: String,
        /// The job that showed it.
        prepared: u64,
        /// Whether everybody may read it.
        public: bool,
        /// Whether files that are there may be replaced.
        replace: bool,
    }
}
