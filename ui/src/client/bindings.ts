// The contract between the page and the back end. Rust (crate `api`, module `window`) is the source of truth: ts-rs
// generates ui/src/client/bindings.ts, one file, with exactly these names. Until it is generated the page may keep a
// hand copy of this at the same path; a test in Rust fails when the committed file is stale.
// All numbers are JS numbers (never bigint). Times are milliseconds since 1970. Optional fields are `field?: T | null` or null.

export type ApiError = { code: string; message: string; hint: string };

// ---- content (crate prefs)
export type Message = { role: string; content: string };
export type Content = string | Message[];

// ---- projects
export type RecentProject = { folder: string; name: string; opened_at: number; exists: boolean };
export type Home = { recent: RecentProject[]; projects_folder: string; version: string; device: string; may_choose_folders: boolean; models: CatalogueModel[] };
export type CatalogueModel = { id: string; title: string; licence: string; parameters: number; bytes: number; here: boolean };
export type ProjectView = { folder: string; name: string; is_demo: boolean; model: string | null; counts: ProjectCounts; imports: ImportView[]; annotators: string[]; next: NextStep[] };
export type ProjectCounts = { pairs: number; items: number; items_without_answers: number; labelled: number; runs: number; finished_runs: number; evaluations: number };
export type NextStep = { screen: Screen; sentence: string };            // what to do next, most useful first
export type Screen = "project" | "data" | "label" | "train" | "evaluate" | "export";
export type ImportView = { id: number; source: string; imported_at: number; kind: ImportKind; added: number; duplicates: number; refused: number };

// ---- data
export type ImportKind = "pairs" | "candidates" | "prompts";            // preference known | two answers, no preference yet | only prompts
export type Upload = { upload: string; name: string; bytes: number };   // the answer to sending a file
export type ColumnMapping = { kind: ImportKind; prompt: string | null; chosen: string | null; rejected: string | null; answer_a: string | null; answer_b: string | null; system: string | null; context: string | null; category: string | null; preference: string | null };
export type Column = { name: string; filled: number; sample: string };  // filled = share of rows 0..1
export type PreviewRow = { line: number; prompt: Content; first: Content | null; second: Content | null; category: string | null; rendered: Rendered | null };
export type Rendered = { prompt: string; first: string; second: string; prompt_tokens: number; first_tokens: number; second_tokens: number; boundary_broken: string | null };
export type ImportPreview = { upload: string; format: string; rows: number; columns: Column[]; mapping: ColumnMapping; guessed: boolean; good: number; duplicates: number; refused: RefusedRow[]; refused_total: number; first: PreviewRow[]; tokenizer: string | null };
export type RefusedRow = { line: number; reason: string };
export type ImportReply = { kind: ImportKind; rows: number; added: number; duplicates: number; refused: RefusedRow[]; refused_total: number };
export type PairQuery = { text: string; source: PairSource | null; category: string | null; offset: number; limit: number };
export type PairSource = "imported" | "labelled" | "edited" | "removed";
export type PairRow = { id: number; prompt: string; chosen: string; rejected: string; category: string | null; source: PairSource };  // first 200 characters of each
export type PairPage = { total: number; rows: PairRow[]; categories: string[] };
export type PairView = { id: number; prompt: Content; chosen: Content; rejected: Content; category: string | null; source: PairSource; history: PairChange[]; rendered: Rendered | null };
export type PairChange = { at: number; who: string; what: string };     // newest first; what = a sentence

// ---- labelling
export type Verdict = "left_much" | "left" | "right" | "right_much" | "tie_good" | "tie_bad" | "skip";
export type LabelItem = { item: number; showing: number; prompt: Content; left: string; right: string; category: string | null; second_pass: boolean };
export type LabelState = { annotator: string; done: number; total: number; skipped: number; seconds_per_item: number | null; seconds_left: number | null; can_undo: boolean; left_share: number | null; queue: LabelItem[] };
// `showing` names a recorded showing (which answer stood left); send it back with the verdict.
export type JudgeRequest = { project: string; annotator: string; item: number; showing: number; verdict: Verdict; milliseconds: number; note: string | null };
export type Agreement = { items_shared: number; percent: number | null; alpha: number | null; pairs: AnnotatorPair[]; annotators: AnnotatorView[] };
export type AnnotatorPair = { a: string; b: string; items: number; percent: number; kappa: number | null };
export type AnnotatorView = { annotator: string; judged: number; left_share: number | null; left_share_interval: [number, number] | null; self_items: number; self_percent: number | null; median_seconds: number | null };

// ---- jobs: generation of candidates, evaluations, fetching a model. Runs are not jobs: they are processes with folders.
export type JobState = "running" | "done" | "failed" | "cancelled";
export type Job = { job: number; project: string; kind: "candidates" | "evaluation" | "model" | "measure"; title: string; state: JobState; stage: string; done: number; total: number; seconds_left: number | null; error: ApiError | null; evaluation: string | null };

// ---- training
export type RunSettings = {                                             // TRL's names; what RUN.toml holds, without paths
  loss_type: string[]; loss_weights: number[] | null; beta: number; label_smoothing: number; max_length: number; max_prompt_length: number | null;
  truncation: "keep_start" | "keep_end"; learning_rate: number; lr_scheduler_type: "constant" | "linear" | "cosine"; warmup_steps: number; warmup_ratio: number;
  weight_decay: number; max_grad_norm: number; per_device_train_batch_size: number; gradient_accumulation_steps: number; max_steps: number; num_train_epochs: number;
  shuffle: boolean; seed: number; logging_steps: number; eval_steps: number; save_steps: number; save_total_limit: number; gradient_checkpointing: boolean;
  lora_r: number; lora_alpha: number; lora_dropout: number; target_modules: string[] | null };   // null = all-linear
export type RunRequest = { project: string; name: string; model: string; held_out_share: number; sample_prompts: number; settings: RunSettings };
export type RunPlan = { pairs: number; held_out: number; dropped: number; cut_prompts: number; cut_answers: number; cut_pairs: number[]; steps: number; steps_per_epoch: number; tokens_per_step: number; histogram: FigureView; memory_needed: number; memory_free: number | null; fits: boolean; advice: string | null; problems: ApiError[]; seconds_estimate: number | null };
export type RunState = "prepared" | "running" | "interrupted" | "finished" | "stopped" | "failed";
export type RunSummary = { run: string; name: string; state: RunState; step: number; total_steps: number; started_at: number; seconds_left: number | null; loss: number | null; accuracy: number | null; held_out_accuracy: number | null; model: string };
export type RunView = { summary: RunSummary; folder: string; settings: RunSettings; held_out_share: number; sample_prompts: number; now: RunNow; error: ApiError | null; warnings: string[]; findings: Finding[]; samples: SampleSet[]; stage: string; stage_done: number; stage_total: number };
export type RunNow = { loss: number | null; margin: number | null; accuracy: number | null; chosen: number | null; rejected: number | null; grad_norm: number | null; learning_rate: number | null; tokens_per_second: number | null; peak_memory_bytes: number | null };
export type SampleSet = { step: number; answers: { prompt: string; text: string }[] };
export type Finding = { code: string; severity: "notice" | "warning" | "stop"; title: string; sentence: string; figure: string | null; remedy: Remedy | null };
export type Remedy = { label: string; settings: Partial<RunSettings> };  // opens a duplicate of the run with these changes
export type FigureName = "loss" | "rewards" | "margins" | "accuracy" | "grad_norm" | "learning_rate" | "lengths";
export type FigureView = { name: string; svg: string; description: string; axes: Axes };
export type Axes = { width: number; height: number; left: number; top: number; right: number; bottom: number; x_min: number; x_max: number; y_min: number; y_max: number; x_label: string; y_label: string; series: FigureSeries[] };
export type FigureSeries = { name: string; points: [number, number][] }; // for the read-out under the cursor; at most 2,000 points
export type Theme = "light" | "dark";

// ---- evaluation
export type EvalRequest = { project: string; run: string; judge: JudgeChoice; prompts: PromptSource; max_prompts: number; temperature: number; max_new_tokens: number; seed: number };
export type JudgeChoice = { kind: "human" } | { kind: "rule"; rule: string } | { kind: "command"; command: string } | { kind: "endpoint"; url: string; model: string; key_env: string | null };
export type PromptSource = "held_out" | { upload: string };
export type EvalSummary = { evaluation: string; run: string; run_name: string; judge: string; created_at: number; state: "answering" | "judging" | "done" | "broken_off"; prompts: number; answered: number; judged: number; win_rate: number | null; win_rate_interval: [number, number] | null; verdict: string; words: string };
export type EvalView = { summary: EvalSummary; auto: GroupView | null; human: GroupView | null; both: { items: number; percent: number; kappa: number | null } | null; categories: GroupView[]; base: TextStats; tuned: TextStats; accuracy: { pairs: number; before: number; after: number; before_interval: [number, number]; after_interval: [number, number] } | null; figure: FigureView | null; ancestry: [string, string][]; job: number | null };
export type GroupView = { name: string; wins: number; ties: number; losses: number; no_verdict: number; win_rate: number | null; interval: [number, number] | null; p: number | null; words: string };
export type TextStats = { answers: number; mean_words: number; mean_tokens: number; distinct_2: number; repeated_4: number; truncated: number };
export type Winner = "tuned" | "base" | "tie" | "none";
export type EvalItem = { id: number; prompt: Content; category: string | null; base: string; tuned: string; base_tokens: number; tuned_tokens: number; auto: Winner; auto_reason: string | null; human: Winner };
export type EvalItems = { total: number; rows: EvalItem[] };
export type BlindItem = { id: number; prompt: Content; left: string; right: string; done: number; total: number; can_undo: boolean };

// ---- export
export type ExportWhat = "adapter" | "pairs" | "report" | "labels";
export type Exported = { what: string; path: string; load: string };

// ---- live news: one stream for everything, `GET /api/news` (server-sent events) or a Tauri channel
export type News =
  | { type: "run"; project: string; run: string }                 // something about this run changed: ask again
  | { type: "job"; job: Job }
  | { type: "answer"; job: number; index: number; side: string; text: string }   // an answer as it grows
  | { type: "project"; project: string };

// ---- operations: name -> [request, reply]. POST /api/NAME with the request as JSON; errors are ApiError.
export interface Operations {
  home: [{}, Home];
  create_project: [{ name: string; folder: string | null }, ProjectView];
  open_project: [{ folder: string }, ProjectView];
  open_demo: [{}, ProjectView];
  forget_project: [{ folder: string }, Home];
  set_model: [{ project: string; model: string }, ProjectView];
  fetch_model: [{ model: string }, Job];
  preview_import: [{ project: string; upload: string; mapping: ColumnMapping | null }, ImportPreview];
  import: [{ project: string; upload: string; mapping: ColumnMapping }, ImportReply];
  pairs: [{ project: string; query: PairQuery }, PairPage];
  pair: [{ project: string; id: number }, PairView];
  edit_pair: [{ project: string; id: number; who: string; chosen: Content; rejected: Content; prompt: Content }, PairView];
  remove_pair: [{ project: string; id: number; who: string; removed: boolean }, PairView];   // removed: false puts it back
  label_state: [{ project: string; annotator: string; ahead: number }, LabelState];
  judge: [JudgeRequest, LabelState];
  undo: [{ project: string; annotator: string }, LabelState];
  edit_answer: [{ project: string; annotator: string; item: number; showing: number; side: "left" | "right"; text: string }, LabelState];
  second_pass: [{ project: string; annotator: string; share: number }, LabelState];
  agreement: [{ project: string }, Agreement];
  generate_candidates: [{ project: string; limit: number; temperature: number; max_new_tokens: number }, Job];
  jobs: [{}, Job[]];
  cancel_job: [{ job: number }, Job];
  default_settings: [{ project: string }, RunRequest];
  plan_run: [{ request: RunRequest; theme: Theme }, RunPlan];
  measure_run: [{ request: RunRequest }, Job];                     // two real steps; the plan then has seconds_estimate
  start_run: [{ request: RunRequest }, RunView];
  stop_run: [{ project: string; run: string }, RunView];
  resume_run: [{ project: string; run: string }, RunView];
  runs: [{ project: string }, RunSummary[]];
  run: [{ project: string; run: string }, RunView];
  run_figures: [{ project: string; runs: string[]; figures: FigureName[]; theme: Theme; width: number; height: number }, FigureView[]];
  start_evaluation: [{ request: EvalRequest }, Job];
  resume_evaluation: [{ project: string; evaluation: string }, Job];
  evaluations: [{ project: string }, EvalSummary[]];
  evaluation: [{ project: string; evaluation: string; theme: Theme }, EvalView];
  eval_items: [{ project: string; evaluation: string; filter: Winner | "all" | "disagree"; offset: number; limit: number }, EvalItems];
  blind_item: [{ project: string; evaluation: string; annotator: string }, BlindItem | null];       // null: all judged
  judge_blind: [{ project: string; evaluation: string; annotator: string; id: number; verdict: Verdict; milliseconds: number }, BlindItem | null];
  undo_blind: [{ project: string; evaluation: string; annotator: string }, BlindItem | null];
  export: [{ project: string; run: string | null; evaluation: string | null; what: ExportWhat[] }, Exported[]];
}
