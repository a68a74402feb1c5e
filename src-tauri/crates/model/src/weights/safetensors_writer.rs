//! Writing safetensors files too large for memory: the header follows from names and shapes alone, and the numbers come
//! piece by piece.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use ts_rs::TS;

use crate::error::{Error, Result};

/// A type that weights are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum FloatType {
    /// 32 bits: what is computed with.
    F32,
    /// 16 bits with the range of f32 and 8 significant bits: what most models are published in.
    Bf16,
    /// 16 bits with 11 significant bits, up to 65,504.
    F16,
}

impl FloatType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// `f32`, `bf16` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// The name that `config.json` has for it.
    pub(crate) fn name_in_config(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    /// The name that safetensors has for it.
    fn name_in_header(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
        }
    }

    /// Bytes of one number.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// Puts `numbers`, each rounded once to the nearest, into `bytes`, which is emptied first.
    pub(crate) fn encode(self, numbers: &[f32], bytes: &mut Vec<u8>) {
        bytes.clear();
        match self {
            Self::F32 => bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Self::Bf16 => {
                let mut rounded = vec![bf16::ZERO; numbers.len()];
                rounded.convert_from_f32_slice(numbers);
                bytes.extend(rounded.iter().flat_map(|number| number.to_le_bytes()));
            }
            Self::F16 => {
                let mut rounded = vec![f16::ZERO; numbers.len()];
                rounded.convert_from_f32_slice(numbers);
                bytes.extend(rounded.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
    }

    /// The first number that would not be finite any more.
    pub(crate) fn first_too_large(self, numbers: &[f32]) -> Option<f32> {
        let fits = |number: f32| match self {
            Self::F32 => number.is_finite(),
            Self::Bf16 => bf16::from_f32(number).is_finite(),
            Self::F16 => f16::from_f32(number).is_finite(),
        };
        numbers.iter().copied().find(|&number| !fits(number))
    }
}

/// One file and the tensors in it, in order, with their shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard {
    /// The file's name.
    pub(crate) file: String,
    /// Name and shape of each tensor.
    pub(crate) tensors: Vec<(String, Vec<usize>)>,
}

/// Shares `tensors` out, in order, to files of at most `most_bytes` each, unless a single tensor is larger.
pub(crate) fn shards(tensors: Vec<(String, Vec<usize>)>, dtype: FloatType, most_bytes: u64) -> Vec<Shard> {
    let mut parts: Vec<Vec<(String, Vec<usize>)>> = vec![Vec::new()];
    let mut filled = 0;
    for tensor in tensors {
        let bytes = bytes_of(&tensor.1, dtype);
        if filled > 0 && filled + bytes > most_bytes {
            parts.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        if let Some(last) = parts.last_mut() {
            last.push(tensor);
        }
    }
    let count = parts.len();
    let file = |place: usize| match count {
        1 => "model.safetensors".to_string(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", place + 1),
    };
    parts.into_iter().enumerate().map(|(place, tensors)| Shard { file: file(place), tensors }).collect()
}

/// `model.safetensors.index.json`: which file each tensor is in.
pub(crate) fn index(shards: &[Shard], dtype: FloatType) -> Value {
    let mut weight_map = Map::new();
    for shard in shards {
        weight_map.extend(shard.tensors.iter().map(|(name, _)| (name.clone(), json!(shard.file))));
    }
    let total: u64 = shards.iter().map(|shard| shard.bytes(dtype)).sum();
    json!({ "metadata": { "total_size": total }, "weight_map": weight_map })
}

fn bytes_of(shape: &[usize], dtype: FloatType) -> u64 {
    shape.iter().map(|&size| size as u64).product::<u64>() * dtype.size()
}

impl Shard {
    /// Bytes of all its numbers.
    pub(crate) fn bytes(&self, dtype: FloatType) -> u64 {
        self.tensors.iter().map(|(_, shape)| bytes_of(shape, dtype)).sum()
    }

    /// Begins the file in `folder`.
    pub(crate) fn create(&self, folder: &Path, dtype: FloatType) -> Result<ShardFile> {
        let path = folder.join(&self.file);
        // transformers refuses files that do not name the framework whose layout they have.
        let mut header = Map::new();
        header.insert("__metadata__".into(), json!({ "format": "pt" }));
        let mut end = 0;
        for (name, shape) in &self.tensors {
            let begin = end;
            end += bytes_of(shape, dtype);
            let entry = json!({ "dtype": dtype.name_in_header(), "shape": shape, "data_offsets": [begin, end] });
            header.insert(name.clone(), entry);
        }
        let mut header = Value::Object(header).to_string();
        // The format wants the numbers to begin at a multiple of eight bytes.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let mut file = BufWriter::new(File::create(&path).map_err(Error::io(&path))?);
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(Error::io(&path))?;
        file.write_all(header.as_bytes()).map_err(Error::io(&path))?;
        Ok(ShardFile { path, file, dtype, missing: end, bytes: Vec::new() })
    }
}

/// A file whose header is written and whose numbers are on their way.
pub(crate) struct ShardFile {
    path: PathBuf,
    file: BufWriter<File>,
    dtype: FloatType,
    /// Bytes that the header promises and that are not there yet.
    missing: u64,
    bytes: Vec<u8>,
}

impl ShardFile {
    /// Appends the next numbers of the tensor `name`.
    pub(crate) fn append(&mut self, name: &str, numbers: &[f32]) -> Result<()> {
        if let Some(value) = self.dtype.first_too_large(numbers) {
            return Err(if value.is_finite() {
                Error::TooLarge { name: name.to_string(), value, dtype: self.dtype.name() }
            } else {
                Error::NonFinite { what: format!("a merged weight of \"{name}\"") }
            });
        }
        self.dtype.encode(numbers, &mut self.bytes);
        self.file.write_all(&self.bytes).map_err(Error::io(&self.path))?;
        self.missing = self.missing.wrapping_sub(self.bytes.len() as u64);
        Ok(())
    }

    /// Ends the file, on the disk.
    pub(crate) fn finish(self) -> Result<()> {
        if self.missing != 0 {
            let what = "the tensors written do not have the shapes of its header";
            return Err(Error::config(&self.path, what, "This is a fault of the program; please report it"));
        }
        let file = self.file.into_inner().map_err(|error| Error::io(&self.path)(error.into_error()))?;
        file.sync_all().map_err(Error::io(&self.path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::weights::SafetensorsFile;
    use candle_core::Device;
    use proptest::prelude::*;

    fn tensors() -> Vec<(String, Vec<usize>)> {
        [("a", vec![3, 5]), ("b", vec![7]), ("c", vec![1, 2, 2]), ("d", vec![11, 1])]
            .map(|(name, shape)| (name.to_string(), shape))
            .into()
    }

    fn numbers(shape: &[usize]) -> Vec<f32> {
        (0..shape.iter().product::<usize>()).map(|i| (i as f32 - 3.7) * 1.01).collect()
    }

    #[test]
    fn what_is_written_in_pieces_is_read_whole_and_rounded_once() {
        let dir = tempfile::tempdir().unwrap();
        for dtype in FloatType::ALL {
            let [shard] = <[Shard; 1]>::try_from(shards(tensors(), dtype, u64::MAX)).unwrap();
            assert_eq!(shard.file, "model.safetensors");
            let mut file = shard.create(dir.path(), dtype).unwrap();
            for (name, shape) in &shard.tensors {
                numbers(shape).chunks(4).for_each(|piece| file.append(name, piece).unwrap());
            }
            file.finish().unwrap();
            let path = dir.path().join(&shard.file);
            let length = u64::from_le_bytes(std::fs::read(&path).unwrap()[..8].try_into().unwrap());
            assert_eq!(length % 8, 0);
            let file = SafetensorsFile::open(&path).unwrap();
            for (name, shape) in tensors() {
                file.check(&name, &shape).unwrap();
                let found = file.tensor(&name, &Device::Cpu).unwrap().flatten_all().unwrap();
                let rounded = numbers(&shape).into_iter().map(|number| match dtype {
                    FloatType::F32 => number,
                    FloatType::Bf16 => bf16::from_f32(number).to_f32(),
                    FloatType::F16 => f16::from_f32(number).to_f32(),
                });
                assert_eq!(found.to_vec1::<f32>().unwrap(), rounded.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_file_that_is_not_as_its_header_says_is_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let shard = &shards(tensors(), FloatType::F32, u64::MAX)[0];
        let mut file = shard.create(dir.path(), FloatType::F32).unwrap();
        file.append("a", &[0.0; 14]).unwrap();
        assert!(file.finish().unwrap_err().to_string().contains("shapes"));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_by_the_name_of_their_tensor() {
        let dir = tempfile::tempdir().unwrap();
        let large = |dtype, value| {
            let shard = &shards(tensors(), dtype, u64::MAX)[0];
            shard.create(dir.path(), dtype).unwrap().append("b", &[1.0, value]).err().map(|error| error.to_string())
        };
        assert_eq!(large(FloatType::F16, 65_504.0), None);
        let error = large(FloatType::F16, -70_000.0).unwrap();
        assert!(error.contains("\"b\"") && error.contains("f16") && error.contains("bf16 or f32"), "{error}");
        assert_eq!(large(FloatType::Bf16, 70_000.0), None);
        assert_eq!(large(FloatType::F32, 1e38), None);
        for dtype in FloatType::ALL {
            assert!(large(dtype, f32::NAN).unwrap().contains("not a finite number"), "{dtype:?}");
        }
    }

    proptest! {
        #[test]
        fn every_tensor_is_in_one_file_and_no_file_is_too_large(most in 1u64..200, half: bool) {
            let dtype = if half { FloatType::F16 } else { FloatType::F32 };
            let shards = shards(tensors(), dtype, most);
            let all: Vec<_> = shards.iter().flat_map(|shard| shard.tensors.clone()).collect();
            prop_assert_eq!(all, tensors());
            for (place, shard) in shards.iter().enumerate() {
                prop_assert!(shard.bytes(dtype) <= most || shard.tensors.len() == 1);
                if shards.len() > 1 {
                    prop_assert_eq!(&shard.file, &format!("model-{:05}-of-{:05}.safetensors", place + 1, shards.len()));
                }
            }
            let index = index(&shards, dtype);
            prop_assert_eq!(index["weight_map"].as_object().unwrap().len(), 4);
            prop_assert_eq!(index["metadata"]["total_size"].as_u64().unwrap(), 37 * dtype.size());
        }
    }
}
