//! Files from the Hugging Face hub, by its own client. `HF_HOME` and `HF_ENDPOINT` mean what they mean elsewhere.

use std::fs::File;
use std::path::Path;

use hf_hub::api::Progress;
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

/// Opens `file` of the repository: the copy that another program has left in the hub's own cache, else a download into
/// `folder`. Reports bytes so far and in all.
pub(crate) fn open(
    repo: &str,
    revision: &str,
    file: &str,
    folder: &Path,
    report: &mut dyn FnMut(u64, u64),
) -> Result<File, String> {
    let repo = Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned());
    let cached = Cache::from_env().repo(repo.clone()).get(file);
    let path = if let Some(path) = cached {
        path
    } else {
        // A cache of its own, which goes when the fetch ends: the file is kept once, under its final name.
        let api = ApiBuilder::from_env().with_cache_dir(folder.join("hub")).with_retries(2).build();
        let api = api.map_err(|error| error.to_string())?;
        let counter = Counter { done: 0, total: 0, report };
        api.repo(repo).download_with_progress(file, counter).map_err(|error| error.to_string())?
    };
    File::open(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

struct Counter<'a> {
    done: u64,
    total: u64,
    report: &'a mut dyn FnMut(u64, u64),
}

impl Progress for Counter<'_> {
    fn init(&mut self, size: usize, _filename: &str) {
        (self.done, self.total) = (0, size as u64);
        (self.report)(0, self.total);
    }

    fn update(&mut self, size: usize) {
        self.done += size as u64;
        (self.report)(self.done.min(self.total), self.total);
    }

    fn finish(&mut self) {}
}
