//! Making evaluations.

use super::super::exports::quietly;
use super::super::overview::EVALS;
use super::super::training::{RunIdentity, check_grounds, new_folder, run_identity};
use super::super::types::{
    EvalRequest, Job, JobKind, JudgeAgain, JudgeChoice, JudgeKey, JudgeKeyFrom, PreviewPrompts, PromptSource,
    PromptsPreview, ResumeEvaluation, StartEvaluation, UseJudgeKey,
};
use super::super::uploads::{brought_in, name_of, of_upload};
use super::super::{Backend, OpenProject, Working, now};
use super::{ABOUT, About, PROMPTS, folder, job, runless, versus};
use crate::error::{Error, Result};
use crate::evaluate::{self, evaluate_opened, write_json};
use crate::judge_keys;
use crate::open::ModelChoice;
use crate::reading::preset;
use eval::evaluation::{Contents, Folder, readable};
use eval::judge::{Endpoint, Judge, KeyFrom};
use generate::Sampling;
use prefs::prompts::{self, Prompt};
use prefs::reader::{self, Choices};
use prefs::{Pair, jsonl};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use train::Settings;
use train::folder::{ADAPTER, EVAL_PAIRS, adapter_of};

/// Begins an evaluation: both models answer, then the judge judges.
pub(in crate::window) fn start_evaluation(backend: &Backend, request: StartEvaluation) -> Result<Job> {
    let StartEvaluation { request, allow_changed_base } = request;
    let project = backend.project(&request.project)?;
    let run = of_run(backend, &project, &request.run)?;
    let of_project = if run.is_none() { runless::needed(&project, &request)? } else { None };
    let judge = judge(&request.judge)?;
    let sampling = sampling(request.temperature, request.max_new_tokens, request.seed);
    sampling.validate().map_err(|what| Error::new("sampling", what, "Correct this value."))?;
    let sides = versus::sides(backend, &project, &request, allow_changed_base)?;
    if let (None, Some(run)) = (&sides, &run) {
        if adapter_of(&run.folder).is_none() {
            let message = format!("the run {} has no adapter yet", run.name);
            return Err(Error::new("unfinished", message, "Let it finish, or resume it."));
        }
        check_grounds(backend, run, allow_changed_base)?;
    }
    let prompts = prompts(backend, run.as_ref(), of_project.as_ref(), &request)?;
    if let Some(first) = prompts.first() {
        // Before the page goes on and models are loaded: what is wrong is corrected on the form.
        judge_keys::judge(&judge)?.try_out(&readable(&first.prompt), &AtomicBool::new(false))?;
    }
    let about = About {
        run: request.run.clone(),
        run_name: run.as_ref().map(|run| run.name.clone()).unwrap_or_default(),
        judge,
        prompts: match &request.prompts {
            PromptSource::HeldOut => of_project.as_ref().map_or("held-out pairs", |pairs| pairs.name).to_owned(),
            PromptSource::Upload { upload, .. } => name_of(&backend.uploaded(upload)?),
        },
        created_at: now(),
        temperature: request.temperature,
        max_new_tokens: request.max_new_tokens,
        seed: request.seed,
        allow_changed_base,
        sides: None,
        answers_of: None,
    };
    let name = sides.as_ref().map_or(&about.run_name, |[tuned, _]| &tuned.about.name);
    let folder = new_folder(&project.folder().join(EVALS), name)?;
    let written = versus::keep(sides, &folder).and_then(|sides| {
        runless::keep(of_project.as_ref(), &folder)?;
        write_prompts(&folder.join(PROMPTS), &prompts)?;
        let about = About { sides, ..about };
        write_json(&folder.join(ABOUT), &about).map(|()| about)
    });
    let about = match written {
        Ok(about) => about,
        Err(error) => {
            // The folder was made a moment ago and holds nothing; the first error is the one to report.
            let _ = std::fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    if let PromptSource::Upload { upload, .. } = &request.prompts {
        brought_in(&backend.uploaded(upload)?);
    }
    backend.changed(&project);
    begin(backend, &project, run, about, folder)
}

/// Goes on with an evaluation where it stopped.
pub(in crate::window) fn resume_evaluation(backend: &Backend, request: ResumeEvaluation) -> Result<Job> {
    let project = backend.project(&request.project)?;
    let folder = folder(&project, &request.evaluation)?;
    if job(backend, &project, &request.evaluation).is_some() {
        return Err(Error::new("going_on", "this evaluation is going on already", "Wait for it, or stop its job."));
    }
    if !folder.join(ABOUT).is_file() {
        let hint = "Resume it with the command that began it: `tiebreak eval` with the same options.";
        return Err(Error::new("not_ours", "this evaluation was begun by the command line", hint));
    }
    let mut about = About::read(&folder)?;
    if about.answers_of.is_some() {
        quietly(|context| evaluate::try_out_on(&about.judge, &folder, context))?;
        return begin_judging(backend, &project, &about, folder);
    }
    let run = of_run(backend, &project, &about.run)?;
    if request.allow_changed_base && !about.allow_changed_base {
        about.allow_changed_base = true;
        write_json(&folder.join(ABOUT), &about)?;
    }
    if let (None, Some(run)) = (&about.sides, &run) {
        check_grounds(backend, run, about.allow_changed_base)?;
    }
    quietly(|context| evaluate::try_out(&about.judge, (&folder.join(PROMPTS), None), &folder, context))?;
    begin(backend, &project, run, about, folder)
}

/// Lets another judge decide on the answers of an evaluation, in one of its own.
pub(in crate::window) fn judge_again(backend: &Backend, request: JudgeAgain) -> Result<Job> {
    let project = backend.project(&request.project)?;
    let from = folder(&project, &request.evaluation)?;
    let judge = judge(&request.judge)?;
    quietly(|context| evaluate::try_out_on(&judge, &from, context))?;
    let before = About::read(&from)?;
    let answers_of = Some(request.evaluation);
    let about = About { judge, created_at: now(), answers_of, ..before };
    let name = if about.run.is_empty() { about.title() } else { about.run_name.clone() };
    let made = new_folder(&project.folder().join(EVALS), &name)?;
    let prompts = from.join(PROMPTS);
    let written = evaluate::answers_into(&from, &made).and_then(|_| {
        if prompts.is_file() {
            let bytes = std::fs::read(&prompts).map_err(Error::file(&prompts))?;
            evaluate::write_whole(&made.join(PROMPTS), &bytes)?;
        }
        write_json(&made.join(ABOUT), &about)
    });
    if let Err(error) = written {
        // The folder was made a moment ago and holds no verdict; the first error is the one to report.
        let _ = std::fs::remove_dir_all(&made);
        return Err(error);
    }
    backend.changed(&project);
    begin_judging(backend, &project, &about, made)
}

/// Judges answers that are all there.
fn begin_judging(backend: &Backend, project: &Arc<OpenProject>, about: &About, folder: PathBuf) -> Result<Job> {
    let title = format!("Judge the answers of {} again", about.title());
    let judge = about.judge.clone();
    begin_job(backend, project, &title, folder, None, move |working, folder| {
        let contents = Contents::read(folder)?;
        let setup = contents.map(|contents| contents.setup().clone()).ok_or_else(Error::cancelled)?;
        let opened = Folder::open(folder, setup)?;
        working.with_context(|context| evaluate::judge_in(opened, &judge, folder, context)).map(|_| ())
    })
}

fn begin(
    backend: &Backend,
    project: &Arc<OpenProject>,
    run: Option<RunIdentity>,
    about: About,
    folder: PathBuf,
) -> Result<Job> {
    let title = format!("Evaluate {}", about.title());
    let of = run.as_ref().map(|run| run.folder.clone());
    begin_job(backend, project, &title, folder, of, move |working, folder| match (&run, &about.sides) {
        (Some(run), _) => evaluate(working, run, &about, folder),
        (None, Some(sides)) => {
            let request = request_of_none(working.backend(), &about, folder);
            versus::evaluate(working, None, &about, sides, request)
        }
        (None, None) => {
            Err(Error::new("no_sides", "this evaluation is of no run and names no sides", "Start it anew."))
        }
    })
}

/// Starts the job that is at work on the evaluation in a folder, and for which a run must stay where it is.
fn begin_job(
    backend: &Backend,
    project: &Arc<OpenProject>,
    title: &str,
    folder: PathBuf,
    run: Option<PathBuf>,
    work: impl FnOnce(&Working, &Path) -> Result<()> + Send + 'static,
) -> Result<Job> {
    let project = Arc::clone(project);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let made = name.clone();
    let job = backend.start_job(JobKind::Evaluation, &project.name_of_folder(), title, move |working| {
        working.makes_evaluation(&made);
        working.uses(&folder);
        if let Some(run) = &run {
            working.uses(run);
        }
        let result = work(working, &folder);
        working.backend().changed(&project);
        result
    })?;
    // The job's own thread may not have said so yet, and the page goes there at once.
    Ok(Job { evaluation: Some(name), ..job })
}

fn evaluate(working: &Working, run: &RunIdentity, about: &About, folder: &Path) -> Result<()> {
    let adapter = run.folder.join(ADAPTER);
    let held_out = run.folder.join(EVAL_PAIRS);
    let request = evaluate::EvalRequest {
        choice: ModelChoice {
            model: run.model.clone().into(),
            adapter: Some(adapter.clone()),
            device: working.backend().device(),
            dtype: run.config.settings.dtype,
            products: run.config.settings.products,
            allow_changed_base: about.allow_changed_base,
        },
        prompts: folder.join(PROMPTS),
        choices: None,
        pairs_choices: None,
        pairs: held_out.is_file().then_some(held_out),
        limits: run.config.settings.limits(),
        beta: run.config.settings.beta,
        judge: about.judge.clone(),
        sampling: sampling(about.temperature, about.max_new_tokens, about.seed),
        order_seed: about.seed,
        output_dir: folder.to_path_buf(),
        run: Some(run.folder.clone()),
        sides: None,
    };
    if let Some(sides) = &about.sides {
        return versus::evaluate(working, Some(run), about, sides, request);
    }
    let how = run.how(about.allow_changed_base);
    working.backend().with_model(&run.model, how, Some(&adapter), working, |opened| {
        let mut grown = |side: eval::answers::Side, prompt: usize, text: &str| {
            working.answer(prompt, &side.to_string(), text.to_owned());
        };
        working.with_context(|context| evaluate_opened(&request, opened, &mut grown, context)).map(|_| ())
    })
}

/// The run that an evaluation is of; none where none is named.
fn of_run(backend: &Backend, project: &OpenProject, run: &str) -> Result<Option<RunIdentity>> {
    (!run.is_empty()).then(|| run_identity(backend, project, run)).transpose()
}

/// What an evaluation of no run asks for: its sides say themselves which models answer.
fn request_of_none(backend: &Backend, about: &About, folder: &Path) -> evaluate::EvalRequest {
    let settings = Settings::default();
    evaluate::EvalRequest {
        choice: ModelChoice {
            model: PathBuf::new(),
            adapter: None,
            device: backend.device(),
            dtype: settings.dtype,
            products: settings.products,
            allow_changed_base: about.allow_changed_base,
        },
        prompts: folder.join(PROMPTS),
        choices: None,
        pairs_choices: None,
        pairs: runless::kept(folder),
        limits: settings.limits(),
        beta: settings.beta,
        judge: about.judge.clone(),
        sampling: sampling(about.temperature, about.max_new_tokens, about.seed),
        order_seed: about.seed,
        output_dir: folder.to_path_buf(),
        run: None,
        sides: None,
    }
}

/// Takes a judge's key for as long as the program runs, and keeps it where that is wished.
pub(in crate::window) fn use_judge_key(_: &Backend, request: UseJudgeKey) -> Result<JudgeKey> {
    let reply = judge_keys::use_key(&request.url, &request.key, request.keep)?;
    Ok(JudgeKey { server: reply.server, in_keyring: reply.in_keyring })
}

fn sampling(temperature: f64, max_new_tokens: usize, seed: u64) -> Sampling {
    Sampling { temperature, max_new_tokens, seed, ..Sampling::default() }
}

/// The judge in the words of the command line.
fn judge(choice: &JudgeChoice) -> Result<String> {
    let wrong = |message: String| Error::new("judge", message, "Correct it on the evaluation's form.");
    match choice {
        JudgeChoice::Human => Ok("people".into()),
        JudgeChoice::Rule { rule } => match Judge::parse(rule)? {
            Judge::Rule(_) => Ok(rule.clone()),
            _ => Err(wrong(format!("{rule:?} is no rule"))),
        },
        JudgeChoice::Command { command } => {
            let text = format!("command:{command}");
            Judge::parse(&text)?;
            Ok(text)
        }
        JudgeChoice::Endpoint { url, model, key_env, key_from } => {
            let endpoint = Endpoint::new(url, model, key_env.as_deref()).map_err(&wrong)?;
            let endpoint = match key_from {
                Some(JudgeKeyFrom::Session) => endpoint.key_from(KeyFrom::Session),
                Some(JudgeKeyFrom::Keyring) => endpoint.key_from(KeyFrom::Keyring),
                None => endpoint,
            };
            let text = format!("endpoint:{}", endpoint.written());
            // A name with a space in it would be read back as another.
            Judge::parse(&text)?;
            Ok(text)
        }
    }
}

/// What both models are asked.
fn prompts(
    backend: &Backend,
    run: Option<&RunIdentity>,
    of_project: Option<&runless::OfProject>,
    request: &EvalRequest,
) -> Result<Vec<Prompt>> {
    let mut prompts = match &request.prompts {
        PromptSource::HeldOut => match (run, of_project) {
            (Some(run), _) => held_out(&run.folder)?,
            (None, of_project) => once_each(of_project.into_iter().flat_map(|of| of.pairs.iter().cloned())),
        },
        PromptSource::Upload { upload, plain_text } => {
            let choices = Choices::from([("plain_text".to_owned(), plain_text.name().to_owned())]);
            let path = backend.uploaded(upload)?;
            reader::read_prompts(&path, &choices).map_err(of_upload(&path))?.into_prompts()
        }
    };
    prompts.truncate(request.max_prompts);
    if prompts.is_empty() {
        let hint = "Choose a file of prompts, or a run that holds some pairs out.";
        return Err(Error::new("no_prompts", "there is nothing to ask the models", hint));
    }
    Ok(prompts)
}

/// Prompts that a preview shows.
const SHOWN: usize = 3;
/// Refused rows that it tells one by one.
const TOLD: usize = 20;

/// Says what a file holds to ask.
pub(in crate::window) fn preview_prompts(backend: &Backend, request: PreviewPrompts) -> Result<PromptsPreview> {
    let project = backend.project(&request.project)?;
    // Of no run, the project's model is what is known of who is asked.
    let model = match of_run(backend, &project, &request.run)? {
        Some(run) => Some(run.model),
        None => project.model().ok(),
    };
    let path = backend.uploaded(&request.upload)?;
    let mut read = reader::read_prompts(&path, &Choices::new()).map_err(of_upload(&path))?;
    let (how, mut notices) = (std::mem::take(&mut read.how), std::mem::take(&mut read.notices));
    let refused = std::mem::take(&mut read.mapped.refused);
    let prompts = read.into_prompts();
    let plain_text = prompts::plain_text(&prompts);
    let tokenizer = model.and_then(|model| backend.tokenizer(&model).ok().flatten());
    let (rendered, preset) = preset(prompts.iter().map(|prompt| &prompt.prompt), tokenizer.as_deref());
    if rendered.count > 0 {
        notices.push(format!(
            "{} prompts hold special tokens of the model ({}), as text does that was rendered already.",
            rendered.count,
            rendered.named()
        ));
    }
    Ok(PromptsPreview {
        how,
        notices,
        prompts: prompts.len(),
        plain_text,
        preset,
        refused: refused.iter().take(TOLD).cloned().collect(),
        refused_total: refused.len(),
        first: prompts.into_iter().take(SHOWN).map(|prompt| prompt.prompt).collect(),
        has_template: tokenizer.map(|tokenizer| tokenizer.has_template()),
    })
}

/// The different prompts of a run's held-out pairs, in their order.
fn held_out(run: &Path) -> Result<Vec<Prompt>> {
    let path = run.join(EVAL_PAIRS);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    Ok(once_each(jsonl::read_pairs(&path)?.into_pairs().into_iter()))
}

/// The different prompts of pairs, in their order.
fn once_each(pairs: impl Iterator<Item = Pair>) -> Vec<Prompt> {
    let mut seen = std::collections::HashSet::new();
    let prompts = pairs.map(|pair| Prompt { prompt: pair.prompt, category: pair.category });
    prompts.filter(|prompt| seen.insert(prompt.prompt.clone())).collect()
}

fn write_prompts(path: &Path, prompts: &[Prompt]) -> Result<()> {
    let mut text = Vec::new();
    for prompt in prompts {
        serde_json::to_writer(&mut text, prompt).map_err(std::io::Error::from).map_err(Error::file(path))?;
        text.push(b'\n');
    }
    evaluate::write_whole(path, &text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn judges_are_kept_in_words_that_are_read_back_as_the_same_judge() {
        let endpoint = |url: &str, model: &str, key: Option<&str>| JudgeChoice::Endpoint {
            url: url.into(),
            model: model.into(),
            key_env: key.map(str::to_owned),
            key_from: None,
        };
        for (choice, expected) in [
            (JudgeChoice::Human, "people"),
            (JudgeChoice::Rule { rule: "plain:30".into() }, "plain:30"),
            (JudgeChoice::Command { command: "judge --strict".into() }, "command:judge --strict"),
            (endpoint("http://localhost:8080/v1", "m", None), "endpoint:http://localhost:8080/v1 m"),
            (endpoint("https://example.com/v1", "m", Some("KEY")), "endpoint:https://example.com/v1 m KEY"),
        ] {
            assert_eq!(judge(&choice).unwrap(), expected);
        }
        for wrong in [
            JudgeChoice::Rule { rule: "command:rm".into() },
            JudgeChoice::Rule { rule: "people".into() },
            JudgeChoice::Command { command: " ".into() },
            endpoint("http://example.com/v1", "m", None),
            endpoint("https://example.com/v1", "two words", Some("KEY")),
        ] {
            assert!(judge(&wrong).is_err(), "{wrong:?}");
        }
    }
}
