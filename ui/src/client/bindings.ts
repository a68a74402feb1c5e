// Written by `TIEBREAK_WRITE_BINDINGS=1 cargo test -p api bindings` from the types of crate `api`: do not edit.

/** One of the three accuracies, as it is told everywhere. */
export type AccuracyRow = {
  /** By what pairs are ranked. */
  name: string,
  /** The number's name in files. */
  key: string,
  /** What it is a share of. */
  meaning: string,
  /** Before training; none where it is 0 by definition. */
  before: AccuracyShare | null,
  /** After training. */
  after: AccuracyShare, };

/** A share of pairs with its Wilson 95 % interval. */
export type AccuracyShare = {
  /** The share. */
  value: number, interval: Interval, };

/** What is to be done to the pairs of an audit of which an annotator prefers the other answer. */
export type ActOnAudit = {
  /** The project's folder. */
  project: string, audit: number, annotator: string, choice: AuditChoice,
  /** Who asks for it. */
  who: string, };

/** Pairs to be acted on. */
export type ActOnPairs = {
  /** The project's folder. */
  project: string, who: string, pairs: PairsChosen, act: PairAct, };

/** Pairs of a run to be acted on, as the project has them. */
export type ActOnRunPairs = {
  /** The list that they were chosen in. */
  query: RunPairsQuery, who: string,
  /** The project's pairs that were chosen one by one; all that the list shows where absent. */
  ids: Array<number> | null,
  /** How many rows these were when they were chosen: others are not meant. */
  expected: number, act: PairAct,
  /** The mark of the list when they were chosen: where one has changed since, or the list has others, nothing is done. */
  seen?: string | null, };

/** How far the annotators of a project agree. `percent` is a share from 0 to 1 throughout; what cannot be computed is `None`. */
export type Agreement = {
  /** Items that at least two annotators judged. */
  items_shared: number,
  /** Share of all two judgements of one item that agree. */
  percent: number | null,
  /** Krippendorff's alpha over all annotators. */
  alpha: number | null,
  /** Every two annotators who share items, and every annotator with each file that says something of the same items. */
  pairs: Array<AnnotatorPair>,
  /** Every annotator who has judged. */
  annotators: Array<AnnotatorView>,
  /** Verdicts that are left out, because those of others were in view when they were given. */
  votes_seen: number, };

/** A token that might have stood there. */
export type Alternative = {
  /** Its number in the vocabulary. */
  id: number,
  /** What it adds to the text before it; of one that is no whole character by itself, and of one that is no text, its name. */
  text: string, probability: number,
  /** Whether it is the token that stands there. */
  is_chosen: boolean,
  /** Whether the answer would end there. */
  is_end: boolean, };

/** Which items are asked for. */
export type Among = "disagreements" | { "audit": number };

/** Two annotators on the items that both judged. */
export type AnnotatorPair = { a: string,
  /** The other. */
  b: string,
  /** Whether the other is a file, or an annotator that it names. */
  b_is_file: boolean,
  /** Items that both judged. */
  items: number,
  /** Share of them on which they agree, 0 to 1. */
  percent: number,
  /** Cohen's kappa. */
  kappa: number | null, };

/** One annotator. */
export type AnnotatorView = { annotator: string,
  /** Items judged. */
  judged: number,
  /** How often the left answer was found better, of all times one was; 0.5 is what to expect, as sides are drawn. */
  left_share: number | null,
  /** Its 95 % interval by Wilson. */
  left_share_interval: [number, number] | null,
  /** Items judged twice. */
  self_items: number,
  /** Share of them judged alike both times, 0 to 1. */
  self_percent: number | null,
  /** Median time of a judgement. */
  median_seconds: number | null, };

/** A failed operation, in the user's words. */
export type ApiError = {
  /** A stable short name for programs; `cancelled` when the user stopped it. */
  code: string,
  /** What is wrong, and where. */
  message: string,
  /** What to do about it, in whole sentences; empty where the message says so itself. */
  hint: string, };

/** One that is to be archived, or taken out of the archive. */
export type ArchiveItem = {
  /** The project's folder. */
  project: string, kind: ItemKind,
  /** Its folder's name. */
  item: string, archived: boolean, };

/** A project that the list of recent ones is to leave out, or to show again. */
export type ArchiveProject = { folder: string, archived: boolean, };

/** How many runs may train at once. */
export type AtMost = {
  /** The project's folder. */
  project: string, at_most: number, };

/** An audit, and what came of it. */
export type Audit = {
  /** Its number. */
  audit: number,
  /** Who asked for it. */
  who: string,
  /** When, in milliseconds since 1970 (UTC). */
  at: number,
  /** Which pairs were asked for. */
  of: AuditOf,
  /** The name of what they were imported from, where it is one import. */
  source: string | null,
  /** How many they are. */
  pairs: number,
  /** Those that were edited or removed since, and are not asked any more. */
  changed: number,
  /** Each annotator who has judged any. */
  annotators: Array<Audited>,
  /** What was done to pairs because of it, oldest first. */
  acts: Array<AuditAct>, };

/** Something that was done to pairs because of an audit. */
export type AuditAct = {
  /** Its number. */
  act: number,
  /** When, in milliseconds since 1970 (UTC). */
  at: number,
  /** Who asked for it. */
  who: string,
  /** What was done. */
  choice: AuditChoice,
  /** To how many pairs. */
  pairs: number,
  /** Whether it was undone. */
  undone: boolean, };

/** What is done to pairs because of what an annotator said of them. */
export type AuditChoice = "leave_out" | "swap";

/** An audit by its number. */
export type AuditIn = {
  /** The project's folder. */
  project: string, audit: number, };

/** Which pairs are audited: of those that are as they came in, all that match. */
export type AuditOf = {
  /** Only pairs of this import, by its number. */
  import: number | null,
  /** Only this category. */
  category: string | null,
  /** Text that prompt or answers contain, in any case; empty for all. */
  text: string,
  /** So many of them, drawn at random; `None`: all. */
  count: number | null,
  /** What the drawing begins with: the same seed draws the same pairs. */
  seed: number, };

/** How far one annotator agrees with the file. */
export type Audited = {
  /** Who judged. */
  annotator: string,
  /** Pairs of which they prefer the answer that the file prefers. */
  agree: number,
  /** Pairs of which they prefer the other answer. */
  differ: number,
  /** Pairs of which they prefer neither. */
  ties: number,
  /** Pairs that were skipped. */
  skipped: number,
  /** Pairs judged anew with the verdicts of others in view: these verdicts are not blind, and in none of the counts. */
  votes_seen: number,
  /** Pairs that they have judged, blind or not. */
  judged: number,
  /** `agree / (agree + differ)`, 0 to 1. */
  rate: number | null,
  /** Its 95 % interval by Wilson. */
  interval: [number, number] | null,
  /** Those on which they differ that are still as the file has them: what a choice would change. */
  unchanged: number, };

/** How values lie in a drawing: `x_min` to `x_max` from `left` to `right`, `y_min` to `y_max` from `bottom` to `top`. */
export type Axes = {
  /** Width of the drawing. */
  width: number, height: number,
  /** Left edge of the plot in it. */
  left: number,
  /** Top edge. */
  top: number,
  /** Right edge. */
  right: number,
  /** Bottom edge. */
  bottom: number,
  /** Value at the left edge. */
  x_min: number,
  /** Value at the right edge. */
  x_max: number,
  /** Value at the bottom. */
  y_min: number,
  /** Value at the top. */
  y_max: number,
  /** What goes along x. */
  x_label: string,
  /** What goes along y. */
  y_label: string,
  /** What is drawn. */
  series: Array<FigureSeries>, };

/**
 * The type in which the matrices of a base are kept in memory. Norms and biases, a thousandth of a model, are f32 always,
 * and so are adapter, gradients, optimiser and loss. Products are what [`crate::Products`] says: for those in f32, weights
 * in fewer bits are expanded piece by piece while they are used.
 */
export type BaseDtype = "auto" | "f32" | "bf16" | "f16" | "q8" | "q4";

/** What is in a project's bin. */
export type Bin = {
  /** The last first. */
  entries: Array<BinEntry>,
  /** What all of it takes on the disk. */
  bytes: number, };

/** Something in a project's bin. */
export type BinEntry = {
  /** By which it is named there. */
  entry: string, kind: BinKind,
  /** What links to it name; of checkpoints, their run. */
  item: string,
  /** What it was called; of checkpoints, their run. */
  name: string, deleted_at: number,
  /** What it takes on the disk. */
  bytes: number,
  /** Why it cannot be put back. */
  refused: string | null, };

/** What lies in the bin. */
export type BinKind = "run" | "evaluation" | "export" | "scores" | "checkpoints";

/** Two answers to be judged without knowing whose they are. */
export type BlindItem = {
  /** Its number in the evaluation. */
  id: number,
  /** What was asked. */
  prompt: Content,
  /** The answer on the left. */
  left: string,
  /** The answer on the right. */
  right: string,
  /** Items judged. */
  done: number,
  /** Items to be judged in all: not those whose answers are the same. */
  total: number,
  /** Whether there is something to take back. */
  can_undo: boolean, };

/** An annotator at an evaluation. */
export type BlindOf = {
  /** The project's folder. */
  project: string, evaluation: string,
  /** Who judges. */
  annotator: string, };

/** A job to be stopped. */
export type CancelJob = {
  /** Its number. */
  job: number, };

/** A model of the catalogue. */
export type CatalogueModel = {
  /** The name by which it is asked for. */
  id: string,
  /** The name that is shown. */
  title: string,
  /** Licence of the weights, as an SPDX identifier. */
  licence: string,
  /** Number of weights. */
  parameters: number,
  /** Size of its file. */
  bytes: number,
  /** Whether it is on this machine. */
  here: boolean, };

/** One against another. */
export type Cell = { evaluation: string, wins: number, ties: number, losses: number,
  /** Share of the prompts that it wins, ties as half. */
  win_rate: number | null,
  /** Its 95 % interval. */
  interval: [number, number] | null, };

/** A file that was brought in, and what is decided of it. */
export type ChangeImport = {
  /** The project's folder. */
  project: string,
  /** Its number. */
  import: number,
  /** Who decides. */
  who: string, change: ImportChange, };

/** What one model is asked. */
export type Chat = {
  /** The run whose adapter answers; the project's model without one where absent. */
  run: string | null,
  /** Another model of this machine, in the place of both. */
  side?: LocalSide,
  /** An answer to the same that is gone on from, with another token in the place of one. */
  from?: GoOn,
  /** The conversation so far; the last message is the user's. */
  messages: Array<Message>, };

/** An answer. */
export type ChatAnswer = { text: string, tokens: number, seconds: number,
  /** Whether it was cut at `max_new_tokens`. */
  is_cut: boolean,
  /** Whether it was broken off. */
  is_stopped: boolean,
  /** Whether the model has no chat template: it continued the message as plain text. */
  is_plain_text: boolean,
  /** Tokens of it that somebody chose in the place of the model's own. */
  steered: number,
  /** Its tokens with how likely each was, where that was asked for. */
  probabilities: Array<TokenProbability> | null, };

/** What the models of a job have answered. */
export type ChatAnswers = {
  /** In the order of the models; none where one has not answered yet. */
  answers: Array<ChatAnswer | null>, };

/** Asks for the answers of a job. */
export type ChatOf = { job: number, };

/** Asks how likely the tokens of an answer were. */
export type ChatTokens = {
  /** The job that made it. */
  job: number,
  /** Its place there, from 0. */
  chat: number, };

/** A file whose pairs are to be checked. */
export type CheckImport = {
  /** The project's folder. */
  project: string,
  /** The file. */
  upload: string,
  /** Which column is what. */
  mapping: ColumnMapping, };

/** Pairs to be checked before they are trained on. */
export type CheckPairs = {
  /** The project's folder. */
  project: string,
  /** Share of the pairs that is kept for evaluation, 0 to 1. */
  held_out_share: number,
  /** By which they are chosen. */
  seed: number,
  /** Sets that the run is made of; all pairs where absent. */
  data?: RunData | null,
  /** The model that reads them, and its limits; without it nothing is said of tokens. */
  tokens: TokenLimits | null, };

/** A run as its form holds it, whatever is typed in there. */
export type CheckRun = {
  /** The run. */
  request: RunRequest, };

/** `gradient_checkpointing`: `true`, `false`, or `auto`. */
export type Checkpointing = boolean | "auto";

/** Checkpoints that a run has. */
export type Checkpoints = {
  /** Their steps, in rising order. */
  steps: Array<number>, };

/** What a column holds. */
export type Column = {
  /** Its name, dotted where it lies inside an object or a list. */
  name: string,
  /** Share of the rows that have something there, 0 to 1. */
  filled: number,
  /** The beginning of the first value. */
  sample: string, };

/**
 * Which column is which, and how what stands there is read where it could be read in several ways. Pairs come either from
 * `chosen` and `rejected`, or from `answer_a`, `answer_b` and a `preference` between them.
 *
 * A choice that is absent was not made. [`questions`] says which of them are open.
 */
export type ColumnMapping = {
  /** What the rows become. */
  kind: ImportKind,
  /** What was asked; may be missing where the answers both begin with it. */
  prompt: string | null,
  /** The better answer. */
  chosen: string | null,
  /** The worse answer. */
  rejected: string | null,
  /** An answer, where it is not known or said elsewhere which is better. */
  answer_a: string | null,
  /** The other answer. */
  answer_b: string | null,
  /** A system prompt. */
  system: string | null,
  /** What belongs to the prompt and is put below it, such as Alpaca's `input`. */
  context: string | null,
  /** A label by which results can be told apart. */
  category: string | null,
  /** Which of the two answers is better. */
  preference: string | null,
  /** Who says so. */
  annotator: string | null,
  /**
   * Several answers of a row, by a path with `*` for their number (`completions.*.response`), or the one answer of each row,
   * where rows with the same prompt belong together.
   */
  answers: string | null,
  /** The ratings or ranks of `answers`. */
  ratings: string | null,
  /** The rating of `answer_a`, or of `chosen`. */
  rating_a: string | null,
  /** The rating of `answer_b`, or of `rejected`. */
  rating_b: string | null,
  /** Which ratings are the better ones; what their name says where nothing is chosen. */
  rating_order: RatingOrder | null,
  /** Which pairs are made of more than two answers. */
  pairing: Pairing | null,
  /** The least distance of two ratings, as a number. Pairs nearer to each other are refused. */
  least_margin: string | null,
  /** Which rows come in: `lang=en`, or several such conditions joined by `&`. */
  only: string | null,
  /** The tools that the assistant may call. */
  tools: string | null,
  /** Further arguments of the chat template. */
  chat_template_kwargs: string | null,
  /** Earlier turns, each a question with its answer. */
  history: string | null,
  /** How numbers in `preference` are meant. */
  preference_scheme: PreferenceScheme | null,
  /** How plain text is given to a model with a chat template; as it is where nothing is said. */
  plain_text: PlainText | null,
  /** Where the prompt is, if no column holds it. */
  prompt_from: PromptFrom | null,
  /** What becomes of a prompt that the answers repeat; it is taken off where nothing is said. */
  repeated_prompt: RepeatedPrompt | null,
  /** That rows come in without columns that change what a model reads and that cannot be kept, such as `images`. */
  left_out: LeftOut | null, };

/** Asks what has changed from the pairs of the first run to those of each other, or to the project's own as they are now. */
export type ComparePairs = { project: string, run: string,
  /** Other runs. */
  runs: Array<string>,
  /** A run that is being prepared: the pairs that it would be made of stand for the project's. */
  request?: RunRequest | null, };

/** A pair whose label was found right, or that this is taken back of. */
export type ConfirmPair = {
  /** The project's folder. */
  project: string,
  /** Its number. */
  id: number, who: string,
  /** Found right, or taken back. */
  confirmed: boolean,
  /** The mark of the look at it: where it has changed since, nothing is done. */
  seen?: string | null, };

/** A verdict with what others said in view: one's own in place of that before, or a decision. */
export type Consider = {
  /** The project's folder. */
  project: string, annotator: string, item: number,
  /** The revision of the texts that were shown. */
  revision: number | null,
  /** Which answer stood left. */
  left: ItemAnswer, verdict: Verdict,
  /** How long it was looked at. */
  milliseconds: number,
  /** A remark. */
  note: string | null, };

/** A prompt or an answer: plain text (taken as it is) or messages (rendered by the model's chat template). */
export type Content = string | Conversation;

/** How a conversation is kept: the list of its messages, with tools or arguments an object. */
export type Conversation = Array<Message> | { messages: Array<Message>, tools?: unknown[] | undefined, chat_template_kwargs?: { [argument: string]: unknown } | undefined, };

/** Something that is counted in rows. */
export type CountedRows = { name: string, rows: number, };

/** A new project. */
export type CreateProject = { name: string,
  /** Its folder; one of that name in the projects folder where absent. */
  folder: string | null, };

/** What is odd about pairs. Nothing is left out for it: the user decides. */
export type DataChecks = {
  /** By which the pairs of its findings can be listed and left out; none of a file that is not brought in yet. */
  check: number | null,
  /** Pairs that were looked at. */
  pairs: number,
  /** Held-out pairs beside them. */
  held_out: number,
  /** The worst first. */
  findings: Array<DataFinding>, };

/** One kind of oddity, and the pairs that show it. */
export type DataFinding = {
  /** Which check found it. */
  code: "no_pairs" | "same_answers" | "contradiction" | "prompt_leak" | "near_prompt_leak" | "empty_chosen" | "empty_rejected" | "placeholder" | "unknown_role" | "prefilled_prompt" | "duplicate" | "repeats_prompt" | "not_assistant" | "mixed_forms" | "template_leftovers" | "doubled_token" | "special_tokens" | "refusal_preferred" | "personal_data" | "other_language" | "cut_one_side" | "broken_boundary" | "nearly_same_answers" | "contained" | "one_word" | "same_prompt" | "near_prompt" | "language_mix" | "refusals" | "plain_text" | "length_bias",
  /** How bad it is. */
  severity: "error" | "warning" | "info",
  /** What, how many, and what it means for training, in words. */
  message: string,
  /** What to do about it. */
  remedy: string,
  /** How many pairs; 0 where it is about all of them together. */
  count: number,
  /** The first of them. */
  pairs: Array<FoundPair>, };

/** A project in the bin. */
export type DeletedProject = {
  /** By which it is named there. */
  entry: string, name: string, deleted_at: number, bytes: number,
  /** What it holds, in words; empty where that was not counted. */
  holds: string, };

/** What hangs on something that is to be deleted. */
export type Dependents = {
  /** What it is called. */
  name: string,
  /** What refers to it and what becomes of that, as sentences. */
  sentences: Array<string>,
  /** What it takes on the disk. */
  bytes: number, };

/** What one is to be called from now on, and what is noted of it. */
export type DescribeItem = {
  /** The project's folder. */
  project: string, kind: ItemKind,
  /** Its folder's name. */
  item: string, name: string, note: string, tags: Array<string>, };

/** What a project is to be called from now on, and what is noted of it. */
export type DescribeProject = {
  /** The project's folder. */
  project: string, name: string, note: string, };

/** How many pairs of two sets differ, and how. A pair that stands in a set twice counts twice. */
export type Difference = {
  /** In both, with the same texts. */
  same: number,
  /** In both, with the chosen and the rejected answer the other way round. */
  swapped: number,
  /** The same prompt with another chosen or rejected answer. */
  other_answers: number,
  /** Only in the first set. */
  removed: number,
  /** Only in the second set. */
  added: number, };

/** What a project takes on the disk, in bytes. */
export type DiskUse = {
  /** All of its folder. */
  bytes: number,
  /** The database: pairs, labels, judgements. */
  data: number, bin: number,
  /** What of the folder is none of this. */
  other: number,
  /** Runs, evaluations and exports, the largest first. */
  items: Array<ItemDisk>, };

/** An answer with a new text. */
export type EditAnswer = {
  /** The project's folder. */
  project: string,
  /** Who changes it. */
  annotator: string, item: number,
  /** How it was shown. */
  showing: number,
  /** Which of the two. */
  side: Side,
  /** The new text. */
  text: string,
  /** Of which items to give the next. */
  among: Among | null, };

/** A pair with new texts. */
export type EditPair = {
  /** The project's folder. */
  project: string,
  /** Its number. */
  id: number,
  /** Who changes it. */
  who: string,
  /** The new preferred answer. */
  chosen: Content,
  /** The new other answer. */
  rejected: Content,
  /** The new prompt. */
  prompt: Content,
  /**
   * Its prompt, chosen and rejected answer as they were when the new ones were written: where they are others now, nothing
   * is changed.
   */
  before?: [Content, Content, Content] | null, };

/** A part of a pair before and after an edit. */
export type EditedText = {
  /** Which part, in words. */
  part: string, before: Content,
  /** As it became. */
  after: Content, };

/** What is to be removed for good: those that were shown, and none that came later. */
export type EmptyBin = {
  /** The project's folder. */
  project: string, entries: Array<string>, };

/** Deleted projects to be removed for good: those that were shown. */
export type EmptyProjectsBin = { entries: Array<string>, };

/** A prompt with both answers and what was said of them. */
export type EvalItem = {
  /** Its number in the evaluation. */
  id: number,
  /** What was asked. */
  prompt: Content, category: string | null,
  /** The answer of the side `base`. */
  base: string,
  /** That of the side `tuned`. */
  tuned: string,
  /** Tokens of the first answer, where they are known. */
  base_tokens: number | null,
  /** Tokens of the second. */
  tuned_tokens: number | null,
  /** What the judge says. */
  auto: Winner, auto_reason: string | null,
  /** What people say. */
  human: Winner,
  /** Both answers are the same: nobody was asked. */
  same: boolean, };

/** A part of the list of items. */
export type EvalItems = {
  /** How many there are under this filter. */
  total: number,
  /** The part asked for. */
  rows: Array<EvalItem>, };

/** Items of an evaluation. */
export type EvalItemsOf = {
  /** The project's folder. */
  project: string, evaluation: string, filter: "tuned" | "base" | "tie" | "none" | "all" | "disagree",
  /** How many to skip. */
  offset: number,
  /** How many to give. */
  limit: number, };

/** An evaluation to be made. */
export type EvalRequest = {
  /** The project's folder. */
  project: string,
  /** The run whose adapter is judged; empty where the evaluation is of none, and both sides are said. */
  run: string, judge: JudgeChoice,
  /** What is asked. */
  prompts: PromptSource,
  /** At most so many prompts. */
  max_prompts: number,
  /** 0 takes the most likely token. */
  temperature: number,
  /** Tokens after which an answer is cut. */
  max_new_tokens: number,
  /** Seed of answers and sides. */
  seed: number,
  /** What is compared with what, the first being what the win rate is of; the run's adapter with its base where absent. */
  sides: [SideRequest, SideRequest] | null, };

/** An evaluation in a list. */
export type EvalSummary = {
  /** By which it is named: its folder's name. */
  evaluation: string,
  /** What it is called: as its run, unless it was given a name. */
  name: string,
  /** What was written of it. */
  notes: Notes, run: string, run_name: string,
  /** What both sides are called. */
  names: SideNames,
  /** The judge, in words. */
  judge: string,
  /** The server that the judge's key is typed or kept for, where it has one. */
  key_for: string | null,
  /** Where the prompts are from; empty where that is not known. */
  prompts_from: string,
  /**
   * A digest of the prompts and of how answers to them are sampled, but for the seed: results of evaluations in which it
   * differs are of other things. None before the models are asked.
   */
  asked: string | null,
  /** When it was begun. */
  created_at: number,
  /** Where it stands. */
  state: "answering" | "judging" | "done" | "broken_off", prompts: number,
  /** Prompts that both sides have answered. */
  answered: number,
  /** Of them, those judged. */
  judged: number,
  /** Pairs of answers that nobody has looked at blind; where both are the same, nobody is asked. */
  waiting: number,
  /** The share of the first side, `tuned`, ties as half. */
  win_rate: number | null,
  /** Its 95 % interval. */
  win_rate_interval: [number, number] | null,
  /** A stable short name of the verdict. */
  verdict: string,
  /** The verdict in words. */
  words: string, };

/** An evaluation, whole. */
export type EvalView = {
  /** The evaluation whose answers are judged again here, where that is still there. */
  answers_of: string | null,
  /** What that is called. */
  answers_of_name: string | null,
  /** As in the list. */
  summary: EvalSummary,
  /** What the rule, command or endpoint says. */
  auto: GroupView | null,
  /** What people say. */
  human: GroupView | null,
  /** How far the two agree. */
  both: {
  /** Items with both. */
  items: number,
  /** The share of them on which they agree, from 0 to 1. */
  percent: number,
  /** Cohen's kappa. */
  kappa: number | null, } | null,
  /** Whether the judge, and everybody who judged blind, likes one place better than the other: a sentence each. */
  places: Array<string>, categories: Array<GroupView>,
  /** Length and repetition of both models' answers; empty before all are there, and while people judge them blind. */
  texts: Array<TextRow>,
  /** Held-out pairs, by the three numbers that say how many are ranked as labelled. */
  accuracy: { pairs: number,
  /** The three numbers, under the names and in the order they have everywhere. */
  rows: Array<AccuracyRow>, } | null,
  /** The win rate, drawn. */
  figure: FigureView | null,
  /** Says so where the base is another than the adapter was trained on. */
  other_base: string | null,
  /** What the line at 55 % in the figure is; empty where the result says nothing of training. */
  why_55: string,
  /** How the prompts were asked, where that is to be kept in mind: a sentence each. */
  how_asked: Array<string>,
  /** Which answers were taken from other evaluations, and how many: sentences without a full stop. */
  reused: Array<string>,
  /** What the result came from: names and values. */
  ancestry: Array<[string, string]>,
  /** The job that is at work on it. */
  job: number | null, };

/** What is to be exported. */
export type Export = {
  /** The project's folder. */
  project: string, run: string | null, evaluation: string | null,
  /** Which things. */
  what: Array<ExportWhat>,
  /** The pairs of this set alone; all that are trained on where absent. */
  set?: number | null,
  /** In which forms pairs are written; JSONL and Parquet where none is named. */
  pairs_as: Array<PairForm>,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

/** A run whose weights are to be exported as a GGUF file. */
export type ExportGguf = {
  /** The project's folder. */
  project: string, run: string,
  /** What the merged weights are stored as; the file holds the adapter alone where absent. */
  dtype: GgufType | null,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

/** A run whose merged weights are to be exported. */
export type ExportMerged = {
  /** The project's folder. */
  project: string, run: string,
  /** What they are stored as. */
  dtype: FloatType,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

/** Something that was exported before. */
export type ExportSummary = {
  /** By which it is named: its folder's name. */
export: string, name: string,
  /** What was written of it. */
  notes: Notes,
  /** What is in it, in words. */
  parts: Array<string>,
  /** Whether it is a report alone, whose page is downloaded as one file. */
  is_page: boolean,
  /** The run that it was made from, where that is still there. */
  run: string | null, run_name: string | null, made_at: number, bytes: number, folder: string, };

/** What can be exported. */
export type ExportWhat = "adapter" | "pairs" | "report" | "labels";

/** One thing exported. */
export type Exported = { what: string, path: string, load: string,
  /** What was found when it was read again, in words, where that is done. */
  check: string | null,
  /** Whether what was found is a warning. */
  check_warns: boolean,
  /** Says so where the base is another than the run was trained on. */
  other_base: string | null,
  /** What else there is to know of it, as sentences. */
  notes: Array<string>,
  /** The export that it lies in: its folder's name. */
export: string, };

/** A divergence under its TRL name, `f_divergence_type`. */
export type FDivergenceType = "reverse_kl" | "forward_kl" | "js_divergence" | "alpha_divergence";

/** A model to be brought here. */
export type FetchModel = {
  /** A name of the catalogue or the hub. */
  model: string, };

/** A figure of a run. */
export type FigureName = "loss" | "rewards" | "margins" | "accuracy" | "grad_norm" | "learning_rate" | "lengths" | "held_out_loss" | "held_out_accuracy" | "held_out_margins";

/** One line of a drawing, for the read-out under the cursor. */
export type FigureSeries = { name: string,
  /** At most 2,000 points. */
  points: Array<[number, number]>, };

/** A drawing. */
export type FigureView = {
  /** What it shows. */
  name: string,
  /** The drawing. */
  svg: string,
  /** The same in words, for those who cannot see it. */
  description: string,
  /** Where values lie in the drawing. */
  axes: Axes, };

/** Figures of one or more runs. */
export type Figures = {
  /** The project's folder. */
  project: string, runs: Array<string>, figures: Array<FigureName>,
  /** How to draw. */
  theme: Theme,
  /** How wide, in pixels. */
  width: number,
  /** How high, in pixels. */
  height: number, };

/** Prompts of evaluations that hold some words. */
export type FindPrompts = {
  /** The project's folder. */
  project: string, text: string,
  /** At most so many. */
  limit: number, };

/** Something the doctor sees in a run. */
export type Finding = {
  /** A stable short name. */
  code: string,
  /** How much it matters. */
  severity: "notice" | "warning" | "stop",
  /** In a few words. */
  title: string,
  /** What is seen and what it means. */
  sentence: string,
  /** The figure that shows it. */
  figure: string | null,
  /** What to do about it. */
  remedy: Remedy | null, };

/** A finding of the pairs of a project. */
export type FindingOf = {
  /** The project's folder. */
  project: string,
  /** The check that found it. */
  check: number, code: "no_pairs" | "same_answers" | "contradiction" | "prompt_leak" | "near_prompt_leak" | "empty_chosen" | "empty_rejected" | "placeholder" | "unknown_role" | "prefilled_prompt" | "duplicate" | "repeats_prompt" | "not_assistant" | "mixed_forms" | "template_leftovers" | "doubled_token" | "special_tokens" | "refusal_preferred" | "personal_data" | "other_language" | "cut_one_side" | "broken_boundary" | "nearly_same_answers" | "contained" | "one_word" | "same_prompt" | "near_prompt" | "language_mix" | "refusals" | "plain_text" | "length_bias", };

/** A finding whose pairs are listed or left out. */
export type FindingView = {
  /** What, how many, and what it means for training, in words. */
  message: string,
  /** What to do about it. */
  remedy: string,
  /** How many pairs. */
  count: number,
  /** How many of them were left out and can be put back. */
  left_out: number, };

/** A type that weights are stored as. */
export type FloatType = "f32" | "bf16" | "f16";

/** A pair that a check has found: the beginning of each text. */
export type FoundPair = {
  /** Its number in the project, where it is there already. */
  id: number | null,
  /** Where it stands in the file, where it would be brought in. */
  place: Place | null,
  /** What was found in it, where there is more to say, in words. */
  note: string | null,
  /** What was asked. */
  prompt: string,
  /** The better answer. */
  chosen: string,
  /** The other. */
  rejected: string, };

/** A prompt of an evaluation. */
export type FoundPrompt = { evaluation: string,
  /** What the evaluation is called. */
  name: string,
  /** The item: its place among the prompts. */
  id: number,
  /** Its beginning. */
  prompt: string, };

/** What was removed for good. */
export type Freed = { entries: number, bytes: number, };

/** Answers to be made for prompts that have none. */
export type Generate = {
  /** The project's folder. */
  project: string,
  /** For at most so many prompts. */
  limit: number,
  /** Above 0, so that the two answers differ. */
  temperature: number,
  /** Tokens after which an answer is cut. */
  max_new_tokens: number, };

/** What the tensors of a GGUF file are stored as. */
export type GgufType = "as_base" | "f16" | "q8_0" | "q4_k";

/** Where an answer is gone on from. */
export type GoOn = {
  /** The job that made the answer. */
  job: number,
  /** Its place there, from 0. */
  chat: number,
  /** The place of the token, from 0: those before it stay. */
  token: number,
  /** The number of the token that stands there now. */
  instead: number, };

/** Wins, ties and losses of a group of items. */
export type GroupView = {
  /** The group. */
  name: string,
  /** The answer of the side `tuned` was better. */
  wins: number,
  /** Neither was. */
  ties: number,
  /** That of the side `base` was. */
  losses: number,
  /** Nobody said. */
  no_verdict: number,
  /** The share of the first side, `tuned`, ties as half. */
  win_rate: number | null,
  /** Its 95 % interval. */
  interval: [number, number] | null,
  /** Probability of a result as far from even, were both alike. */
  p: number | null, words: string, };

/** A version of the guideline. */
export type Guideline = {
  /** Its number, from 1. */
  version: number,
  /** When it was saved, in milliseconds since 1970 (UTC). */
  at: number,
  /** Who saved it. */
  who: string,
  /** The text, in Markdown. `[[pair 12]]` and `[[item 5]]` in it are examples of the project. */
  text: string,
  /** Judgements and decisions that were given while it stood, and were not taken back. */
  judgements: number, };

/** A number of the held-out pairs. */
export type HeldOutMetric = "eval_rewards/accuracies" | "eval_rewards/margins" | "eval_rewards/chosen" | "eval_rewards/rejected" | "eval_logps/chosen" | "eval_logps/rejected" | "eval_loss";

/** What the first screen shows. */
export type Home = {
  /** Projects that were open before, the last one first. */
  recent: Array<RecentProject>,
  /** Where new projects go. */
  projects_folder: string,
  /** The program's version. */
  version: string,
  /** What computes here, in words. */
  device: string,
  /** Why that is the CPU, where another device was looked for: a clause. */
  device_reason: string | null,
  /** Whether any folder of this machine may be opened, or only those in the projects folder. */
  may_choose_folders: boolean,
  /** Models that can be had by name. */
  models: Array<CatalogueModel>, };

/** A model of the Hugging Face hub, before it is fetched. */
export type HubModel = {
  /** The name by which it is the same for ever: with its commit. */
  name: string,
  /** Owner and name. */
  title: string,
  /** The commit that its revision stands for now. */
  commit: string,
  /** The GGUF file of it. */
  file: string | null,
  /** Its licence as its authors name it. */
  licence: string | null,
  /** Number of weights, where the hub has counted them. */
  parameters: number | null,
  /** The family, where it is one that can be trained. */
  family: string | null,
  /** Why it cannot be trained. */
  refused: string | null,
  /** Why it is not known whether it can. */
  unknown: string | null,
  /** Whether its authors give it only to some, or only after terms are accepted. */
  gated: boolean,
  /** Whether only some may see it. */
  private: boolean,
  /** Size of its weights, which they take at least in memory. */
  weights: number,
  /** Size of all that it needs. */
  bytes: number,
  /** Bytes that are not on this machine yet. */
  to_fetch: number,
  /** Bytes that are free where they would go. */
  free: number,
  /** Whether it is on this machine whole. */
  here: boolean, };

/** Whether something can be pushed, and as whom. */
export type HubToken = {
  /** The hub's address. */
  hub: string,
  /** Whether there is an access token for it. */
  has_token: boolean,
  /** Whether nothing is to be sent at all. */
  offline: boolean,
  /** The account that it belongs to, where it was just asked for. */
  account: string | null,
  /** What it may do, where the hub says so. */
  role: string | null,
  /** Why the one in the system's keyring could not be had. */
  trouble: string | null, };

/** A file to be brought in. */
export type Import = {
  /** The project's folder. */
  project: string,
  /** The file. */
  upload: string,
  /** Which column is what. */
  mapping: ColumnMapping, };

/** One decision. */
export type ImportChange = { "name": string | null } | { "held_out": boolean } | { "taken_back": boolean };

/** What a decision on an import did. */
export type ImportChanged = {
  /** What went, came back or is held out, as sentences without a full stop. */
  says: Array<string>, };

/** What an import brings. */
export type ImportKind = "pairs" | "candidates" | "prompts" | "demonstrations";

/** What an import would do. */
export type ImportPreview = {
  /** By which it was sent. */
  upload: string,
  /** The file, or the files that are read as one. */
  files: Array<SentFile>,
  /** Its format, in words. */
  format: string, rows: number, columns: Array<Column>,
  /** Which column is what. */
  mapping: ColumnMapping,
  /** Whether that was guessed here. */
  guessed: boolean,
  /**
   * What the file leaves open, each with the ways to read it. Nothing is good while one of them is neither preset nor
   * answered.
   */
  questions: Array<Question>,
  /** What the import leaves out or changes, as sentences. */
  notices: Array<string>,
  /** Columns that are not taken over, with how many rows fill them. */
  unused: Array<CountedRows>,
  /** What would be new: what `mapping` says, but for the next two. */
  good: number,
  /** Of it, items to label: neither answer is better. */
  to_label: number,
  /** Of it, labelled answers that make no pair and are kept as single labels. */
  single_labels: number,
  /** Rows that the project, or an earlier row, has already. */
  duplicates: number,
  /** Of them, those that bring ratings or labels which the project does not have. */
  completing: number,
  /** Rows that would be refused; the first of them. */
  refused: Array<RefusedRow>,
  /** How many would be refused. */
  refused_total: number,
  /** The first good rows. */
  first: Array<PreviewRow>,
  /** The model whose tokenizer has rendered them. */
  tokenizer: string | null,
  /** Whether it has a chat template. */
  has_template: boolean, };

/** What an import did. */
export type ImportReply = {
  /** What the rows were. */
  kind: ImportKind,
  /** Rows in the file. */
  rows: number,
  /** What was new: `kind`, but for the next two. */
  added: number,
  /** Of it, items to label. */
  to_label: number,
  /** Of it, what is kept as single labels. */
  single_labels: number,
  /** Those that were there already. */
  duplicates: number,
  /** Of them, those that brought ratings or labels. */
  completing: number,
  /** Those that were refused; the first of them. */
  refused: Array<RefusedRow>,
  /** How many were refused. */
  refused_total: number,
  /** What was left out or changed, as sentences. */
  notices: Array<string>,
  /** Columns that were not taken over, with how many rows fill them. */
  unused: Array<CountedRows>, };

/** One import. */
export type ImportView = {
  /** Its number in the project. */
  id: number,
  /** The file's name. */
  source: string, imported_at: number,
  /** What its rows were. */
  kind: ImportKind,
  /** What was new: `kind`, but for the next two. */
  added: number,
  /** Of what came in with pairs, items to label: neither answer was better. */
  to_label: number,
  /** Of what came in with pairs, labelled answers that make none. */
  single_labels: number,
  /** Rows that the project had already. */
  duplicates: number,
  /** Of them, those of which an earlier version of the program did not keep what they repeat. */
  unknown_duplicates: number,
  /** Rows that could not be used. */
  refused: number,
  /** What it is called, where not by its file's name. */
  name: string | null,
  /** Whether its pairs are held out in every run. */
  held_out: boolean,
  /** Whether what it alone brought counts as not there. */
  taken_back: boolean, };

/** A project by its folder. */
export type InFolder = { folder: string, };

export type InProject = {
  /** Its folder. */
  project: string, };

/** A run that is to wait in another place. */
export type InQueue = {
  /** The project's folder. */
  project: string, run: string,
  /** The first is 1. */
  place: number, };

/** An interval of shares or means; written as `[low, high]`. */
export type Interval = [number, number];

/** One of an item's two answers. */
export type ItemAnswer = "first" | "second";

/** What a run, an evaluation or an export takes on the disk. */
export type ItemDisk = { kind: ItemKind, item: string, name: string, bytes: number,
  /** Of a run, how many checkpoints it has, and what they take of that. */
  checkpoints: number, checkpoint_bytes: number,
  /** Of them, those that it does not need to be resumed. */
  spare: number, spare_bytes: number, };

/** What a project keeps in a folder of its own. */
export type ItemKind = "run" | "evaluation" | "export" | "scores";

/** A run, an evaluation or an export. */
export type ItemOf = {
  /** The project's folder. */
  project: string, kind: ItemKind,
  /** Its folder's name. */
  item: string, };

/** A job. */
export type Job = {
  /** Its number. */
  job: number,
  /** The project's folder; empty where it is for none. */
  project: string, kind: JobKind,
  /** The same in words. */
  title: string,
  /** Where it stands. */
  state: JobState,
  /** What is being done now, in words. */
  stage: string,
  /** Units of the stage that are done. */
  done: number,
  /** Units of the stage in all; 0 where not known. */
  total: number,
  /** Time for the rest of the stage at this pace. */
  seconds_left: number | null,
  /** Why it failed. */
  error: ApiError | null,
  /** The evaluation that it makes. */
  evaluation: string | null,
  /** The scores that it has made of pairs, by a model without a run. */
  scores: string | null,
  /** What it has exported. */
exported: Exported | null,
  /** What would be pushed, of a job that prepares it. */
  push_list: PushList | null,
  /** What was pushed. */
  pushed: PushReply | null,
  /** What else there is to know of a push, as sentences. */
  notes: Array<string>, };

/** What a job does. */
export type JobKind = "candidates" | "evaluation" | "model" | "measure" | "merge" | "gguf" | "suspects" | "prepare_push" | "push" | "chat";

/** Where a job stands. */
export type JobState = "running" | "done" | "failed" | "cancelled";

/** Files that were sent together. */
export type JoinUploads = {
  /** By which they are named. */
  uploads: Array<string>, };

/** Lets another judge decide on the answers of an evaluation, in a new one. */
export type JudgeAgain = {
  /** The project's folder. */
  project: string, evaluation: string, judge: JudgeChoice, };

/** A judgement in an evaluation. */
export type JudgeBlind = {
  /** The project's folder. */
  project: string, evaluation: string,
  /** Who judges. */
  annotator: string,
  /** The item. */
  id: number,
  /** What is said of it. */
  verdict: Verdict,
  /** How long it was looked at. */
  milliseconds: number,
  /** These answers were shown with their authors before: the verdict is not blind. */
  seen: boolean, };

/** Who judges. */
export type JudgeChoice = { "kind": "human" } | { "kind": "rule", rule: string, } | { "kind": "command",
  /** Program and arguments. */
  command: string, } | { "kind": "endpoint",
  /** The address. */
  url: string,
  /** The model's name there. */
  model: string,
  /** The environment variable that holds the key. */
  key_env: string | null,
  /** Where else the key comes from. */
  key_from: JudgeKeyFrom | null, };

/** Whether a server's key was taken. */
export type JudgeKey = {
  /** The server that it is for. */
  server: string,
  /** Whether it was kept in the keyring. */
  in_keyring: boolean, };

/** Where a key comes from that is in no environment variable. */
export type JudgeKeyFrom = "session" | "keyring";

/** A judgement. */
export type JudgeRequest = {
  /** The project's folder. */
  project: string,
  /** Who judges. */
  annotator: string, item: number,
  /** How it was shown. */
  showing: number,
  /** What is said of it. */
  verdict: Verdict,
  /** How long it was looked at. */
  milliseconds: number,
  /** A remark. */
  note: string | null,
  /** Of which items to give the next. */
  among: Among | null, };

/** Keeps what one sees as a labelled pair. */
export type KeepPair = { project: string, annotator: string,
  /** The conversation that both answered. */
  messages: Array<Message>, chosen: string, rejected: string,
  /** Whether prompt and answers are plain text. */
  is_plain_text: boolean,
  /** Whether the chosen answer stood on the left. */
  chosen_left: boolean,
  /** Since both answers were there. */
  milliseconds: number,
  /** Whose answers they are, in words. */
  note: string, };

/** Keeps what was asked as a prompt to label. */
export type KeepPrompt = { project: string, messages: Array<Message>, };

/** What became of it. */
export type Kept = {
  /** The number of the pair among the project's; none of a prompt, and where others have judged the answers otherwise. */
  pair: number | null,
  /** The number of the judgement, by which it is taken back. */
  judgement: number | null,
  /** Whether the project had it already. */
  was_there: boolean, };

/** A finding by the check that found it. */
export type KeptFinding = { check: number, code: "no_pairs" | "same_answers" | "contradiction" | "prompt_leak" | "near_prompt_leak" | "empty_chosen" | "empty_rejected" | "placeholder" | "unknown_role" | "prefilled_prompt" | "duplicate" | "repeats_prompt" | "not_assistant" | "mixed_forms" | "template_leftovers" | "doubled_token" | "special_tokens" | "refusal_preferred" | "personal_data" | "other_language" | "cut_one_side" | "broken_boundary" | "nearly_same_answers" | "contained" | "one_word" | "same_prompt" | "near_prompt" | "language_mix" | "refusals" | "plain_text" | "length_bias", };

/** An item as one annotator is to see it. */
export type LabelItem = {
  /** Its number. */
  item: number,
  /** The showing to send back with the verdict. */
  showing: number,
  /** What was asked. */
  prompt: Content,
  /** The answer that stands left. */
  left: string,
  /** The answer that stands right. */
  right: string,
  /** A label of the user's own. */
  category: string | null,
  /** Whether the annotator has judged it before. */
  second_pass: boolean,
  /** Whether its texts have changed since the annotator judged it. */
  changed: boolean, };

/** How far an annotator has come, and what is next. */
export type LabelState = { annotator: string,
  /** Items judged, second passes included. */
  done: number,
  /** Items to judge in all, second passes included. */
  total: number,
  /** Items skipped that will come back. */
  skipped: number,
  /** Median over the last 20 judgements. */
  seconds_per_item: number | null,
  /** What is left at that pace. */
  seconds_left: number | null,
  /** Whether there is a judgement to take back. */
  can_undo: boolean,
  /** How often the left answer was found better, of all times one was. */
  left_share: number | null,
  /** What is next, in order. */
  queue: Array<LabelItem>, };

/** An annotator's state. */
export type LabelStateOf = {
  /** The project's folder. */
  project: string,
  /** Who judges. */
  annotator: string,
  /** How many items to give. */
  ahead: number,
  /** Only some of the items. */
  among: Among | null, };

/** An item that was labelled, with all that is said of it. */
export type LabelledItem = {
  /** Its number. */
  item: number,
  /** The revision of the texts; `None`: as they came in. */
  revision: number | null,
  /** The imported pair that it is, where it is one: its first answer was the chosen one. */
  pair: number | null,
  /** Whether an audit asks it, so that what is said of it changes no pair. */
  audited: boolean,
  /** What was asked. */
  prompt: Content,
  /** The first answer. */
  first: string,
  /** The second answer. */
  second: string,
  /** A label of the user's own. */
  category: string | null,
  /** How the verdicts stand to each other. */
  standing: Standing,
  /** What counts of it. */
  outcome: Majority | null,
  /** Whether it can be judged: it is not removed, and the pair that it is was not edited since. */
  is_up: boolean,
  /** Who says what, oldest first. */
  said: Array<Said>,
  /** What counts of an item, in words. */
  what_counts: string, };

/** An item that was labelled. */
export type LabelledItemOf = {
  /** The project's folder. */
  project: string, item: number, };

/** A part of what was labelled. */
export type LabelledOf = {
  /** The project's folder. */
  project: string, query: LabelledQuery, };

/** One page of what was labelled. */
export type LabelledPage = {
  /** How many were found on all pages. */
  total: number,
  /** This page. */
  rows: Array<LabelledRow>,
  /** Who has judged or decided anything. */
  annotators: Array<string>,
  /** Items on which annotators differ and nothing counts. */
  open: number,
  /** What counts of an item, in words. */
  what_counts: string, };

/** What to look for. */
export type LabelledQuery = {
  /** Text that prompt or answers contain, in any case; empty for all. */
  text: string,
  /** Only what this annotator has judged. */
  annotator: string | null,
  /** Only what was judged so, by that annotator where one is named. */
  verdict: Majority | null,
  /** Only items whose verdicts stand so to each other. */
  standing: Standing | null,
  /** Only the pairs of this audit, whose first answer is the one that the file prefers. */
  audit: number | null,
  /** Rows to pass over. */
  offset: number,
  /** Rows to return, at most 1000. */
  limit: number, };

/** An item in the list: the first 200 characters of each text, of conversations the last message. */
export type LabelledRow = {
  /** Its number. */
  item: number,
  /** The imported pair that it is, where it is one: its first answer was the chosen one. */
  pair: number | null,
  /** Whether an audit asks it, so that what is said of it changes no pair. */
  audited: boolean,
  /** What was asked. */
  prompt: string,
  /** The first answer. */
  first: string,
  /** The second answer. */
  second: string,
  /** A label of the user's own. */
  category: string | null,
  /** How the verdicts stand to each other. */
  standing: Standing,
  /** What counts of it. */
  outcome: Majority | null,
  /** When the newest of them was given, in milliseconds since 1970 (UTC). */
  at: number,
  /** Who says what, oldest first. */
  said: Array<Said>, };

/** All evaluations of a project. */
export type Leaderboard = {
  /** Those with the same judge, prompts and sampling stand in one. */
  groups: Array<LeaderboardGroup>,
  /** Evaluations that count. */
  counted: number,
  /** Those that do not. */
  left_out: Array<LeftOutEvaluation>, };

/** What was compared by one judge, on the same prompts with the same sampling. */
export type LeaderboardGroup = { judge: string,
  /** Where the prompts are from; empty where that is not known. */
  prompts_from: string,
  /** Evaluations that it is from. */
  evaluations: number,
  /** Whether every two were compared. */
  every_two: boolean,
  /** Models and answers, the highest win rate first. */
  rows: Array<Ranked>,
  /** What each row came to against each other one, in their order. */
  matrix: Array<Array<Cell | null>>, };

/** The pairs of a finding to be taken out of what is trained on, or put back. */
export type LeaveOut = {
  /** The project's folder. */
  project: string,
  /** The check that found them. */
  check: number, code: "no_pairs" | "same_answers" | "contradiction" | "prompt_leak" | "near_prompt_leak" | "empty_chosen" | "empty_rejected" | "placeholder" | "unknown_role" | "prefilled_prompt" | "duplicate" | "repeats_prompt" | "not_assistant" | "mixed_forms" | "template_leftovers" | "doubled_token" | "special_tokens" | "refusal_preferred" | "personal_data" | "other_language" | "cut_one_side" | "broken_boundary" | "nearly_same_answers" | "contained" | "one_word" | "same_prompt" | "near_prompt" | "language_mix" | "refusals" | "plain_text" | "length_bias", who: string,
  /** Out, or back. */
  out: boolean, };

/** What becomes of rows with columns that change what a model reads and that cannot be kept. */
export type LeftOut = "accept";

/** An evaluation that is in no group. */
export type LeftOutEvaluation = { evaluation: string, title: string,
  /** Why: a sentence without a full stop. */
  why: string, };

/** How much a remark weighs. */
export type Level = "refuse" | "warn";

/** A file that is to be pushed. */
export type ListedFile = { path: string, bytes: number,
  /** `new`, `same` (it is there already) or `replaces` (another one is there); none where the hub was not asked. */
  change: string | null, };

/** A model, or an adapter, that is on this machine beside the catalogue's. */
export type LocalModel = {
  /** By which it is chosen: a path, or a name of the hub with its commit. */
  name: string,
  /** The last part of its path, or owner and name. */
  title: string, place: ModelPlace,
  /** The folder that it lies in. */
  folder: string,
  /** Of a model that can be trained, its family. */
  family: string | null, parameters: number | null,
  /** What its weights take of memory as they are. */
  weights: number | null,
  /** Why it cannot be trained. */
  refused: string | null,
  /** That it is an adapter, and what it says it was trained on: an empty text where it does not say. */
  adapter_of: string | null, };

/** The models that were found on this machine. */
export type LocalModels = { models: Array<LocalModel>,
  /** The folders that were looked through. */
  folders: Array<string>,
  /** Whether there were too many folders to look through all of them. */
  cut_off: boolean, };

/** A model of this machine, whether or not it is the project's. */
export type LocalSide = {
  /** A name of the catalogue or the hub, or a path. */
  model: string,
  /** The folder of an adapter that goes on it. */
  adapter: string | null, };

/** A model of the hub to be told about. */
export type LookUpModel = {
  /** Its name. */
  model: string, };

/** The settings of a `LoRA` adapter. A linear with an adapter computes `W x + s · B A x` with `s = lora_alpha / r`. */
export type LoraConfig = {
  /** The rank: rows of `A` and columns of `B`. */
  r: number,
  /** The adapter's output is scaled by `lora_alpha / r`, or by `lora_alpha / √r` with `use_rslora`. */
  lora_alpha: number,
  /** The probability that an input of `A` is set to zero in training; the others are scaled up to keep the mean. */
  lora_dropout: number,
  /** The linears that get an adapter. */
  target_modules: TargetModules,
  /**
   * Scale by the root of the rank (rsLoRA, arXiv 2312.03732), so that a higher rank does not weaken the
   * adapter.
   */
  use_rslora: boolean,
  /** Train each linear's direction and the length of its rows apart (DoRA, arXiv 2402.09353). */
  use_dora: boolean,
  /** Another rank for linears whose names match. */
  rank_pattern?: { [key in string]: number },
  /** Another `lora_alpha` for linears whose names match. */
  alpha_pattern?: { [key in string]: number }, };

/** A loss type under its TRL name. */
export type LossType = "sigmoid" | "hinge" | "ipo" | "exo_pair" | "nca_pair" | "robust" | "bco_pair" | "sppo_hard" | "aot" | "aot_unpaired" | "apo_zero" | "apo_down" | "discopop" | "sft" | "sigmoid_norm";

/** What the annotators of an item say together. */
export type Majority = "first" | "second" | "tie" | "none";

/** What a verdict says of the item's own first and second answer, wherever these stood. */
export type Meaning = "first_much" | "first" | "second" | "second_much" | "tie_good" | "tie_bad" | "skip";

/** A run of which two steps are to be timed. */
export type MeasureRun = {
  /** The run. */
  request: RunRequest, };

/** An outcome with its 95 % interval. */
export type Measured = { value: number, interval: [number, number] | null,
  /** Of how many pairs or prompts. */
  of: number, };

/** One turn of a conversation, with all that the file says of it: a chat template may read any of it. */
export type Message = {
  /** Who speaks: `system`, `user`, `assistant`, `tool`, or what else the model's template knows. */
  role: string,
  /** What is said; `None` where the file has no `content` at all, which templates tell from an empty one. */
  content?: MessageContent, };

/** What a message says. */
export type MessageContent = string | unknown[] | null;

/** Where a model lies. */
export type ModelPlace = "folder" | "hub_cache";

/** Scores that were kept. */
export type ModelScoresView = {
  /** Their folder's name. */
  scores: string, name: string, notes: Notes,
  /** The model as it was named. */
  model: string, adapter: string | null,
  /** The set that the pairs are of. */
  set: string | null, pairs: number,
  /** When, in milliseconds since 1970 (UTC). */
  at: number, };

/** Something that happened. */
export type News = { "type": "listening" } | { "type": "projects" } | { "type": "run",
  /** The project's folder. */
  project: string, run: string, } | { "type": "job",
  /** The job as it is now. */
  job: Job, } | { "type": "answer",
  /** The job that makes it. */
  job: number,
  /** The prompt's place in the job's list. */
  index: number,
  /** Which of the prompt's answers. */
  side: string,
  /** All of it so far. */
  text: string, } | { "type": "project",
  /** The project's folder. */
  project: string, };

/** Something to do next. */
export type NextStep = {
  /** Where it is done. */
  screen: Screen,
  /** What, in words. */
  sentence: string, };

/** What somebody wrote of a run, an evaluation or an export. */
export type Notes = {
  /** The name that was given later, in the place of the first. */
  name?: string, note: string, tags: Array<string>,
  /** Whether lists leave it out unless they are asked for it. */
  archived: boolean,
  /**
   * What keeps the item from being read or relied on, with what to do: it stands in the list so that it can be deleted. It is
   * found anew each time, and no part of the file.
   */
  damaged?: string, };

/** Of an operation that needs to know nothing. */
export type Nothing = {};

/** What a run is measured by. */
export type OutcomeName = "accuracy" | "loss" | "win_rate";

/** What a measure tells of a sweep. */
export type OutcomeView = { name: OutcomeName,
  /** In words. */
  title: string,
  /** Which settings are told apart by it, if any: a sentence. */
  told: string, };

/** What is done to pairs. */
export type PairAct = { "removed": boolean } | "swapped" | { "confirmed": boolean } | { "category": string | null } | { "into_set": number } | { "out_of_set": number };

/** One thing that happened to a pair. */
export type PairChange = {
  /** When, in milliseconds since 1970 (UTC). */
  at: number,
  /** Who did it: a person, a model, or `import`. */
  who: string,
  /** What was done, as a sentence. */
  what: string,
  /** The texts that were edited, as they were and as they became. */
  texts: Array<EditedText>, };

/** A form in which pairs leave a project. */
export type PairForm = "jsonl" | "parquet" | "argilla" | "label-studio";

/** Asks for the numbers of pairs. */
export type PairIdsOf = {
  /** The project's folder. */
  project: string, query: PairQuery,
  /** Those of this finding alone. */
  finding: KeptFinding | null, };

/** What is shown as the chosen and the rejected reward, and as their margin. */
export type PairMeasure = "reward" | "logps_per_token";

/** What became of a pair since the run. */
export type PairNow = "same" | "swapped" | "changed" | "removed" | "elsewhere";

/** The numbers of a pair, as it was labelled for the run. */
export type PairNumbers = {
  /** Below 0 the model prefers the rejected answer. */
  margin: number,
  /** How likely the chosen answer is the better one, by the model; none where it has no rewards. */
  probability: number | null,
  /** As [`PairMeasure`] says. */
  chosen_reward: number, rejected_reward: number, chosen_logps: number, rejected_logps: number,
  /** Of training's own numbers there is no loss and no count of tokens. */
  loss: number | null, chosen_tokens: number | null, rejected_tokens: number | null,
  /** How far the margin has moved since training first computed the pair, where that was kept. */
  moved: number | null, };

export type PairOf = {
  /** The project's folder. */
  project: string,
  /** Its number. */
  id: number, };

/** By what the pairs of a run are ordered. */
export type PairOrder = "margin" | "decided" | "loss" | "chosen_reward" | "rejected_reward" | "chosen_logps" | "rejected_logps" | "tokens" | "moved" | "line";

/** One page of what was found. */
export type PairPage = {
  /** How many were found on all pages. */
  total: number,
  /** This page. */
  rows: Array<PairRow>,
  /** All categories of the project. */
  categories: Array<string>,
  /** Whether a file rates the answers of any pair of the project. */
  rated: boolean,
  /** The mark of this look at the list: what is done to what it shows is done to nothing else. */
  seen: string, };

/** A point of the figure: the rewards of the rejected and of the chosen answer. */
export type PairPoint = { held_out: boolean, line: number, x: number, y: number, };

/** What to look for among the pairs. */
export type PairQuery = {
  /** Text that prompt or answers contain, in any case; empty for all. */
  text: string,
  /** Only these; without it, all that are trained on. */
  source: PairSource | null,
  /** Only this category. */
  category: string | null,
  /** Only what this import brought, whether or not it was there already. */
  import?: number | null,
  /** Only what this annotator's judgements count for. */
  annotator?: string | null,
  /** Only what came in, or was last edited or judged, from this moment on, in milliseconds since 1970 (UTC). */
  from?: number | null,
  /** The same, before this moment. */
  until?: number | null,
  /** Only with so many characters in prompt and longer answer together. */
  shortest?: number | null,
  /** The same, with no more than so many. */
  longest?: number | null,
  /** Only what annotators have judged: those who agree, or those who do not. */
  disputed?: boolean | null,
  /** Only what came with an import that is held out of every training, or only what did not. */
  held_out?: boolean | null,
  /** Only whose chosen answer the file rates so, or higher. */
  least_score?: number | null,
  /** The same, or lower. */
  most_score?: number | null,
  /** Only whose chosen answer the file rates better by so much, or more. */
  least_margin?: number | null,
  /** The same, or less. */
  most_margin?: number | null,
  /** Only pairs of this set. */
  set?: number | null,
  /** The order. */
  sort?: PairSort,
  /** The order the other way round. */
  descending?: boolean,
  /** Rows to pass over. */
  offset: number,
  /** Rows to return, at most 1000. */
  limit: number, };

/** How a file rates the two answers of a pair, as it says it. */
export type PairRatings = {
  /** Of the chosen answer. */
  chosen: number,
  /** Of the rejected answer. */
  rejected: number,
  /** Which ratings are the better ones, where that is known. */
  order: RatingOrder | null, };

/** A pair in a list: the first 200 characters of each text, of conversations the last message. */
export type PairRow = {
  /** An imported pair's number, or minus the number of a labelled item. */
  id: number,
  /** What was asked. */
  prompt: string,
  /** The better answer. */
  chosen: string,
  /** The worse answer. */
  rejected: string,
  /** A label of the user's own. */
  category: string | null,
  /** Where it has its content from. */
  source: PairSource,
  /** The import that brought it first. */
  import: number | null,
  /** When it came in, or was last edited or judged, in milliseconds since 1970 (UTC). */
  at: number,
  /** Characters of the prompt. */
  prompt_length: number,
  /** Characters of the chosen answer. */
  chosen_length: number,
  /** Characters of the rejected answer. */
  rejected_length: number,
  /** Whether its annotators differ; `None` where nobody has judged it. */
  disputed: boolean | null,
  /** Whether it came with an import that is held out of every training. */
  held_out: boolean,
  /** How the file rates the chosen answer. */
  score: number | null,
  /** By how much the file rates the chosen answer better. */
  margin: number | null, };

/** Whose numbers are shown. */
export type PairScorer = "training" | "run" | { "folds": number } | "model";

/** A set in a list. */
export type PairSetView = {
  /** Its number. */
  set: number, name: string, definition: SetDefinition,
  /** When it was made or last changed. */
  at: number,
  /** Pairs that are trained on, as it is now. */
  count: number,
  /** Pairs of it that were removed, taken back or are to be judged again. */
  not_trained_on: number,
  /** How many pairs there would be without its subset. */
  of: number, };

/** What pairs are sorted by. Pairs that are alike in it stand in the order of their numbers. */
export type PairSort = "number" | "date" | "prompt_length" | "chosen_length" | "rejected_length" | "length_difference" | "score" | "margin" | "category" | "import";

/** Where a pair has its content from. */
export type PairSource = "imported" | "labelled" | "edited" | "to_judge" | "removed" | "taken_back";

/** Which pairs of a run. */
export type PairSubset = "all" | "trained" | "held_out" | "against" | "open" | "never_met";

/** A pair, whole. */
export type PairView = {
  /** Its number. */
  id: number, prompt: Content,
  /** The preferred answer. */
  chosen: Content,
  /** The other. */
  rejected: Content, category: string | null,
  /** Where it comes from. */
  source: PairSource,
  /** How the file rates the two answers. */
  ratings: PairRatings | null,
  /** Whether somebody looked at it as it is now, and found its label right. */
  confirmed: boolean,
  /** What happened to it, the last first. */
  history: Array<PairChange>,
  /** The mark of this look at it. */
  seen: string,
  /** What the model will see; none without a model. */
  rendered: Rendered | null,
  /** Why the model's template or tokenizer refuses it, where it does: a run would stop at it. */
  unrendered: string | null, };

/** Which pairs are made of more than two answers to a prompt. */
export type Pairing = "best_and_worst" | "best_and_others" | "neighbours" | "all";

/** What was done to pairs. */
export type PairsActedOn = {
  /** By which it can be undone. */
  act: number, changed: number,
  /** Those that were so already; of what is undone, those that somebody has changed since. */
  unchanged: number,
  /** Those of which this cannot be done: as they were judged or removed, or are not what they were when they were chosen. */
  unsuited: number,
  /** Rows of a run that the project has no pair for. */
  elsewhere: number,
  /** Further rows of a run that are the same pair. */
  again: number,
  /** What that means for runs that wait or train, as sentences without a full stop. */
  says: Array<string>,
  /** The mark of a look at the pairs as they are after this. */
  seen: string, };

/** What has changed from one set of pairs to another. */
export type PairsChange = { difference: Difference,
  /** The same in words: a sentence without a full stop. */
  words: string, };

/** Pairs that were chosen from a list. */
export type PairsChosen = {
  /** One by one. */
  ids: Array<number>,
  /** Or all that this finds. */
  query: PairQuery | null,
  /** Of them those of this finding. */
  finding: KeptFinding | null,
  /** How many these were when they were chosen: others are not meant. */
  expected: number,
  /** The mark of the list when they were chosen: where one has changed since, or the list has others, nothing is done. */
  seen?: string | null, };

/** What has changed from the pairs of a run, those held out among them. */
export type PairsCompared = {
  /** To the project's pairs as they are now, or those of the run that is being prepared. */
  project: PairsChange,
  /** What has become of the sets that it was made of, as sentences without a full stop. */
  sets: Array<string>,
  /** To each other run's. */
  runs: Array<PairsChange>,
  /** To those that each other run held out, from those that this one did: numbers of different ones cannot be compared. */
  held_out: Array<PairsChange>,
  /**
   * For this run and each other one, which pairs it is measured on: runs with the same number hold out the same pairs and
   * cut them alike. None of a run that holds none out.
   */
  held_out_sets: Array<number | null>, };

/** Pairs to be listed. */
export type PairsOf = {
  /** The project's folder. */
  project: string, query: PairQuery,
  /** Those of this finding alone. */
  finding: KeptFinding | null, };

/** Where a row begins in its file. */
export type Place = {
  /** Its line, from 1; of Parquet, which has no lines, the number of the row. */
  line: number,
  /** Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet. */
  row?: number, };

/** How plain text is given to a model that has a chat template. */
export type PlainText = "as_user_message" | "as_is";

/** A run to be planned. */
export type PlanRun = {
  /** The run. */
  request: RunRequest,
  /** How to draw. */
  theme: Theme, };

/** A run of a sweep that is planned. */
export type PlannedTrial = { name: string, steps: number, seconds: number | null, memory_needed: number, };

/**
 * How numbers say which of two answers is better. "First" is the answer whose column's name comes first: `response_a`
 * before `response_b`, and where the names do not say, the column mapped as `answer_a`.
 */
export type PreferenceScheme = "named" | "counts_from_zero" | "counts_from_one" | "one_is_first" | "negative_is_first" | "positive_is_first" | "one_hot";

/** Something that is to be pushed to the hub, to be shown first. */
export type PreparePush = {
  /** The project's folder. */
  project: string, run: string | null, form: PushForm,
  /** As `owner/name`. */
  repo: string,
  /** What the card names. */
  licence: string | null,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

/** A file to be looked at. */
export type PreviewImport = {
  /** The project's folder. */
  project: string,
  /** The file. */
  upload: string,
  /** Which column is what; guessed where absent. */
  mapping: ColumnMapping | null, };

/** A file of prompts to look at. */
export type PreviewPrompts = {
  /** The project's folder. */
  project: string,
  /** The run whose model is to be asked. */
  run: string,
  /** The file. */
  upload: string, };

/** A row as it would be taken over. */
export type PreviewRow = { prompt: Content,
  /** The chosen or first answer. */
  first: Content | null,
  /** The rejected or second answer. */
  second: Content | null,
  /** What the file says of an answer that makes no pair: good, or bad. */
  label: boolean | null, category: string | null,
  /** What the model will see; none without a model or answers. Of one answer both are the same. */
  rendered: Rendered | null,
  /** Why the model's template or tokenizer refuses it, where it does: a run would stop at it. */
  unrendered: string | null,
  /** Its line, from 1; of Parquet, which has no lines, the number of the row. */
  line: number,
  /** Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet. */
  row?: number, };

/**
 * The type that both sides of a product with a frozen weight are in, on the CPU. Sums are f32, and so is all else: the
 * adapter's products, norms, attention, the loss.
 */
export type Products = "f32" | "bf16" | "auto";

/** What is in a project. */
export type ProjectCounts = {
  /** Pairs to train on. */
  pairs: number,
  /** Prompts to label. */
  items: number,
  /** Of them, those that have no answers yet. */
  items_without_answers: number,
  /** Of them, those that somebody has judged. */
  labelled: number,
  /** Labelled answers that make no pair. */
  single_labels: number,
  /** Answers to be imitated. */
  demonstrations: number,
  /** Training runs. */
  runs: number,
  /** Of them, those that have an adapter. */
  runs_with_adapter: number, evaluations: number, };

/** An open project. */
export type ProjectView = {
  /** Its folder, by which every other operation names it. */
  folder: string, name: string,
  /** What somebody wrote of it. */
  note: string, is_demo: boolean,
  /** Its model: a name of the catalogue or a path. */
  model: string | null, counts: ProjectCounts,
  /** What was brought in, the last first. */
  imports: Array<ImportView>,
  /** Who has judged. */
  annotators: Array<string>,
  /** What to do next, the most useful first. */
  next: Array<NextStep>, };

/** Where the prompt is, when no column holds it. */
export type PromptFrom = "shared_beginning";

/** Where prompts come from. */
export type PromptSource = "held_out" | { "upload": {
  /** The file. */
  upload: string,
  /** How prompts that are plain text are asked. */
  plain_text: PlainText, } };

/** What a file holds to ask. */
export type PromptsPreview = {
  /** The kind of file, and which column is what. */
  how: string,
  /** What of it is left out or read otherwise, as sentences. */
  notices: Array<string>, prompts: number, plain_text: number,
  /** How they are asked unless the user says otherwise. */
  preset: PlainText,
  /** Rows that are no prompt; the first of them. */
  refused: Array<RefusedRow>,
  /** How many there are. */
  refused_total: number,
  /** The first prompts. */
  first: Array<Content>,
  /** Whether the run's model has a chat template; unknown where its tokenizer is not here. */
  has_template: boolean | null, };

/** What is pushed, and in which form. */
export type PushForm = "adapter" | "merged_f32" | "merged_bf16" | "merged_f16" | "gguf_as_base" | "gguf_f16" | "gguf_q8_0" | "gguf_q4_k" | "lora_gguf" | "pairs";

/** What would be pushed, as it is shown before. */
export type PushList = {
  /** Its name, of a data set with `datasets/` before it. */
  repo: string,
  /** Its page. */
  page: string,
  /** Whether it is there already; none where the hub was not asked. */
  there: boolean | null,
  /** Whether only some may see it, where it is there. */
  private: boolean | null,
  /** What is pushed. */
  files: Array<ListedFile>,
  /** Files of the repository that stay as they are. */
  stays: Array<string>,
  /** The text of the card. */
  card: string, };

/** What was pushed. */
export type PushReply = {
  /** The repository's page. */
  page: string,
  /** The commit that holds it. */
  commit: string,
  /** Whether the repository was made for it. */
  created: boolean,
  /** Whether only some may see it. */
  private: boolean,
  /** Bytes that were sent. */
  sent: number, };

/** Something to be put back from the bin. */
export type PutBack = {
  /** The project's folder. */
  project: string, entry: string, };

/** A project to be put back from the bin. */
export type PutProjectBack = { entry: string, };

/** Something that a file leaves open. [`ColumnMapping::set`] takes the key and the value of an option. */
export type Question = {
  /** What is to be set. */
  key: string,
  /** The question, as a sentence. */
  question: string,
  /** The ways to answer it. */
  options: Array<QuestionOption>,
  /** The value that counts where nobody chooses; without one nothing is imported before somebody does. */
  preset: string | null,
  /** The value that was chosen. */
  answer: string | null, };

/** A way to read a file. */
export type QuestionOption = {
  /** By which it is chosen. */
  value: string, meaning: string,
  /** Rows, read this way. Of each option they are the same rows, chosen so that the options differ in them. */
  rows: Array<ReadRow>, };

/** A run that the queue began and that failed. */
export type QueueFailure = { run: string, name: string,
  /** What became of it, as a sentence without a full stop. */
  what: string, };

/** What waits in a project, and why. */
export type QueueView = {
  /** A run begins while fewer than so many train on this machine. */
  at_most: number,
  /** Cores of this machine, which runs that train at once share. */
  cores: number,
  /** Threads that each run computes with. */
  threads: number,
  /** Bytes that are free, where that is known. */
  memory_free: number | null,
  /** Runs that train on this machine now, whoever began them. */
  training: Array<TrainingNow>,
  /** Runs that wait, the next one first. */
  waiting: Array<WaitingRun>,
  /** Runs that the queue began and that failed since. */
  failed: Array<QueueFailure>,
  /** Runs that waited in the project that this is a copy of; here they do not begin by themselves. */
  elsewhere: number,
  /** Why nothing can be begun, where that is so. */
  error: ApiError | null, };

/** A run's place among those that wait. */
export type QueuedRun = {
  /** The first is 1. */
  place: number, of: number,
  /** Why it waits, as a sentence without a full stop. */
  why: string, };

/** How numbers of a range are drawn. */
export type RangeScale = "linear" | "log";

/** One that was compared with others. */
export type Ranked = { name: string,
  /** With which. */
  against: Array<string>, wins: number, ties: number, losses: number,
  /** Verdicts that were asked for and not given. */
  no_verdict: number,
  /** Different prompts with a verdict. */
  prompts: number,
  /** Mean over prompts of the share that it wins, ties as half. */
  win_rate: number | null,
  /** Its 95 % interval, by the number of prompts. */
  interval: [number, number] | null, };

/** Which ratings are the better ones. */
export type RatingOrder = "higher_is_better" | "lower_is_better";

/** A row, read one way. */
export type ReadRow = {
  /** What the column in question says there. */
  says: string | null, prompt: Content | null,
  /** The chosen answer, or the first of two between which nothing is said. */
  first: Content | null,
  /** The rejected or second answer. */
  second: Content | null,
  /** Whether the first is said to be better. */
  is_pair: boolean,
  /** Why the row would be refused. */
  refused: string | null,
  /** Its line, from 1; of Parquet, which has no lines, the number of the row. */
  line: number,
  /** Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet. */
  row?: number, };

/** A project that was open before. */
export type RecentProject = { folder: string, name: string,
  /** When it was opened last. */
  opened_at: number,
  /** Whether the folder still is a project. */
  exists: boolean,
  /** Whether the list leaves it out unless it is asked for it. */
  archived: boolean, };

/** A row that was not taken, and why. */
export type RefusedRow = {
  /** What was expected and what was found, in plain words. */
  reason: string,
  /** Its line, from 1; of Parquet, which has no lines, the number of the row. */
  line: number,
  /** Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet. */
  row?: number, };

/** What is to be said of one setting. */
export type Remark = {
  /** The setting, as a settings file spells it: `beta`, `lora.r`. */
  key: string,
  /** Whether it can be used. */
  level: Level,
  /** What is wrong and what to do, in whole sentences. */
  sentence: string, };

/** Changes of settings that would help: a duplicate of the run is opened with them. */
export type Remedy = {
  /** In a few words. */
  label: string,
  /** The settings to change. */
  settings: Partial<Settings>, };

/** A pair to be taken out or put back. */
export type RemovePair = {
  /** The project's folder. */
  project: string,
  /** Its number. */
  id: number, who: string,
  /** Out, or back. */
  removed: boolean, };

/** A set to be removed or brought back. */
export type RemoveSet = {
  /** The project's folder. */
  project: string, who: string, set: number, removed: boolean, };

/** Files that were sent, to be removed. */
export type RemoveUploads = { uploads: Array<string>, };

/** A pair as the model sees it: through its chat template and tokenizer. */
export type Rendered = {
  /** The prompt, no token of which is trained on. */
  prompt: string,
  /** The first answer, up to the token that ends it. */
  first: string, second: string,
  /** Whether it went through the chat template; plain text does not. */
  through_template: boolean, prompt_tokens: number,
  /** Tokens of the first answer. */
  first_tokens: number,
  /** Tokens of the second answer. */
  second_tokens: number,
  /** The end of the prompt that is lost because the template writes it differently before an answer. */
  boundary_broken: string | null, };

/** What becomes of a prompt that stands once more at the beginning of the answers. */
export type RepeatedPrompt = "take_off" | "keep";

export type ResumeEvaluation = {
  /** The project's folder. */
  project: string, evaluation: string,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

export type ResumeRun = {
  /** The project's folder. */
  project: string, run: string,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean,
  /** At once, whatever trains already. */
  now: boolean, };

/** Sets of pairs that a run is made of. */
export type RunData = {
  /** Those that are trained on; all pairs where there is none. */
  train: Array<SetInRun>,
  /** One that is held out, beside files that are marked so. */
  held_out: number | null, };

/** A run as a file for other programs. */
export type RunFile = "settings" | "curves" | "tensorboard";

/** Asks for one. */
export type RunFileOf = { project: string, run: string, file: RunFile, };

/** The numbers of the last step. */
export type RunNow = { loss: number | null, margin: number | null,
  /** rewards/accuracies. */
  accuracy: number | null,
  /** Its 95 % interval. */
  accuracy_interval: [number, number] | null,
  /** Pairs of the steps that these numbers are of. */
  pairs: number,
  /** rewards/chosen. */
  chosen: number | null,
  /** rewards/rejected. */
  rejected: number | null,
  /** Norm of the gradient before it was scaled down. */
  grad_norm: number | null, learning_rate: number | null,
  /** Tokens trained on in a second. */
  tokens_per_second: number | null,
  /** The most memory that the process has had. */
  peak_memory_bytes: number | null, };

export type RunOf = {
  /** The project's folder. */
  project: string, run: string, };

/** Asks for one pair of a run. */
export type RunPairOf = { project: string, run: string, by: PairScorer, held_out: boolean, line: number, theme: Theme, width: number, height: number, };

/** A pair of a run with its numbers. Log-probabilities are in nats, summed over the tokens of an answer. */
export type RunPairRow = {
  /** Whether the run held it out. */
  held_out: boolean,
  /** Its line in the run's own file, from 1. */
  line: number,
  /** The pair of the project that it is, where there is one. */
  id: number | null,
  /** What became of it since the run. */
  now: PairNow,
  /** Whether somebody looked at it as it is now, and found its label right. */
  confirmed: boolean,
  /** Whether training has not met it, though it was to be trained on. */
  never_met: boolean,
  /** The beginnings of its texts as they are now. */
  prompt: string, chosen: string, rejected: string,
  /** None where nothing has computed it. */
  numbers: PairNumbers | null, };

/** A pair of a run, whole. */
export type RunPairView = { id: number | null, now: PairNow,
  /** Its texts as the run had them. */
  prompt: Content, chosen: Content, rejected: Content, numbers: PairNumbers | null, measure: PairMeasure,
  /** How often training computed it. */
  computed: number,
  /** Its rewards over training, where it was computed more than once. */
  course: FigureView | null, };

/** The rewards of the pairs: a drawing, and which pair each point is. */
export type RunPairsFigure = { figure: FigureView, points: Array<PairPoint>,
  /** Pairs of the query that have numbers, of which at most some thousand are drawn. */
  total: number, };

/** Asks for the rewards of the pairs in one figure. */
export type RunPairsFigureOf = { query: RunPairsQuery, theme: Theme, width: number, height: number, };

/** Asks for a part of them. */
export type RunPairsOf = { query: RunPairsQuery,
  /** Rows to pass over. */
  offset: number,
  /** Rows to return, at most 200. */
  limit: number, };

/** The pairs of a run that are looked at, and their order. */
export type RunPairsQuery = { project: string,
  /** The run, or the scores of a model without one. */
  run: string, by: PairScorer, order: PairOrder, descending: boolean, only: PairSubset,
  /** Only those with this in one of their texts. */
  text: string, };

/** A part of them. */
export type RunPairsView = {
  /** Whether there are numbers of that kind: by a model, of the pairs, the adapter and the model as they are now. */
  known: boolean,
  /** Pairs that have numbers, or that training has never met. */
  all: number,
  /** Pairs of the query. */
  total: number,
  /** What the model thinks of all of them, as a sentence. */
  words: string | null,
  /** What the scores are called, where they are not of a run. */
  name: string | null, measure: PairMeasure, rows: Array<RunPairRow>,
  /** The mark of this look at the list. */
  seen: string, };

/** What a run would do and take. */
export type RunPlan = {
  /** Pairs to train on. */
  pairs: number,
  /** Pairs held out. */
  held_out: number,
  /** What it is made of, and what is left out for other reasons than the limits, as sentences without a full stop. */
  data_says: Array<string>,
  /** Pairs left out as too long. */
  dropped: number,
  /** Pairs left out because their answers are the same tokens once they are rendered and cut. */
  identical: number,
  /**
   * Of pairs that are plain text, where the model has a chat template that they do not pass through: a sentence without a
   * full stop.
   */
  plain_text_note: string | null,
  /** Pairs that pass through the model's chat template. */
  conversations: number,
  /** Pairs whose prompt is cut. */
  cut_prompts: number,
  /** Pairs of which an answer is cut. */
  cut_answers: number,
  /** What the limits do and to which pairs, as sentences without a full stop. */
  limits_say: Array<string>,
  /** The numbers of the pairs that are cut or left out; the first of them. */
  cut_pairs: Array<number>,
  /** Optimiser steps. */
  steps: number,
  /** Optimiser steps of a pass over the pairs. */
  steps_per_epoch: number,
  /** `eval_steps` with which so long a run looks at its held-out pairs about ten times. */
  usual_eval_steps: number,
  /** Pairs that the run will meet: a short one meets few of many, and only these are scored by the reference. */
  met: number,
  /** Tokens of a step, about. */
  tokens_per_step: number,
  /** Lengths of the pairs against the limits. */
  histogram: FigureView,
  /** Bytes that training takes at its peak. */
  memory_needed: number,
  /** Bytes that are free. */
  memory_free: number | null, fits: boolean,
  /** What to change where it does not, or where there is something better. */
  advice: string | null,
  /** What there is to know of the model's files. */
  notes: Array<string>,
  /** What is to be said of the reference where it is not the one that TRL takes. */
  reference_note: string | null,
  /** Why it cannot be started. */
  problems: Array<ApiError>,
  /** How long it takes, from measured steps. */
  seconds_estimate: number | null, };

/** A run to be planned or started. */
export type RunRequest = {
  /** The project's folder. */
  project: string,
  /** The run's name. */
  name: string,
  /** A name of the catalogue or a path. */
  model: string,
  /** Share of the pairs that is kept for evaluation, 0 to 1. */
  held_out_share: number,
  /** The run that it was made from, with changes. */
  from: string | null,
  /** Sets that it is made of; all pairs of the project where absent. */
  data?: RunData | null,
  /** All else. */
  settings: Settings, };

/** Where a run stands. */
export type RunState = "prepared" | "queued" | "running" | "interrupted" | "finished" | "paused" | "stopped" | "failed";

/** A run in a list. */
export type RunSummary = {
  /** By which it is named: its folder's name. */
  run: string,
  /** The name it was given. */
  name: string,
  /** Where it stands. */
  state: RunState,
  /** Its place among those that wait, where it does. */
  queued: QueuedRun | null,
  /** Whether it has an adapter that can be evaluated and exported; while it is running, it has none to rely on. */
  has_adapter: boolean,
  /** Steps done. */
  step: number, total_steps: number,
  /** When it began. */
  started_at: number,
  /** Time left at this pace. */
  seconds_left: number | null,
  /** Loss of the last steps. */
  loss: number | null,
  /** `rewards/accuracies`: share of the last steps' pairs on which training moved the chosen answer up. */
  accuracy: number | null,
  /** Its 95 % interval: a step is of a few pairs. */
  accuracy_interval: [number, number] | null,
  /** The same on held-out pairs: held-out accuracy by reward. */
  held_out_accuracy: number | null,
  /** Its 95 % interval. */
  held_out_accuracy_interval: [number, number] | null, model: string,
  /** What was written of it. */
  notes: Notes, };

/** A run, whole. */
export type RunView = {
  /** As in the list. */
  summary: RunSummary, folder: string, settings: Settings,
  /** That a rule of its sweep stopped it, and by what numbers: a sentence. */
  stopped_by_rule: string | null,
  /** The sweep that it belongs to. */
  sweep: SweepOfRun | null,
  /** The run that it was made from, with changes, where that is still there. */
  from: string | null,
  /** What that is called, also where it is not there any more. */
  from_name: string | null,
  /** What it is computed on: names, and digests of what they name. */
  computed_on: Array<[string, string]>,
  /** Which step its adapter is of, and why it ended early, where that is not simply the last one. */
  selection: string | null,
  /** Share of the pairs that was held out. */
  held_out_share: number,
  /** What it is made of beside that, as sentences without a full stop. */
  data_says: Array<string>,
  /** The sets that were asked for, where any were. */
  data: RunData | null,
  /** The last step's numbers. */
  now: RunNow,
  /** Why it failed. */
  error: ApiError | null,
  /** What it warned of. */
  warnings: Array<string>,
  /** What the doctor sees. */
  findings: Array<Finding>,
  /** Answers as training goes. */
  samples: Array<SampleSet>,
  /** What is being done now, in words. */
  stage: string,
  /** Units of the stage that are done. */
  stage_done: number,
  /** Units of the stage in all. */
  stage_total: number, };

/** What somebody says of an item: the newest word that was not taken back. */
export type Said = {
  /** What it is. */
  kind: SaidAs,
  /** Its number, among judgements or among decisions. */
  number: number,
  /** Who says it. */
  annotator: string,
  /** What it says. */
  meaning: Meaning,
  /** When, in milliseconds since 1970 (UTC). */
  at: number,
  /** How long it took. */
  milliseconds: number,
  /** What there was to say about it. */
  note: string | null,
  /** What stands in the file, where that says it. */
  raw: string | null,
  /** Whether it was said of the texts that the item has now, so that it counts. */
  counts: boolean,
  /** Whether the names of both models were in view. */
  names_seen: boolean,
  /** Whether what others said was in view. */
  votes_seen: boolean,
  /** The version of the project's guideline that stood then. */
  guideline: number | null, };

/** What a statement about an item is. */
export type SaidAs = "vote" | "second_pass" | "decision" | "file";

/** Answers to the fixed prompts at one step. */
export type SampleSet = {
  /** After this step. */
  step: number,
  /** One for each prompt. */
  answers: Array<{
  /** What was asked. */
  prompt: string,
  /** The answer. */
  text: string, }>, };

/** A new version of the guideline. */
export type SaveGuideline = {
  /** The project's folder. */
  project: string,
  /** Who writes it. */
  who: string, text: string,
  /** The version that was edited. */
  before: number | null, };

/** A set to be made or changed. */
export type SaveSet = {
  /** The project's folder. */
  project: string, who: string,
  /** Its number; a new one where absent. */
  set: number | null, name: string, definition: SetDefinition,
  /** When it was last changed as far as the form knows: where it was changed since, nothing is saved. */
  at?: number | null, };

/** A set that was saved. */
export type SavedSet = { set: number, };

/** `lr_scheduler_type`. */
export type SchedulerType = "constant" | "linear" | "cosine";

/** Asks for the project's pairs to be scored by a model without a run. */
export type ScoreByModel = { project: string, side: LocalSide,
  /** The pairs of this set; all that are trained on where absent. */
  set: number | null,
  /** What rewards are scaled by; a model without an adapter has none. */
  beta: number, allow_changed_base: boolean, };

/** Asks for the pairs of a run to be scored. */
export type ScorePairs = { project: string, run: string,
  /** Each by a model that was trained without it, in so many parts; by the run's own where absent. */
  folds: number | null, allow_changed_base: boolean, };

/** A screen of the window. */
export type Screen = "project" | "data" | "label" | "train" | "evaluate" | "export" | "playground";

/** Which combinations are tried. */
export type Search = { "kind": "grid" } | { "kind": "random", trials: number, seed: number, };

/** Items to be judged again. */
export type SecondPass = {
  /** The project's folder. */
  project: string,
  /** Who judges. */
  annotator: string,
  /** Share of the judged items, 0 to 1. */
  share: number, };

/** What was shown is to be sent. */
export type SendPush = {
  /** The project's folder. */
  project: string,
  /** The job that showed it. */
  prepared: number,
  /** Whether everybody may read it. */
  public: boolean,
  /** Whether files that are there may be replaced. */
  replace: boolean, };

/** A file of an upload. */
export type SentFile = {
  /** The name it had. */
  name: string,
  /** Its size. */
  bytes: number, };

/** A file that was sent, or several that are read as one. */
export type SentUpload = { upload: string, name: string, bytes: number,
  /** Whether it was imported, or its prompts were taken into an evaluation. */
  brought_in: boolean,
  /** When it is removed unless it is used again. */
  goes_at: number, };

/** The files that were sent. */
export type SentUploads = {
  /** How long they are kept, in words. */
  rule: string,
  /** The largest first. */
  uploads: Array<SentUpload>, };

/** What belongs to a set. */
export type SetDefinition = {
  /** All pairs that this finds; where absent, those that were put into the set one by one. */
  filter: PairQuery | null,
  /** Only so many of them. */
  subset: Subset | null, };

/** A set that is trained on. */
export type SetInRun = {
  /** Its number. */
  set: number,
  /** How often its pairs are met in an epoch: 2 is twice, 0.5 every second pair. */
  times: number, };

/** The model of a project. */
export type SetModel = {
  /** The project's folder. */
  project: string,
  /** A name of the catalogue or the hub, or a path. */
  model: string, };

/** How a run learns: all its settings but its paths and its device. */
export type Settings = {
  /** PEFT adapter to start from; where absent, `ref_adapter`, or a new one. */
  init_adapter: string | null,
  /**
   * PEFT adapter that makes the reference, frozen: such as one of supervised fine-tuning, which training goes on from.
   * Where absent the reference is the base model.
   */
  ref_adapter: string | null,
  /** What the frozen weights are kept as: `auto` (as the file has them), `f32`, `bf16`, `f16`, `q8` or `q4`. */
  dtype: BaseDtype,
  /**
   * What products with the frozen weights are computed in on the CPU: `f32`, `bf16`, or `auto`, which is bf16 where the
   * processor multiplies in it. A run that began with `auto` stays with what it then was.
   */
  products: Products,
  /** Seed of the adapter's start, the order of the pairs and dropout. */
  seed: number,
  /** Losses to minimise together; one name or a list. */
  loss_type: Array<LossType>,
  /** Weight of each loss; all 1 where absent. */
  loss_weights: Array<number> | null,
  /** Strength of the pull towards the reference. */
  beta: number,
  /** ε of `robust`, `exo_pair`, `aot` and `aot_unpaired`. */
  label_smoothing: number,
  /** What holds the policy to the reference: f-DPO, arXiv 2309.16240. */
  f_divergence_type: FDivergenceType,
  /** α of `alpha_divergence`. */
  f_alpha_divergence_coef: number,
  /** LD-DPO, arXiv 2409.06411: tokens beyond the length of a pair's shorter answer count this much. */
  ld_alpha: number | null,
  /** WPO, arXiv 2406.11827: pairs count by how likely the policy itself is to answer so. */
  use_weighting: boolean,
  /** TR-DPO, arXiv 2404.09656: the reference follows the policy. */
  sync_ref_model: boolean,
  /** Share of the policy in the reference after each such step: `θ_ref ← (1 − α) θ_ref + α θ`. */
  ref_model_mixup_alpha: number,
  /** Steps from one such step to the next. */
  ref_model_sync_steps: number,
  /** Longest prompt and answer together, in tokens; 0 for no limit. */
  max_length: number,
  /**
   * Longest prompt in tokens; longer ones lose their beginning, or are too long where nothing is to be cut. No limit where
   * absent.
   */
  max_prompt_length: number | null,
  /** What becomes of a pair longer than `max_length`. */
  truncation: Truncation,
  /**
   * Peak learning rate. 5e-5 where TRL's default is 1e-6: TRL's is for training every weight, and an adapter wants
   * some tens of times more.
   */
  learning_rate: number,
  /** Shape of the learning rate over the run. */
  lr_scheduler_type: SchedulerType,
  /** Steps over which the learning rate rises from 0. */
  warmup_steps: number,
  /** The same as a share of the run; counts where `warmup_steps` is 0. */
  warmup_ratio: number,
  /** Decoupled weight decay of the adapter. */
  weight_decay: number,
  /** Gradients are scaled down to this norm; 0 for no limit. */
  max_grad_norm: number,
  /** Pairs per microbatch. */
  per_device_train_batch_size: number,
  /** Microbatches per optimiser step. */
  gradient_accumulation_steps: number,
  /** Optimiser steps of the run; −1 to go by `num_train_epochs`. */
  max_steps: number,
  /** Passes over the pairs, where `max_steps` is −1. */
  num_train_epochs: number,
  /** Draw the pairs in another order each epoch. */
  shuffle: boolean,
  /** A `step` event every so many steps, with means over them. */
  logging_steps: number,
  /** Evaluate on `data.eval` every so many steps, and at the end; 0 for only at the end. */
  eval_steps: number,
  /**
   * Held-out prompts that are answered at the start, with each evaluation and at the end, to be read by a person; 0
   * for none.
   */
  sample_prompts: number,
  /**
   * Write a checkpoint every so many steps, and at the end; 0 for only at the end. 50 where TRL has 500: steps are
   * slow where no large GPU is.
   */
  save_steps: number,
  /** Newest checkpoints to keep, besides the best where that is asked for; 0 for all. TRL keeps all. */
  save_total_limit: number,
  /** The run's adapter is that of its best evaluation, not of its last step. */
  load_best_model_at_end: boolean,
  /** By which number of the held-out pairs it is the best. The accuracy, where transformers takes the loss. */
  metric_for_best_model: HeldOutMetric,
  /** Whether a larger one is better; by default unless it is the loss. */
  greater_is_better: boolean | null,
  /** Stop after so many evaluations without an improvement. */
  early_stopping_patience: number | null,
  /** What must be exceeded to count as one. */
  early_stopping_threshold: number,
  /**
   * Compute each layer again in the backward instead of keeping its inner values: less memory, a third more work, the
   * same numbers.
   */
  gradient_checkpointing: Checkpointing,
  /** The adapter; with `init_adapter` or `ref_adapter` that adapter's own settings count, and none of these. */
  lora: LoraConfig, };

/** An evaluation to be shown. */
export type ShowEvaluation = {
  /** The project's folder. */
  project: string, evaluation: string,
  /** How to draw. */
  theme: Theme, };

/** A side of the screen. */
export type Side = "left" | "right";

/** What both sides of an evaluation are called. Everything of an evaluation that is called `tuned` is of the first. */
export type SideNames = {
  /** At the head of a column. */
  tuned: string,
  /** At the head of a column. */
  base: string,
  /** Standing alone. */
  tuned_title: string,
  /** Standing alone. */
  base_title: string,
  /** Whether an adapter is compared with its own base: the result then says what training did. */
  of_training: boolean, };

/** What stands on one side of an evaluation. */
export type SideRequest = { "kind": "run", run: string,
  /** As it was after this step, of which there is a checkpoint; as it is now where absent. */
  step: number | null, } | { "kind": "base" } | { "kind": "model",
  /** A name of the catalogue or the hub, or a path. */
  model: string, } | { "kind": "answers",
  /** The file. */
  upload: string, } | { "kind": "chosen" };

/** Which single answers. */
export type SingleKind = "labels" | "demonstrations";

/** A single answer. */
export type SingleOf = {
  /** The project's folder. */
  project: string, id: number, };

/** A part of the single answers of one kind, in the order in which they came. */
export type SinglePage = {
  /** How many there are. */
  total: number,
  /** Those asked for. */
  rows: Array<SingleRow>, };

/** A single answer in a list: the beginning of each text, as in a [`PairRow`](super::PairRow). */
export type SingleRow = {
  /** Its number. */
  id: number,
  /** What was asked. */
  prompt: string,
  /** What was answered. */
  answer: string,
  /** Whether the answer is a good one; absent of a demonstration. */
  label: boolean | null,
  /** A label of the user's own. */
  category: string | null, };

/** Single answers of a project: a part of those of one kind. */
export type SinglesOf = {
  /** The project's folder. */
  project: string, kind: SingleKind,
  /** How many come before the first that is wanted. */
  offset: number,
  /** How many are wanted at most. */
  limit: number, };

/** How the verdicts on an item stand to each other, in the order in which they are listed. */
export type Standing = "open" | "outvoted" | "decided" | "agreed" | "single" | "nothing";

/** Pairs to be labelled again. */
export type StartAudit = {
  /** The project's folder. */
  project: string,
  /** Who asks for it. */
  who: string, of: AuditOf, };

/** Asks models for an answer each. */
export type StartChat = { project: string,
  /** One to four. */
  chats: Array<Chat>,
  /** 0 takes the most likely token each time. */
  temperature: number,
  /** Only the most likely tokens whose probabilities add up to this. */
  top_p: number, max_new_tokens: number,
  /** Of the random choice: the same gives the same answer. */
  seed: number, allow_changed_base: boolean, };

/** An evaluation to be made. */
export type StartEvaluation = {
  /** The evaluation. */
  request: EvalRequest,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean, };

export type StartRun = {
  /** The run. */
  request: RunRequest,
  /** Go on although the model is not the one that was computed on before; the record keeps it. */
  allow_changed_base: boolean,
  /** At once, whatever trains already. */
  now: boolean, };

/** By what a run is stopped, on its held-out loss. */
export type StopRule = { "kind": "median",
  /** Not before this step. */
  after: number, } | { "kind": "successive_halving",
  /** What is kept: one of so many. */
  eta: number,
  /** The step of the first rung. */
  first_step: number, };

export type StopRun = {
  /** The project's folder. */
  project: string, run: string,
  /** Whether it is to be resumed later: it then counts as paused. */
  pause: boolean, };

/** A single answer, whole. */
export type StoredSingle = {
  /** Its number. */
  id: number,
  /** What was asked. */
  prompt: Content,
  /** What was answered. */
  answer: Content,
  /** Whether the answer is a good one; absent of a demonstration. */
  label: boolean | null,
  /** A label of the user's own. */
  category: string | null,
  /** What was imported. */
  source: string,
  /** Its line, from 1; of Parquet, which has no lines, the number of the row. */
  line: number,
  /** Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet. */
  row?: number, };

/** A part that is drawn. */
export type Subset = {
  /** How many pairs. */
  count: number,
  /** By which they are drawn: the same pairs each time, and of a set that grows most of them. */
  seed: number, };

/** A sweep's figure: an outcome by a setting. */
export type SweepFigureOf = {
  /** The project's folder. */
  project: string, sweep: string,
  /** The setting. */
  key: string, outcome: OutcomeName, theme: Theme, width: number, height: number, };

/** A sweep of a project. */
export type SweepOf = {
  /** The project's folder. */
  project: string, sweep: string, };

/** The sweep that a run belongs to. */
export type SweepOfRun = { sweep: string, name: string, };

/** What a sweep would do and take. */
export type SweepPlan = { runs: Array<PlannedTrial>,
  /** Pairs to train on, and held out: the same for all. */
  pairs: number, held_out: number,
  /** Seconds of those runs of which steps like theirs were measured, one after another. */
  seconds: number,
  /** Runs of which the time is not known. */
  unmeasured: number,
  /** Bytes that all take on the disk when they have ended, about. */
  disk_bytes: number,
  /** What there is to know, as sentences without a full stop. */
  notes: Array<string>,
  /** Why it cannot be started; each names the run that it is about. */
  problems: Array<ApiError>, };

/** A sweep to be planned or started. */
export type SweepRequest = {
  /** The run that all are like; its name is the sweep's. */
  request: RunRequest,
  /** The settings that vary. */
  vary: Array<Vary>, search: Search,
  /** By what runs are stopped early that do worse than the others. */
  rule: StopRule | null, };

/** A run of a sweep. */
export type SweepRow = { run: string, name: string, state: RunState, step: number, total_steps: number,
  /** The values of the settings that vary, in their order. */
  varied: Array<string>,
  /** One for each measure of the sweep, where the run has it. */
  outcomes: Array<Measured | null>,
  /** That a rule stopped it, and by what numbers: a sentence. */
  stopped: string | null,
  /** The rule that has stopped it early, by its name, unless it was let go on since. */
  rule: string | null,
  /** Whether it has taken all its steps: only such runs are compared. */
  is_whole: boolean, };

/** A sweep in a list. */
export type SweepSummary = {
  /** By which it is named: its file's name. */
  sweep: string, name: string, created_at: number,
  /** The settings that vary. */
  keys: Array<string>, runs: number,
  /** Of them, those that have ended, one way or another. */
  ended: number,
  /** What keeps its record from being read, with what to do. */
  damaged: string | null, };

/** A sweep, whole. */
export type SweepView = {
  /** As in the list. */
  summary: SweepSummary, vary: Array<Vary>, search: Search, rule: StopRule | null, rows: Array<SweepRow>,
  /** What can be measured of its runs, and what that tells. */
  outcomes: Array<OutcomeView>,
  /** Runs of it that are gone. */
  gone: Array<string>, };

/** Takes back a judgement that was kept. */
export type TakeBack = { project: string, judgement: number, };

/** A decision to be taken back. */
export type TakeBackDecision = {
  /** The project's folder. */
  project: string, item: number,
  /** Its number. */
  decision: number, };

/** The linears that get an adapter: `"all-linear"`, another text as a regular expression, or a list of names, as in PEFT. */
export type TargetModules = string | string[];

/** A text with the name that its file would have. */
export type TextFile = { name: string, text: string,
  /** The text is the file's bytes in base64. */
  base64: boolean, };

/** A number of both sides, as it is told everywhere; who they are is told beside it. */
export type TextRow = { name: string,
  /** Of the answers that are compared with. */
  base: string,
  /** Of those that the win rate is of. */
  tuned: string, };

/** Light or dark. */
export type Theme = "light" | "dark";

/** A model and how much of a pair it is trained on. */
export type TokenLimits = {
  /** A name of the catalogue or a path. */
  model: string,
  /** The most tokens of prompt and answer together; 0 for no limit. */
  max_length: number,
  /** The most tokens of the prompt. */
  max_prompt_length: number | null,
  /** What `max_length` keeps. */
  truncation: Truncation, };

/** A token of an answer, and how likely the model found it after what stands before it, whatever the temperature. */
export type TokenProbability = { text: string, probability: number,
  /** The most likely tokens at its place, itself among them where it is one, the most likely first. */
  likely: Array<Alternative>, };

/** A run that trains on this machine. */
export type TrainingNow = {
  /** The run, where it is one of this project. */
  run: string | null,
  /** Its name; of a run elsewhere with what it belongs to. */
  name: string,
  /** Bytes that it takes at its peak, where that was estimated. */
  memory_needed: number | null, };

/** What becomes of a pair that is too long. */
export type Truncation = "keep_start" | "keep_end" | "prompt_left" | "drop" | "refuse";

/** An annotator's last judgement to be taken back. */
export type Undo = {
  /** The project's folder. */
  project: string,
  /** Who judges. */
  annotator: string,
  /** Of which items to give the next. */
  among: Among | null, };

/** Something that was done to pairs and is to be undone. */
export type UndoAct = {
  /** The project's folder. */
  project: string, who: string, act: number, };

/** Something that was done because of an audit, to be undone. */
export type UndoAuditAct = {
  /** The project's folder. */
  project: string, audit: number,
  /** Its number. */
  act: number,
  /** Who asks for it. */
  who: string, };

/** A file that was sent. */
export type Upload = {
  /** By which it is named from now on. */
  upload: string,
  /** The name it had. */
  name: string,
  /** Its size. */
  bytes: number, };

/** An access token for the hub. */
export type UseHubToken = { token: string,
  /** Whether it is also kept in the system's keyring. */
  keep: boolean, };

/** A key of a judge. */
export type UseJudgeKey = {
  /** An address of the server that it is for. */
  url: string, key: string,
  /** Whether it is also kept in the system's keyring. */
  keep: boolean, };

/** A setting with the values that it takes. */
export type Vary = {
  /** As a settings file spells it: `beta`, `lora.r`. */
  key: string, values: VaryValues, };

/** What a setting takes. */
export type VaryValues = { "kind": "list", values: unknown[], } | { "kind": "range", low: number, high: number, scale: RangeScale, };

/** What was pressed, as the annotator saw the two answers. */
export type Verdict = "left_much" | "left" | "right" | "right_much" | "tie_good" | "tie_bad" | "skip";

/** A run that waits. */
export type WaitingRun = { run: string, name: string,
  /** Why it waits, as a sentence without a full stop. */
  why: string,
  /** What was decided of its pairs meanwhile, as sentences without a full stop. */
  says: Array<string>, since: number,
  /** Bytes that it takes at its peak, where that was estimated. */
  memory_needed: number | null, };

/** Whose answer is better. */
export type Winner = "tuned" | "base" | "tie" | "none";

// Operations by name: what each takes and gives.
export interface Operations {
  home: [Nothing, Home];
  create_project: [CreateProject, ProjectView];
  open_project: [InFolder, ProjectView];
  open_demo: [Nothing, ProjectView];
  forget_project: [InFolder, Home];
  set_model: [SetModel, ProjectView];
  local_models: [Nothing, LocalModels];
  look_up_model: [LookUpModel, HubModel];
  fetch_model: [FetchModel, Job];
  join_uploads: [JoinUploads, Array<Upload>];
  preview_import: [PreviewImport, ImportPreview];
  check_import: [CheckImport, DataChecks];
  import: [Import, ImportReply];
  change_import: [ChangeImport, ImportChanged];
  pairs: [PairsOf, PairPage];
  pair_ids: [PairIdsOf, Array<number>];
  act_on_pairs: [ActOnPairs, PairsActedOn];
  undo_act: [UndoAct, PairsActedOn];
  pair_sets: [InProject, Array<PairSetView>];
  save_set: [SaveSet, SavedSet];
  remove_set: [RemoveSet, SavedSet];
  singles: [SinglesOf, SinglePage];
  single: [SingleOf, StoredSingle];
  pair: [PairOf, PairView];
  edit_pair: [EditPair, PairView];
  remove_pair: [RemovePair, PairView];
  confirm_pair: [ConfirmPair, PairView];
  finding: [FindingOf, FindingView];
  leave_out: [LeaveOut, FindingView];
  label_state: [LabelStateOf, LabelState];
  judge: [JudgeRequest, LabelState];
  undo: [Undo, LabelState];
  edit_answer: [EditAnswer, LabelState];
  second_pass: [SecondPass, LabelState];
  agreement: [InProject, Agreement];
  labelled: [LabelledOf, LabelledPage];
  labelled_item: [LabelledItemOf, LabelledItem];
  vote_again: [Consider, LabelledItem];
  decide: [Consider, LabelledItem];
  take_back_decision: [TakeBackDecision, LabelledItem];
  audits: [InProject, Array<Audit>];
  audit: [AuditIn, Audit];
  audit_size: [StartAudit, number];
  start_audit: [StartAudit, Audit];
  act_on_audit: [ActOnAudit, Audit];
  undo_audit_act: [UndoAuditAct, Audit];
  guidelines: [InProject, Array<Guideline>];
  save_guideline: [SaveGuideline, Array<Guideline>];
  generate_candidates: [Generate, Job];
  default_settings: [InProject, RunRequest];
  check_run: [CheckRun, Array<Remark>];
  check_pairs: [CheckPairs, DataChecks];
  plan_run: [PlanRun, RunPlan];
  measure_run: [MeasureRun, Job];
  start_run: [StartRun, RunView];
  stop_run: [StopRun, RunView];
  resume_run: [ResumeRun, RunView];
  queue: [InProject, QueueView];
  move_in_queue: [InQueue, QueueView];
  leave_queue: [RunOf, QueueView];
  set_at_most: [AtMost, QueueView];
  forget_begun: [InProject, QueueView];
  plan_sweep: [SweepRequest, SweepPlan];
  start_sweep: [SweepRequest, SweepSummary];
  sweeps: [InProject, Array<SweepSummary>];
  sweep: [SweepOf, SweepView];
  sweep_figure: [SweepFigureOf, FigureView];
  runs: [InProject, Array<RunSummary>];
  run: [RunOf, RunView];
  run_file: [RunFileOf, TextFile];
  run_figures: [Figures, Array<FigureView>];
  score_by_model: [ScoreByModel, Job];
  model_scores: [InProject, Array<ModelScoresView>];
  score_pairs: [ScorePairs, Job];
  run_pairs: [RunPairsOf, RunPairsView];
  run_pair: [RunPairOf, RunPairView];
  run_pairs_figure: [RunPairsFigureOf, RunPairsFigure];
  run_pair_ids: [RunPairsOf, Array<number | null>];
  act_on_run_pairs: [ActOnRunPairs, PairsActedOn];
  compare_pairs: [ComparePairs, PairsCompared];
  preview_prompts: [PreviewPrompts, PromptsPreview];
  checkpoints: [RunOf, Checkpoints];
  start_evaluation: [StartEvaluation, Job];
  use_judge_key: [UseJudgeKey, JudgeKey];
  judge_again: [JudgeAgain, Job];
  resume_evaluation: [ResumeEvaluation, Job];
  evaluations: [InProject, Array<EvalSummary>];
  leaderboard: [InProject, Leaderboard];
  evaluation: [ShowEvaluation, EvalView];
  eval_items: [EvalItemsOf, EvalItems];
  find_prompts: [FindPrompts, Array<FoundPrompt>];
  blind_item: [BlindOf, BlindItem | null];
  judge_blind: [JudgeBlind, BlindItem | null];
  undo_blind: [BlindOf, BlindItem | null];
  start_chat: [StartChat, Job];
  chat_answers: [ChatOf, ChatAnswers];
  chat_tokens: [ChatTokens, Job];
  keep_pair: [KeepPair, Kept];
  take_back: [TakeBack, Kept];
  keep_prompt: [KeepPrompt, Kept];
  exports: [InProject, Array<ExportSummary>];
  export: [Export, Array<Exported>];
  export_merged: [ExportMerged, Job];
  export_gguf: [ExportGguf, Job];
  hub_token: [Nothing, HubToken];
  use_hub_token: [UseHubToken, HubToken];
  prepare_push: [PreparePush, Job];
  push: [SendPush, Job];
  describe_item: [DescribeItem, Notes];
  archive_item: [ArchiveItem, Notes];
  dependents: [ItemOf, Dependents];
  delete_item: [ItemOf, BinEntry];
  disk_use: [InProject, DiskUse];
  remove_checkpoints: [ItemOf, BinEntry];
  bin: [InProject, Bin];
  put_back: [PutBack, BinEntry];
  empty_bin: [EmptyBin, Freed];
  describe_project: [DescribeProject, ProjectView];
  archive_project: [ArchiveProject, Home];
  delete_project: [InFolder, DeletedProject];
  deleted_projects: [Nothing, Array<DeletedProject>];
  put_project_back: [PutProjectBack, ProjectView];
  remove_projects: [EmptyProjectsBin, Freed];
  uploads: [Nothing, SentUploads];
  remove_uploads: [RemoveUploads, Freed];
  jobs: [Nothing, Array<Job>];
  cancel_job: [CancelJob, Job];
}
