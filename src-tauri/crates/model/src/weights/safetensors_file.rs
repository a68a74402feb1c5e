//! One safetensors file: eight bytes of header length, a JSON header, then the tensors one after another.
//!
//! Nothing in the header is believed before it has been checked against the size of the file, and nothing is
//! allocated that the file could not fill. The file is read with seek and read: a memory map could be cut short
//! beneath us by another process, which no error could report.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use kernels::blocks;

/// The format's own limit on the header.
const MAX_HEADER: u64 = 100_000_000;

/// An open safetensors file whose header has been checked.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Where the tensors begin, in bytes from the start of the file.
    data_offset: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

impl SafetensorsFile {
    /// Reads and checks the header of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let damaged = |what: String| Error::config(path, what, "Download or write the file again");
        let mut file = File::open(path).map_err(Error::io(path))?;
        let size = file.metadata().map_err(Error::io(path))?.len();
        if size < 8 {
            return Err(damaged(format!("it has {size} bytes, too few for a safetensors file")));
        }
        let mut length = [0u8; 8];
        file.read_exact(&mut length).map_err(Error::io(path))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER || length > size - 8 {
            return Err(damaged(format!("its header claims {length} bytes, but the file has {size}")));
        }
        let mut text = Vec::with_capacity(length as usize);
        (&mut file).take(length).read_to_end(&mut text).map_err(Error::io(path))?;
        let mut header: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| damaged(format!("its header is not valid JSON: {error}")))?;
        drop(text);
        // Notes of whoever wrote the file; nothing here needs them.
        header.remove("__metadata__");
        let tensors = header
            .into_iter()
            .map(|(name, value)| match serde_json::from_value(value) {
                Ok(info) => Ok((name, info)),
                Err(error) => Err(damaged(format!("the header entry of \"{name}\" is damaged: {error}"))),
            })
            .collect::<Result<BTreeMap<String, TensorInfo>>>()?;
        check_layout(&tensors, size - 8 - length).map_err(damaged)?;
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(file), data_offset: 8 + length, tensors })
    }

    /// The names of the tensors in the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Checks that the tensor `name` is there with shape `expected` and with a type that can be decoded.
    pub(crate) fn check(&self, name: &str, expected: &[usize]) -> Result<()> {
        let info = self.info(name)?;
        if info.shape != expected {
            return Err(Error::Shape {
                name: name.to_string(),
                expected: expected.to_vec(),
                found: info.shape.clone(),
            });
        }
        self.format(name).map(|_| ())
    }

    /// The shape of the tensor `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.info(name)?.shape)
    }

    /// Reads the tensor `name` as f32 onto `device`.
    pub(crate) fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let shape = &self.info(name)?.shape;
        let mut numbers = vec![0f32; shape.iter().product()];
        let bytes = self.rows(name, 0..shape.first().copied().unwrap_or(1))?;
        blocks::decode(self.format(name)?, &bytes, &mut numbers);
        Ok(Tensor::from_vec(numbers, shape.as_slice(), device)?)
    }

    /// The numbers of these rows of the tensor `name`.
    pub(crate) fn numbers(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>> {
        let width: usize = self.info(name)?.shape.iter().skip(1).product();
        let mut numbers = vec![0f32; rows.len() * width];
        blocks::decode(self.format(name)?, &self.rows(name, rows)?, &mut numbers);
        Ok(numbers)
    }

    /// The bytes of these rows of a tensor, a vector's rows being its numbers.
    pub(crate) fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<u8>> {
        let info = self.info(name)?;
        let (begin, end) = info.data_offsets;
        let row = (end - begin) / info.shape.first().copied().unwrap_or(1).max(1);
        let wanted = rows.len() * row;
        let mut bytes = Vec::with_capacity(wanted);
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let start = self.data_offset + (begin + rows.start * row) as u64;
            file.seek(SeekFrom::Start(start)).map_err(Error::io(&self.path))?;
            (&mut *file).take(wanted as u64).read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        }
        if bytes.len() != wanted {
            let what = format!("it became shorter while \"{name}\" was read");
            return Err(Error::config(&self.path, what, "Is another program writing it?"));
        }
        Ok(bytes)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        let missing = || Error::MissingTensor { name: name.to_string(), file: self.path.clone() };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// The type of a tensor's numbers.
    pub(crate) fn format(&self, name: &str) -> Result<GgmlDType> {
        match self.info(name)?.dtype {
            Dtype::F32 => Ok(GgmlDType::F32),
            Dtype::F16 => Ok(GgmlDType::F16),
            Dtype::BF16 => Ok(GgmlDType::BF16),
            other => {
                let what = format!("the tensor \"{name}\" is stored as {other}, not as F32, F16 or BF16");
                Err(Error::config(&self.path, what, "Take an unquantised version of the model, or a GGUF file"))
            }
        }
    }
}

/// Checks that the tensors fill `data_bytes` exactly, one after another, each as long as its shape and type say.
fn check_layout(tensors: &BTreeMap<String, TensorInfo>, data_bytes: u64) -> std::result::Result<(), String> {
    let mut order: Vec<(&String, &TensorInfo)> = tensors.iter().collect();
    order.sort_by_key(|(_, info)| info.data_offsets);
    let mut place = 0;
    for (name, info) in order {
        let (begin, end) = info.data_offsets;
        if end as u64 > data_bytes {
            return Err(format!(
                "the tensor \"{name}\" ends at byte {end} of the data, but only {data_bytes} bytes are there: the file \
                 is incomplete"
            ));
        }
        if begin > end || begin != place {
            return Err(format!(
                "the tensor \"{name}\" lies at bytes {begin} to {end} of the data, overlapping another or leaving a gap"
            ));
        }
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, &size| bits.checked_mul(size));
        if bits != (end - begin).checked_mul(8) {
            return Err(format!(
                "the tensor \"{name}\" of type {} and shape {:?} cannot have {} bytes",
                info.dtype,
                info.shape,
                end - begin
            ));
        }
        place = end;
    }
    if place as u64 != data_bytes {
        return Err(format!("it has {data_bytes} bytes of data where its tensors take {place}"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file with the header `json` and `data` bytes of data.
    fn file(json: &str, data: usize) -> tempfile::NamedTempFile {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes.extend((0..data).map(|i| i as u8));
        raw(&bytes)
    }

    fn raw(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    const GOOD: &str = r#"{"__metadata__":{"format":"pt"},
        "a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}"#;

    #[test]
    fn tensors_are_read_by_name() {
        let file = file(GOOD, 14);
        let file = SafetensorsFile::open(file.path()).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((file.format("a").unwrap(), file.format("b").unwrap()), (GgmlDType::F32, GgmlDType::BF16));
        assert_eq!(file.rows("a", 0..2).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(file.rows("a", 1..2).unwrap(), [4, 5, 6, 7]);
        assert_eq!(file.rows("b", 1..3).unwrap(), [10, 11, 12, 13]);
        assert!(file.check("a", &[2, 1]).is_ok());
        assert!(matches!(file.check("a", &[1, 2]), Err(Error::Shape { .. })));
        assert!(matches!(file.check("c", &[1]), Err(Error::MissingTensor { .. })));
    }

    #[test]
    fn hostile_headers_are_refused_with_a_reason() {
        let entry = |rest: &str| format!(r#"{{"a":{rest}}}"#);
        let cases = [
            (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#.to_string(), 8, "JSON"),
            ("[]".to_string(), 0, "JSON"),
            (entry("3"), 8, "header entry of \"a\""),
            (entry(r#"{"dtype":"F31","shape":[2],"data_offsets":[0,8]}"#), 8, "header entry of \"a\""),
            (entry(r#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#), 8, "header entry of \"a\""),
            (entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#), 7, "incomplete"),
            (entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#), 9, "9 bytes of data"),
            (entry(r#"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#), 8, "cannot have 8 bytes"),
            (entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#), 8, "8 to 0"),
            (entry(r#"{"dtype":"F32","shape":[18446744073709551615,16],"data_offsets":[0,8]}"#), 8, "cannot have"),
            (entry(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}"#), 8, "incomplete"),
            (
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#
                    .to_string(),
                12,
                "overlapping",
            ),
        ];
        for (json, data, reason) in cases {
            let error = SafetensorsFile::open(file(&json, data).path()).err().unwrap().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        for bytes in [&[][..], &[1, 2, 3], &u64::MAX.to_le_bytes(), &50u64.to_le_bytes()] {
            assert!(matches!(SafetensorsFile::open(raw(bytes).path()), Err(Error::Config { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn a_type_without_fractions_is_refused_by_name() {
        let file = file(r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, 8);
        let error = SafetensorsFile::open(file.path()).unwrap().check("a", &[1]).unwrap_err().to_string();
        assert!(error.contains("\"a\"") && error.contains("I64"), "{error}");
    }

    proptest! {
        /// A file with bytes changed or cut off is read or refused, and what is read has the shape of its header.
        #[test]
        fn damage_never_panics(changes in prop::collection::vec((0usize..400, any::<u8>()), 0..6), keep in 0usize..400) {
            let mut bytes = std::fs::read(file(GOOD, 14).path()).unwrap();
            for (place, byte) in changes {
                if let Some(old) = bytes.get_mut(place) {
                    *old = byte;
                }
            }
            bytes.truncate(keep);
            let file = raw(&bytes);
            if let Ok(open) = SafetensorsFile::open(file.path()) {
                for name in open.names().map(str::to_string).collect::<Vec<_>>() {
                    if let Ok(tensor) = open.tensor(&name, &Device::Cpu) {
                        prop_assert_eq!(tensor.dims(), open.tensors[&name].shape.as_slice());
                    }
                }
            }
        }
    }
}
