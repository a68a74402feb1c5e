//! Names of the Hugging Face hub where a path is asked for: what they name is brought into the hub's cache, and its place
//! there is the path. Whatever has a path of its own is left alone.

use crate::context::Context;
use crate::error::{Error, Result};
use hub::repository::{DatasetName, Facts, FetchedModel, Hub, HubError, ModelName, Moment, Needs, Watch};
use model::config::{Architecture, Config};
use numbers::size;
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::config::Resume;
use train::{RunConfig, folder};

/// Where the model lies that the hub has under this name, fetched where it is not here yet; nothing where it is no name of
/// the hub's. The place of a model in the hub's cache is a name as well: one that was removed there is fetched again.
///
/// # Errors
/// When the name can be read two ways, or the model cannot be had.
pub(crate) fn model(named: &Path, context: &mut Context) -> Result<Option<PathBuf>> {
    let Some(name) = model_name(named)? else { return Ok(None) };
    let found = fetch_model(&name, context)?;
    context.note(format!("the model is {}", found.name));
    Ok(Some(found.path))
}

fn fetch_model(name: &ModelName, context: &mut Context) -> Result<FetchedModel> {
    let hub = Hub::from_environment()?;
    if !hub.is_offline() && hub.model_here(name).is_none() {
        check_before_fetching(&hub, name, context)?;
    }
    let found = watched("download model", context, |watch| hub.model(name, watch))?;
    found.notes.iter().for_each(|note| context.note(note));
    Ok(found)
}

/// Tells what is about to be fetched, and refuses a model that could not be used once it were here.
fn check_before_fetching(hub: &Hub, name: &ModelName, context: &mut Context) -> Result<()> {
    let (facts, room, kind) = watched("download model", context, |watch| {
        let (facts, needs) = hub.model_facts(name, watch)?;
        let kind = Kind::of(hub, name, &facts, &needs, watch)?;
        let room = hub.room_for(name, &facts, &needs)?;
        Ok((facts, room, kind))
    })?;
    if let Kind::Refused(why) = kind {
        return Err(Error::new("model", why, "Take a model of another family; nothing of its weights was fetched."));
    }
    let licence = facts.licence.as_deref().unwrap_or("none is named");
    context.note(format!("{} to download for {name}; licence: {licence}", size(room.needed)));
    Ok(())
}

/// Whether a model can be computed, as far as that is known before its weights are here.
pub(crate) enum Kind {
    /// It is of this family.
    Known(&'static str),
    /// It cannot, for this reason.
    Refused(String),
    /// That is not known, for this reason.
    Unknown(String),
}

impl Kind {
    /// Of safetensors the configuration is fetched, a few kilobytes; of GGUF files the hub tells the family.
    pub(crate) fn of(
        hub: &Hub,
        name: &ModelName,
        facts: &Facts,
        needs: &Needs,
        watch: &mut Watch<'_>,
    ) -> std::result::Result<Self, HubError> {
        if needs.is_gguf {
            return Ok(match facts.gguf_architecture.as_deref().map(Architecture::from_gguf_name) {
                Some(Ok(family)) => Self::Known(family.gguf_name()),
                Some(Err(error)) => Self::Refused(error.to_string()),
                None => Self::Unknown("The hub does not say of what family this file is; its own header does.".into()),
            });
        }
        let config = match hub.model_config(name, facts, watch) {
            Ok(config) => config.unwrap_or_default(),
            // What its page shows can be seen by everybody, its files cannot.
            Err(error @ HubError::Gated { .. }) => return Ok(Self::Unknown(format!("{error}. {}", error.hint()))),
            Err(error) => return Err(error),
        };
        Ok(match Config::from_json(&config, &Path::new(name.repo.name()).join("config.json")) {
            Ok(config) => Self::Known(config.architecture.model_type()),
            Err(error) => Self::Refused(error.to_string()),
        })
    }
}

/// The model with the commit that its name stands for now, so that it is the same whenever it is named so again; what is no
/// name of the hub's stays as it is.
///
/// # Errors
/// As [`model`].
pub(crate) fn pinned(named: &Path, context: &mut Context) -> Result<PathBuf> {
    if named.exists() || hub::find(&named.to_string_lossy()).is_ok() {
        return Ok(named.to_path_buf());
    }
    match model_name(named)? {
        Some(name) => Ok(fetch_model(&name, context)?.name.to_string().into()),
        None => Ok(named.to_path_buf()),
    }
}

/// The file, or the folder of files, that a data set of the hub is: `hf:datasets/…`, fetched where it is not here yet. Any
/// other path is given back as it is.
///
/// # Errors
/// When the name leaves open what is meant, or the data set cannot be had.
pub(crate) fn data(named: &Path, context: &mut Context) -> Result<PathBuf> {
    match data_name(named)? {
        Some(name) => fetch_data(&name, context),
        None => match meant_as_data(named) {
            Some(name) => Err(Error::new(
                "no_file",
                format!("there is no file {}", named.display()),
                format!("Write `{name}` for the data set of the Hugging Face hub, or correct the path."),
            )),
            None => Ok(named.to_path_buf()),
        },
    }
}

/// The name in this program's words where nothing lies at the path, and it is written as the hub writes a data set: by its address,
/// or as `owner/name`.
fn meant_as_data(named: &Path) -> Option<String> {
    let text = named.to_string_lossy();
    if named.exists() {
        return None;
    }
    let address = ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let name = match address {
        Some(address) => address.split_once("/datasets/")?.1,
        // With a file's ending, or as deep as this, it is a path.
        None if named.extension().is_none() && !text.starts_with(['.', '/', '~']) && text.matches('/').count() == 1 => {
            &text
        }
        None => return None,
    };
    let mut parts = name.split(['/', '?', '#']).filter(|part| !part.is_empty());
    Some(format!("hf:datasets/{}/{}", parts.next()?, parts.next()?))
}

fn fetch_data(name: &DatasetName, context: &mut Context) -> Result<PathBuf> {
    let hub = Hub::from_environment()?;
    let found = watched("download data", context, |watch| hub.dataset(name, watch))?;
    let files = found.paths.len();
    context.note(format!("the data are {} ({files} {})", found.name, if files == 1 { "file" } else { "files" }));
    found.notes.iter().for_each(|note| context.note(note));
    Ok(found.place())
}

/// A run's settings as `file` has them, with the paths of what they name on the hub. A run that is resumed stays with the
/// commits that it began with.
///
/// # Errors
/// As [`model`] and [`data`].
pub(crate) fn run(file: &Path, mut config: RunConfig, context: &mut Context) -> Result<RunConfig> {
    config.model = as_written(file, config.model)?;
    let resumes = config.resume_from_checkpoint != Resume::No && config.output_dir.join(folder::CONFIG).is_file();
    let begun = resumes.then(|| RunConfig::of_run(&config.output_dir)).transpose()?;
    let begun = begun.as_ref();
    if let (Some(begun), Some(mut name)) = (begun, model_name(&config.model)?)
        && name.revision.is_none()
        && let Some(commit) = name.repo.commit_in(&begun.model)
    {
        name.revision = Some(commit);
        config.model = name.to_string().into();
    }
    let train = begun.map(|begun| begun.data.train.as_path());
    config.data.train = data_of_run(&config.data.train, train, context)?;
    if let Some(eval) = &mut config.data.eval {
        *eval = data_of_run(eval, begun.and_then(|begun| begun.data.eval.as_deref()), context)?;
    }
    Ok(config)
}

fn data_of_run(named: &Path, begun: Option<&Path>, context: &mut Context) -> Result<PathBuf> {
    let Some(mut name) = data_name(named)? else { return Ok(named.to_path_buf()) };
    if name.revision.is_none() {
        name.revision = begun.and_then(|begun| name.repo.commit_in(begun));
    }
    fetch_data(&name, context)
}

/// A model's name as a settings file has it: relative paths are taken from the file's folder, and names with them.
///
/// # Errors
/// When the name can be read as a path in that folder as well.
pub(crate) fn as_written(file: &Path, model: PathBuf) -> Result<PathBuf> {
    // A file that is named alone lies here; the empty path has no absolute form.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::path::absolute(folder).map_err(Error::file(file))?;
    let written = match model.strip_prefix(&folder).ok().and_then(Path::to_str) {
        Some(written) if !model.exists() => written,
        _ => return Ok(model),
    };
    if hub::find(written).is_ok() {
        return Ok(written.into());
    }
    Ok(ModelName::read(written, &folder)?.map_or(model, |name| name.to_string().into()))
}

/// The name that stands where a path could; nothing where it is none of the hub's.
pub(crate) fn model_name(named: &Path) -> Result<Option<ModelName>> {
    if let Some(name) = ModelName::of_path(named) {
        return Ok(Some(name));
    }
    let Some(text) = named.to_str() else { return Ok(None) };
    Ok(ModelName::read(text, Path::new(""))?)
}

fn data_name(named: &Path) -> Result<Option<DatasetName>> {
    let text = named.to_str().filter(|_| !named.exists());
    Ok(text.map(DatasetName::read).transpose()?.flatten())
}

/// Does what the hub is asked for; how far it is, is told as the stage of that name.
///
/// # Errors
/// As what is done.
pub(crate) fn watched<T>(
    stage: &str,
    context: &mut Context,
    fetch: impl FnOnce(&mut Watch<'_>) -> std::result::Result<T, HubError>,
) -> Result<T> {
    let stop = context.stop;
    let mut began = None;
    let mut report = |moment: Moment<'_>| match moment {
        Moment::Fetching { done, total, .. }
        | Moment::Reading { done, total, .. }
        | Moment::Sending { done, total, .. } => {
            // Not what it took to ask the hub: the time left follows from the pace of the bytes.
            context.progress(stage, *began.get_or_insert_with(Instant::now), done, total);
        }
        Moment::Waiting(why) => context.note(why),
    };
    Ok(fetch(&mut Watch { report: &mut report, stop })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_as_the_hub_writes_it_is_named_in_our_words() {
        let meant = |text: &str| meant_as_data(Path::new(text));
        let name = Some("hf:datasets/Anthropic/hh-rlhf".to_owned());
        for text in [
            "Anthropic/hh-rlhf",
            "https://huggingface.co/datasets/Anthropic/hh-rlhf",
            "https://huggingface.co/datasets/Anthropic/hh-rlhf/tree/main?x=1",
        ] {
            assert_eq!(meant(text), name, "{text}");
        }
        for text in
            ["src", "./Anthropic/hh-rlhf", "a/b/c", "folder/pairs.jsonl", "/a/b", "https://example.org/file.jsonl"]
        {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
