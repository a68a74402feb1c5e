//! Weights from disk, tensor by tensor, under Hugging Face's names whatever the file is.
//!
//! [`open`] reads the configuration and every header, and checks that each tensor the model needs is there with the
//! right shape and a type that can be decoded, before a single weight is read. The weights themselves are read when
//! [`Source::vars`] or [`Source::matrix`] is asked for them, one at a time with seek and read, and a matrix in pieces of
//! rows: memory stays a few pieces above what the model keeps. A tied output head has no tensor of its own here and is
//! never loaded a second time.

mod gguf_file;
mod gguf_layout;
mod kept;
mod random;
mod safetensors_file;
mod safetensors_writer;
mod unneeded;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

pub(crate) use gguf_file::{ggml_type, read_floats, unreadable};
pub(crate) use gguf_layout::{as_in_file, changes_in_file, name_in_file, rows_as_in_file, rows_of_file};
pub(crate) use safetensors_file::SafetensorsFile;
pub use safetensors_writer::FloatType;
pub(crate) use safetensors_writer::{index, shards};

use crate::base_dtype::BaseDtype;
use crate::config::{Config, EMBEDDING, OUTPUT_HEAD};
use crate::device;
use crate::error::{Error, Result};
use crate::model_size::ModelSize;
use gguf_file::GgufFile;
use kept::Matrices;
use kernels::blocks;
use kernels::weight::Weight;
use random::RandomWeights;

/// Rows that are compared at once.
const COMPARED: usize = 1024;

/// A model on disk, checked and ready to be read.
pub struct Source {
    /// What the model is made of.
    pub config: Config,
    /// The weights under Hugging Face's names (`model.layers.0.self_attn.q_proj.weight`, `[out, in]`), as f32 on the
    /// device given to [`open`]. Their numbers are those that the dtype given there leaves of them. Query and key rows have
    /// Hugging Face's order in either kind of file.
    pub vars: VarBuilder<'static>,
    /// What kind of files the weights are in.
    pub kind: Kind,
    /// The files that hold the weights.
    pub files: Vec<PathBuf>,
    /// Tensors in those files that the model does not need, by their names in the file: told by [`Source::notes`].
    pub unneeded: Vec<String>,
    /// Whether the files hold an output head of its own although the configuration says that it is the embedding. It is
    /// computed with, as transformers does, and [`Source::config`] says so.
    pub untied: bool,
    /// What else there is to say of the files.
    about_files: Vec<String>,
    /// What is kept in memory of the matrices, and how large that is.
    matrices: Arc<Matrices>,
    device: Device,
}

impl Source {
    /// A matrix under its Hugging Face name, kept as the dtype given to [`open`] says.
    ///
    /// # Errors
    /// When the matrix is missing or has another shape, when a file cannot be read, and when a weight is no number that can
    /// be kept so.
    pub fn matrix(&self, name: &str, shape: (usize, usize)) -> Result<Weight> {
        self.matrices.read(name, shape, &self.device)
    }

    /// The dtype given to [`open`].
    pub fn dtype(&self) -> BaseDtype {
        self.matrices.dtype
    }

    /// Whose numbers the weights have; see [`BaseDtype::numbers`].
    pub fn numbers(&self) -> &'static str {
        if self.matrices.f16_for_bf16 > 0 { BaseDtype::F16.numbers() } else { self.dtype().numbers() }
    }

    /// What the model takes of memory, known before it is read.
    pub fn size(&self) -> ModelSize {
        self.matrices.size(&self.config)
    }

    /// Matrices that the dtype would quantise and that stay in the file's float type, because their rows are no whole
    /// blocks.
    pub fn unquantised(&self) -> &[String] {
        &self.matrices.unquantised
    }

    /// What the user should know of what is computed and how the weights are kept, in sentences without a full stop.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.about_files.clone();
        if self.untied {
            notes.push(
                "the configuration says that the output head is the embedding (tie_word_embeddings), but the files hold a \
                 lm_head.weight that differs from it: that head is computed with, as transformers does"
                    .to_string(),
            );
        }
        if !self.unneeded.is_empty() {
            notes.push(unneeded::note(&self.unneeded));
        }
        notes.extend(self.matrices.notes());
        notes
    }
}

/// A file format of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    Safetensors,
    /// One GGUF file, or the parts of one that was split.
    Gguf,
    /// Numbers drawn for a measurement: see [`random`].
    Random,
}

/// Opens a model: a Hugging Face folder with safetensors, or a GGUF file; of one that was split, any part.
///
/// # Errors
/// When a file is missing, truncated or damaged; when the configuration asks for what is not implemented; when a
/// tensor is missing, has another shape, or a type that cannot be decoded; when blocks would have to be quantised again.
pub fn open(path: &Path, dtype: BaseDtype, device: &Device) -> Result<Source> {
    let is_folder = std::fs::metadata(path).map_err(Error::io(path))?.is_dir();
    let opened = if is_folder { open_folder(path)? } else { open_gguf(path)? };
    let Opened { config, kind, files, unneeded, untied, about_files, backend } = opened;
    let matrices = Arc::new(Matrices::new(path, backend, dtype, &config, device::has_bf16(device))?);
    let vars = VarBuilder::from_backend(Box::new(MatricesBackend(Arc::clone(&matrices))), DType::F32, device.clone());
    Ok(Source { config, vars, kind, files, unneeded, untied, about_files, matrices, device: device.clone() })
}

/// A model of random bf16 weights, without a file: for measuring what a model of this size takes of time and memory, which
/// do not depend on what the numbers are.
///
/// # Errors
/// As [`open`].
pub fn random(config: Config, dtype: BaseDtype, device: &Device) -> Result<Source> {
    let backend = Backend::Random(RandomWeights::of(&config));
    let matrices =
        Arc::new(Matrices::new(Path::new("random weights"), backend, dtype, &config, device::has_bf16(device))?);
    let vars = VarBuilder::from_backend(Box::new(MatricesBackend(Arc::clone(&matrices))), DType::F32, device.clone());
    let (files, unneeded, about_files) = (Vec::new(), Vec::new(), Vec::new());
    let kind = Kind::Random;
    Ok(Source { config, vars, kind, files, unneeded, untied: false, about_files, matrices, device: device.clone() })
}

/// Files whose headers have been read and checked.
struct Opened {
    config: Config,
    kind: Kind,
    files: Vec<PathBuf>,
    unneeded: Vec<String>,
    untied: bool,
    about_files: Vec<String>,
    backend: Backend,
}

/// Refuses a folder that holds an adapter and no model, by what it was trained on.
///
/// # Errors
/// When it is such a folder.
pub fn refuse_adapter(folder: &Path) -> Result<()> {
    let (adapter, config) = (folder.join("adapter_config.json"), folder.join("config.json"));
    if !adapter.is_file() || config.is_file() {
        return Ok(());
    }
    let base = crate::lora::peft::base_of(folder);
    let of = base.map_or(String::new(), |base| format!(" of {base}"));
    Err(Error::config(
        &adapter,
        format!("this folder holds an adapter{of}, not a model"),
        "Name the model that it was trained on, and the adapter beside it: --adapter, or init_adapter to train it further",
    ))
}

fn open_folder(folder: &Path) -> Result<Opened> {
    refuse_adapter(folder)?;
    let mut config = Config::from_folder(folder)?;
    let paths = weight_files(folder)?;
    let files = paths.iter().map(|path| SafetensorsFile::open(path)).collect::<Result<Vec<_>>>()?;
    let mut places = BTreeMap::new();
    for (place, file) in files.iter().enumerate() {
        for name in file.names() {
            if let Some(other) = places.insert(name.to_string(), place) {
                let what = format!("the tensor \"{name}\" is also in {}", paths[other].display());
                return Err(Error::config(&paths[place], what, "Remove files that belong to another model"));
            }
        }
    }
    let check = |config: &Config| {
        for (name, expected) in config.tensors() {
            let Some(place) = places.get(&name) else {
                let file = if paths.len() == 1 { paths[0].clone() } else { folder.to_path_buf() };
                return Err(Error::MissingTensor { name, file });
            };
            files[*place].check(&name, &expected)?;
        }
        Ok(())
    };
    check(&config)?;
    // A head beside a configuration that says there is none: transformers compares the two, and so does this.
    let head = format!("{OUTPUT_HEAD}.weight");
    let second_head = config.tie_word_embeddings && places.contains_key(&head);
    let mut untied = false;
    if second_head {
        let apart = Config { tie_word_embeddings: false, ..config.clone() };
        check(&apart)?;
        untied =
            !same_numbers((&files[places[EMBEDDING]], EMBEDDING), (&files[places[&head]], &head), config.vocab_size)?;
        if untied {
            config = apart;
        }
    }
    let needed: BTreeSet<String> = config.tensors().into_iter().map(|(name, _)| name).collect();
    let (places, mut others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        places.into_iter().partition(|(name, _)| needed.contains(name));
    if second_head {
        // The embedding under another name, where it is not needed.
        others.remove(&head);
    }
    let zero = |name: &str| {
        let numbers = files[others[name]].tensor(name, &Device::Cpu)?;
        Ok(numbers.flatten_all()?.to_vec1::<f32>()?.iter().all(|&number| number == 0.0))
    };
    let unneeded = unneeded::left_out(folder, &config, others.keys().cloned(), zero)?;
    let about_files = unread_files(folder, &paths);
    let kind = Kind::Safetensors;
    Ok(Opened {
        config,
        kind,
        files: paths,
        unneeded,
        untied,
        about_files,
        backend: Backend::Safetensors { files, places },
    })
}

/// Whether two matrices of so many rows hold the same numbers.
fn same_numbers(
    (one, one_name): (&SafetensorsFile, &str),
    (other, other_name): (&SafetensorsFile, &str),
    rows: usize,
) -> Result<bool> {
    for start in (0..rows).step_by(COMPARED) {
        let piece = start..rows.min(start + COMPARED);
        let (mine, theirs) = (one.numbers(one_name, piece.clone())?, other.numbers(other_name, piece)?);
        if mine != theirs {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a folder holds that looks like weights and is not read, in sentences.
fn unread_files(folder: &Path, read: &[PathBuf]) -> Vec<String> {
    let mut notes = Vec::new();
    if folder.join("adapter_config.json").is_file() {
        notes.push(
            "the model's folder holds an adapter too (adapter_config.json), which is not computed with unless it is named \
             as the adapter"
                .to_string(),
        );
    }
    let mut others: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors") && !read.contains(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| name != "adapter_model.safetensors")
        .collect();
    others.sort();
    if !others.is_empty() {
        let named = read.first().and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy();
        notes.push(format!(
            "the model is read from {named}{}; of the same folder these are not read: {}",
            if read.len() > 1 { " and the shards that go with it" } else { "" },
            unneeded::listed(&others)
        ));
    }
    notes
}

/// `model.safetensors.index.json`: for each tensor the file that holds it.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The safetensors files of a folder: the single one, or the shards of its index.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        let what = "it holds neither model.safetensors nor model.safetensors.index.json";
        return Err(Error::config(folder, what, no_weights_hint(folder)));
    }
    let text = std::fs::read_to_string(&index).map_err(Error::io(&index))?;
    let Index { weight_map } = serde_json::from_str(&text).map_err(|error| {
        Error::config(&index, format!("it is no index of safetensors shards: {error}"), "Download it again")
    })?;
    let shards: BTreeSet<String> = weight_map.into_values().collect();
    if let Some(outside) = shards.iter().find(|shard| Path::new(shard).file_name() != Some(shard.as_ref())) {
        let what = format!("it names \"{outside}\", which is not a file of the same folder");
        return Err(Error::config(&index, what, "Only take models from people you trust"));
    }
    if shards.is_empty() {
        return Err(Error::config(&index, "its weight_map is empty", "Download it again"));
    }
    Ok(shards.into_iter().map(|shard| folder.join(shard)).collect())
}

/// Whether a file is called `…-00001-of-00003.safetensors`.
fn is_shard(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(parts) = name.strip_suffix(".safetensors").and_then(|name| name.rsplit_once("-of-")) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(parts.1) && parts.0.rsplit_once('-').is_some_and(|(_, number)| digits(number))
}

/// What to do about a folder without safetensors, depending on what it holds instead.
fn no_weights_hint(folder: &Path) -> String {
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    let with = |ending: &str| files.iter().find(|path| path.extension().is_some_and(|found| found == ending));
    if let Some(gguf) = with("gguf") {
        format!("Give the GGUF file itself: {}", gguf.display())
    } else if let Some(shard) = files.iter().filter(|path| is_shard(path)).min() {
        let count = files.iter().filter(|path| is_shard(path)).count();
        format!(
            "Download model.safetensors.index.json too: the shards are here ({count} of them, such as {}), and what is \
             missing is the list of what lies in which",
            shard.file_name().unwrap_or_default().to_string_lossy()
        )
    } else if with("bin").or(with("pth")).is_some() {
        "PyTorch pickles can run code and are never read; take the safetensors version of the model".to_string()
    } else {
        "Download the model's safetensors files into the folder".to_string()
    }
}

/// The files of the model of which the GGUF file at `path` is one: by its name, itself alone, or all parts of a model that was
/// split.
pub fn gguf_files(path: &Path) -> Vec<PathBuf> {
    gguf::files_of(path)
}

fn open_gguf(path: &Path) -> Result<Opened> {
    let mut magic = [0u8; 4];
    let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
    // A file shorter than four bytes keeps the zeros, which are no GGUF either.
    let read = file.read(&mut magic).map_err(Error::io(path))?;
    if read < 4 || &magic != b"GGUF" {
        let hint = "Give a GGUF file, or the folder that holds config.json and model.safetensors";
        return Err(Error::config(path, "it is not a GGUF file", hint));
    }
    drop(file);
    let (config, file, unneeded) = GgufFile::open(path)?;
    let (files, about_files, backend) = (gguf::files_of(path), Vec::new(), Backend::Gguf(file));
    Ok(Opened { config, kind: Kind::Gguf, files, unneeded, untied: false, about_files, backend })
}

/// The files of a model, behind Hugging Face's names.
enum Backend {
    /// The files, and for each tensor the file it is in.
    Safetensors { files: Vec<SafetensorsFile>, places: BTreeMap<String, usize> },
    /// The file or its parts, which know their tensors by their Hugging Face names.
    Gguf(GgufFile),
    /// None.
    Random(RandomWeights),
}

impl Backend {
    /// The format in which the file has a tensor.
    fn format(&self, name: &str) -> Result<GgmlDType> {
        match self {
            Self::Safetensors { files, places } => file_of(files, places, name)?.format(name),
            Self::Gguf(file) => file.format(name),
            Self::Random(weights) => weights.format(name),
        }
    }

    /// The bytes of these rows of a tensor, in Hugging Face's order. A vector's rows are its numbers.
    fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>> {
        match self {
            Self::Safetensors { files, places } => file_of(files, places, name)?.rows(name, rows),
            Self::Gguf(file) => file.rows(name, rows),
            Self::Random(weights) => weights.rows(name, rows),
        }
    }

    /// The numbers of a vector.
    fn vector(&self, name: &str, count: usize) -> Result<Vec<f32>> {
        let mut numbers = vec![0f32; count];
        blocks::decode(self.format(name)?, &self.rows(name, 0..count)?, &mut numbers);
        match self {
            Self::Gguf(file) if file.one_more(name)? => numbers.iter_mut().for_each(|number| *number -= 1.0),
            _ => {}
        }
        Ok(numbers)
    }
}

/// The shard that holds a tensor.
fn file_of<'a>(
    files: &'a [SafetensorsFile],
    places: &BTreeMap<String, usize>,
    name: &str,
) -> Result<&'a SafetensorsFile> {
    let missing = || candle_core::Error::CannotFindTensor { path: name.to_string() };
    Ok(&files[*places.get(name).ok_or_else(missing)?])
}

/// What stands behind [`Source::vars`].
struct MatricesBackend(Arc<Matrices>);

impl SimpleBackend for MatricesBackend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            let msg = format!("the tensor \"{name}\"");
            return Err(candle_core::Error::UnexpectedShape { msg, expected: shape, got: tensor.shape().clone() });
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let tensor = self.0.numbers(name).map_err(candle_core::Error::wrap)?;
        tensor.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.shapes.contains_key(name)
    }
}
