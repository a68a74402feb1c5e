//! What a repository holds, before anything of it is fetched: the hub's answer of `/api/models/…/revision/…?blobs=true`,
//! and of `/api/datasets/…` alike.

use serde::Deserialize;
use serde_json::Value;

use super::HubError;
use super::client::{Asked, Hub};
use super::name::{RepoId, check_path, is_commit, is_hex};
use super::watch::Watch;

/// A repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name now: an old name leads to the new one.
    pub repo: RepoId,
    /// The commit that the revision stands for.
    pub commit: String,
    /// Its files.
    pub files: Vec<RemoteFile>,
    /// Whether its authors give it only to some, or only after terms are accepted.
    pub gated: bool,
    /// Whether only some may see it.
    pub private: bool,
    /// The licence as its authors name it.
    pub licence: Option<String>,
    /// `architectures` of its configuration.
    pub architectures: Vec<String>,
    /// `model_type` of its configuration.
    pub model_type: Option<String>,
    /// `general.architecture` of its GGUF files.
    pub gguf_architecture: Option<String>,
    /// Number of weights, where the hub has counted them.
    pub parameters: Option<u64>,
    /// The library that it is for, such as `transformers` or `peft`.
    pub library: Option<String>,
    /// What it does, such as `text-generation`.
    pub pipeline: Option<String>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path in the repository, which stays inside any folder that it is joined to.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The hash by which it is known.
    pub content: Content,
}

/// The hash of a file, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// SHA-256 of a large file.
    Sha256(String),
    /// SHA-1 of a small file as git computes it for a blob.
    GitBlob(String),
}

impl Content {
    /// The name under which the cache keeps the file.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Sha256(id) | Self::GitBlob(id) => id,
        }
    }
}

impl Facts {
    /// The file of that path.
    pub fn file(&self, path: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Option<String>,
    sha: Option<String>,
    #[serde(default)]
    private: bool,
    /// `false`, `"auto"` or `"manual"`.
    #[serde(default)]
    gated: Value,
    #[serde(default)]
    card_data: Value,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    safetensors: Value,
    #[serde(default)]
    gguf: Value,
    #[serde(rename = "library_name")]
    library: Option<String>,
    #[serde(rename = "pipeline_tag")]
    pipeline: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Hub {
    /// What the repository holds at a revision.
    ///
    /// # Errors
    /// See [`HubError`]; offline there are no facts.
    pub(crate) fn facts(&self, repo: &RepoId, revision: &str, watch: &mut Watch<'_>) -> Result<Facts, HubError> {
        let asked = Asked { repo, revision, file: None };
        let text = self.text(&format!("{}?blobs=true", repo.at(revision).api_url()), asked, watch)?;
        read(&text, repo).map_err(|what| HubError::Answer { host: self.settings.endpoint.clone(), what })
    }
}

/// # Errors
/// With what is wrong with the answer.
fn read(text: &str, repo: &RepoId) -> Result<Facts, String> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| format!("it is no list of files ({error})"))?;
    let commit = answer.sha.filter(|sha| is_commit(sha)).ok_or("it names no commit")?;
    let repo = answer.id.map_or_else(|| Ok(repo.clone()), |id| repo.renamed(&id))?;
    let files = answer.siblings.into_iter().map(file).collect::<Result<_, _>>()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let tagged = || answer.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned);
    let licence = match &answer.card_data["license"] {
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        one => text(one),
    };
    let architectures = answer.config["architectures"].as_array();
    Ok(Facts {
        repo,
        commit,
        files,
        gated: !matches!(answer.gated, Value::Null | Value::Bool(false)),
        private: answer.private,
        licence: licence.filter(|licence| !licence.is_empty()).or_else(tagged),
        architectures: architectures.into_iter().flatten().filter_map(text).collect(),
        model_type: text(&answer.config["model_type"]),
        gguf_architecture: text(&answer.gguf["architecture"]),
        parameters: answer.safetensors["total"].as_u64().or_else(|| answer.gguf["total"].as_u64()),
        library: answer.library,
        pipeline: answer.pipeline,
    })
}

fn file(Sibling { rfilename: path, size, blob_id, lfs }: Sibling) -> Result<RemoteFile, String> {
    check_path(&path)?;
    let (bytes, content) = match lfs {
        Some(lfs) if is_hex(&lfs.sha256, 64) => (lfs.size, Content::Sha256(lfs.sha256)),
        Some(_) => return Err(format!("the SHA-256 of {path} is none")),
        None => {
            let bytes = size.ok_or_else(|| format!("it does not say how large {path} is"))?;
            let id = blob_id.filter(|id| is_hex(id, 40)).ok_or_else(|| format!("it has no hash of {path}"))?;
            (bytes, Content::GitBlob(id))
        }
    };
    Ok(RemoteFile { path, bytes, content })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    fn repo() -> RepoId {
        RepoId::new("org/name", false).unwrap()
    }

    #[test]
    fn an_answer_is_read() {
        let text = format!(
            r#"{{"id": "org/new", "sha": "{COMMIT}", "private": false, "gated": "manual", "tags": ["license:mit"],
            "cardData": {{"license": "llama3.2"}}, "library_name": "transformers", "pipeline_tag": "text-generation",
            "config": {{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}},
            "safetensors": {{"parameters": {{"BF16": 7}}, "total": 7}},
            "siblings": [
              {{"rfilename": "config.json", "size": 3, "blobId": "{COMMIT}"}},
              {{"rfilename": "model.safetensors", "size": 9, "blobId": "{COMMIT}",
                "lfs": {{"sha256": "{}", "size": 9, "pointerSize": 134}}}}]}}"#,
            "a".repeat(64)
        );
        let facts = read(&text, &repo()).unwrap();
        assert_eq!((facts.repo.name(), facts.commit.as_str(), facts.gated), ("org/new", COMMIT, true));
        assert_eq!((facts.licence.as_deref(), facts.parameters), (Some("llama3.2"), Some(7)));
        assert_eq!(facts.file("model.safetensors").unwrap().content, Content::Sha256("a".repeat(64)));
        assert_eq!(facts.file("config.json").unwrap().content, Content::GitBlob(COMMIT.to_owned()));
    }

    #[test]
    fn an_answer_that_could_do_harm_is_refused() {
        for (siblings, why) in [
            (r#"[{"rfilename": "../../.bashrc", "size": 1, "blobId": "ID"}]"#, "leads out"),
            (r#"[{"rfilename": "/etc/passwd", "size": 1, "blobId": "ID"}]"#, "leads out"),
            (r#"[{"rfilename": "a\\..\\b", "size": 1, "blobId": "ID"}]"#, "letters"),
            (r#"[{"rfilename": "a", "size": 1, "blobId": "../x"}]"#, "no hash of a"),
            (r#"[{"rfilename": "a", "blobId": "ID"}]"#, "how large"),
            (r#"[{"rfilename": "a", "size": 1, "lfs": {"sha256": "../../x", "size": 1}}]"#, "SHA-256 of a"),
        ] {
            let text = format!(r#"{{"sha": "{COMMIT}", "siblings": {}}}"#, siblings.replace("ID", COMMIT));
            let what = read(&text, &repo()).unwrap_err();
            assert!(what.contains(why), "{siblings}: {what}");
        }
        for text in ["[]", "<html>", r#"{"siblings": []}"#, r#"{"sha": "../x"}"#] {
            assert!(read(text, &repo()).is_err(), "{text}");
        }
    }
}
