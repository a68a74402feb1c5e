//! One GGUF file, or the parts of one that was split: its names and its row order turned into Hugging Face's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Tensor};
use gguf::{BlockType, Model, TensorInfo};

use super::gguf_layout::{interleaved_heads, is_one_more, name_in_file, row_order};
use super::unneeded;
use crate::config::{Config, RopeTensors};
use crate::error::{Error, Result};
use kernels::blocks;
use kernels::weight::float_type;

/// The block types that can be decoded, by the names of the GGUF specification.
const BLOCK_TYPES: [(&str, GgmlDType); 15] = [
    ("F32", GgmlDType::F32),
    ("F16", GgmlDType::F16),
    ("BF16", GgmlDType::BF16),
    ("Q4_0", GgmlDType::Q4_0),
    ("Q4_1", GgmlDType::Q4_1),
    ("Q5_0", GgmlDType::Q5_0),
    ("Q5_1", GgmlDType::Q5_1),
    ("Q8_0", GgmlDType::Q8_0),
    ("Q8_1", GgmlDType::Q8_1),
    ("Q2_K", GgmlDType::Q2K),
    ("Q3_K", GgmlDType::Q3K),
    ("Q4_K", GgmlDType::Q4K),
    ("Q5_K", GgmlDType::Q5K),
    ("Q6_K", GgmlDType::Q6K),
    ("Q8_K", GgmlDType::Q8K),
];

/// A tensor whose type cannot be decoded, with those that can.
pub(crate) fn unreadable(tensor: &str, block: BlockType) -> Error {
    let readable = BLOCK_TYPES.map(|(name, _)| name).join(", ");
    Error::BlockType { tensor: tensor.to_string(), block: block.to_string(), readable }
}

/// candle's name for a type of blocks, where it can be decoded.
pub(crate) fn ggml_type(block: BlockType) -> Option<GgmlDType> {
    let name = block.name();
    BLOCK_TYPES.iter().find(|(readable, _)| *readable == name).map(|&(_, block)| block)
}

/// llama.cpp's names for divisors of the rotary frequencies: Llama 3's, and Phi-3's for short and long sequences.
const ROPE_TENSORS: [&str; 3] = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

/// The open GGUF files of a model whose tensors have been checked against its configuration.
pub(super) struct GgufFile {
    files: Vec<(PathBuf, Mutex<File>)>,
    /// By Hugging Face's name.
    tensors: BTreeMap<String, Entry>,
}

/// A tensor in the file.
struct Entry {
    info: TensorInfo,
    /// Which file, and the byte at which the tensor begins in it.
    place: (usize, u64),
    block: GgmlDType,
    /// For query and key projections, the heads whose rows llama.cpp has interleaved.
    interleaved_heads: Option<usize>,
    /// Whether the numbers are larger by one than Hugging Face's: norms of Gemma.
    one_more: bool,
}

impl GgufFile {
    /// Reads the headers of the model of which the file at `path` is one. Returns the names of tensors that nobody needs too.
    pub(super) fn open(path: &Path) -> Result<(Config, Self, Vec<String>)> {
        let model = Model::open(path)?;
        let header = &model.header;
        let tensors = header.tensors.iter().enumerate();
        let mut found: BTreeMap<String, (TensorInfo, (usize, u64))> =
            tensors.map(|(at, info)| (info.name.clone(), (info.clone(), model.place(at)))).collect();
        let open = |path: &PathBuf| Ok((path.clone(), Mutex::new(File::open(path).map_err(Error::io(path))?)));
        let files = model.files.iter().map(open).collect::<Result<_>>()?;
        let mut this = Self { files, tensors: BTreeMap::new() };
        let mut divisors = |name: &str| {
            let read = |(info, place): (TensorInfo, _)| {
                let [count] = info.shape[..] else {
                    let what = format!("\"{name}\" has the shape {:?} where a list is needed", info.shape);
                    return Err(Error::config(path, what, "Download the file again"));
                };
                let entry = entry(info, place)?;
                let mut divisors = vec![0f32; count];
                blocks::decode(entry.block, &this.read(&entry, 0..count)?, &mut divisors);
                Ok::<_, Error>(divisors)
            };
            found.remove(name).map(read).transpose()
        };
        let [all, short, long] = ROPE_TENSORS;
        let rope = RopeTensors { all: divisors(all)?, short: divisors(short)?, long: divisors(long)? };
        let config = Config::from_gguf(path, header, rope)?;
        for (name, expected) in config.tensors() {
            let in_file = name_in_file(config.architecture, &name);
            let Some((info, place)) = found.remove(&in_file) else {
                return Err(Error::MissingTensor { name: in_file, file: path.to_path_buf() });
            };
            if info.shape != expected {
                return Err(Error::Shape { name: in_file, expected, found: info.shape });
            }
            let mut entry = entry(info, place)?;
            entry.interleaved_heads = interleaved_heads(&config, &name);
            entry.one_more = is_one_more(&config, &name);
            this.tensors.insert(name, entry);
        }
        let zero = |name: &str| {
            let (info, place) = &found[name];
            let entry = entry(info.clone(), *place)?;
            let mut numbers = vec![0f32; entry.info.shape.iter().product()];
            blocks::decode(entry.block, &this.read(&entry, 0..entry.rows())?, &mut numbers);
            Ok(numbers.iter().all(|&number| number == 0.0))
        };
        let unneeded = unneeded::left_out(path, &config, found.keys().cloned(), zero)?;
        Ok((config, this, unneeded))
    }

    /// The format of the tensor with the Hugging Face name `name`.
    pub(super) fn format(&self, name: &str) -> Result<GgmlDType> {
        Ok(self.entry(name)?.block)
    }

    /// The bytes of these rows of a tensor, in Hugging Face's order.
    pub(super) fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>> {
        let entry = self.entry(name)?;
        match entry.interleaved_heads {
            None => self.read(entry, rows),
            // Rows are whole numbers of blocks, so that their order changes without decoding them, and no row leaves its head.
            Some(heads) => {
                let dim = (entry.rows() / heads).max(1);
                let first = rows.start / dim * dim;
                let whole = first..rows.end.next_multiple_of(dim).min(entry.rows());
                let count = whole.len();
                let read = self.read(entry, whole)?;
                let row = read.len() / count.max(1);
                let places = row_order(entry.rows(), heads, rows).map(|at| at - first);
                Ok(places.flat_map(|at| &read[at * row..(at + 1) * row]).copied().collect())
            }
        }
    }

    /// Whether a tensor's numbers are larger by one than Hugging Face's.
    pub(super) fn one_more(&self, name: &str) -> Result<bool> {
        Ok(self.entry(name)?.one_more)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        let missing = || Error::MissingTensor { name: name.to_string(), file: self.files[0].0.clone() };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// The bytes of these rows, in the file's order.
    fn read(&self, entry: &Entry, rows: Range<usize>) -> Result<Vec<u8>> {
        let Entry { info, block, place: (file, start), .. } = entry;
        let (path, file) = &self.files[*file];
        let row = blocks::bytes_of(*block, info.shape.iter().skip(1).product());
        let Some(row) = row.filter(|row| (row * entry.rows()) as u64 == info.bytes) else {
            let what = format!("the tensor \"{}\" has {} bytes, which are not its rows", info.name, info.bytes);
            return Err(Error::config(path, what, "Download the file again"));
        };
        let mut bytes = vec![0u8; rows.len() * row];
        let start = start.saturating_add((rows.start * row) as u64);
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start)).map_err(Error::io(path))?;
        file.read_exact(&mut bytes).map_err(Error::io(path))?;
        Ok(bytes)
    }
}

impl Entry {
    /// Rows of a matrix, numbers of a vector.
    fn rows(&self) -> usize {
        self.info.shape.first().copied().unwrap_or(1)
    }
}

fn entry(info: TensorInfo, place: (usize, u64)) -> Result<Entry> {
    match ggml_type(info.block_type) {
        Some(block) => Ok(Entry { info, place, block, interleaved_heads: None, one_more: false }),
        None => Err(unreadable(&info.name, info.block_type)),
    }
}

/// Reads the tensor of plain floats at a place in the model's list, as it lies in its file.
pub(crate) fn read_floats(model: &Model, tensor: usize) -> Result<Tensor> {
    let info = &model.header.tensors[tensor];
    let (file, start) = model.place(tensor);
    let path = &model.files[file];
    let other = || unreadable(&info.name, info.block_type);
    let dtype = ggml_type(info.block_type).and_then(float_type).ok_or_else(other)?;
    // The header has been checked: the tensor lies inside the file.
    let mut bytes = vec![0; info.bytes as usize];
    let mut file = File::open(path).map_err(Error::io(path))?;
    file.seek(SeekFrom::Start(start)).map_err(Error::io(path))?;
    file.read_exact(&mut bytes).map_err(Error::io(path))?;
    Ok(Tensor::from_raw_buffer(&bytes, dtype, &info.shape, &Device::Cpu)?.to_dtype(DType::F32)?)
}
