//! Writing a GGUF file too large for memory: the header follows from names, shapes and block types, and the tensors come
//! piece by piece, in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::header::{DEFAULT_ALIGNMENT, MAX_AXES};
use crate::{BlockType, Error, Value};

/// The version of the format that is written.
const VERSION: u32 = 3;

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTensor {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Its shape with the outermost axis first, as in [`crate::TensorInfo`].
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub block_type: BlockType,
}

impl NewTensor {
    /// Its size in bytes.
    ///
    /// # Errors
    /// When the block type is not known, its blocks do not fit the rows, or the shape is impossible.
    pub fn bytes(&self) -> Result<u64, Error> {
        let wrong = |problem: String| Error::Tensor { name: self.name.clone(), problem };
        let (Some(block), Some(size)) = (self.block_type.block_size(), self.block_type.type_size()) else {
            return Err(wrong(format!("cannot be written as {}", self.block_type)));
        };
        if self.shape.len() > MAX_AXES as usize {
            return Err(wrong(format!("has {} axes; at most {MAX_AXES} are possible", self.shape.len())));
        }
        let row = self.shape.last().map_or(1, |&row| row as u64);
        if !row.is_multiple_of(block) {
            return Err(wrong(format!(
                "has rows of {row} numbers, which {} cannot hold: {block} make a block",
                self.block_type
            )));
        }
        let elements = self.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
        let bytes = elements.and_then(|elements| (elements / block).checked_mul(size));
        bytes.ok_or_else(|| wrong(format!("has the impossible shape {:?}", self.shape)))
    }
}

/// A file whose header is written and whose tensors are on their way. It has another name until [`Writer::finish`], and
/// is removed where it is dropped before.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: Option<BufWriter<File>>,
    /// Name and bytes of the tensors that are not complete, the next one last.
    missing: Vec<(String, u64)>,
    /// Bytes of data so far.
    written: u64,
}

impl Writer {
    /// Begins the file at `path` with this metadata and these tensors, whose data is then appended in this order.
    ///
    /// # Errors
    /// When a tensor cannot be described, two have one name, an array holds values of several types, or the file cannot
    /// be written.
    pub fn create(path: &Path, metadata: &BTreeMap<String, Value>, tensors: &[NewTensor]) -> Result<Self, Error> {
        let mut header = Vec::new();
        header.extend(b"GGUF");
        header.extend(VERSION.to_le_bytes());
        header.extend((tensors.len() as u64).to_le_bytes());
        header.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata {
            write_string(&mut header, key);
            header.extend(type_number(value).to_le_bytes());
            write_value(&mut header, key, value)?;
        }
        let mut names = BTreeSet::new();
        let mut missing = Vec::with_capacity(tensors.len());
        let mut offset = 0u64;
        for tensor in tensors {
            if !names.insert(&tensor.name) {
                return Err(Error::Tensor {
                    name: tensor.name.clone(),
                    problem: "would stand in the file twice".into(),
                });
            }
            let bytes = tensor.bytes()?;
            write_string(&mut header, &tensor.name);
            header.extend((tensor.shape.len() as u32).to_le_bytes());
            for &size in tensor.shape.iter().rev() {
                header.extend((size as u64).to_le_bytes());
            }
            header.extend(tensor.block_type.0.to_le_bytes());
            header.extend(offset.to_le_bytes());
            offset = offset.saturating_add(bytes).next_multiple_of(DEFAULT_ALIGNMENT);
            missing.push((tensor.name.clone(), bytes));
        }
        missing.reverse();
        header.resize(header.len().next_multiple_of(DEFAULT_ALIGNMENT as usize), 0);

        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let begin = || -> std::io::Result<BufWriter<File>> {
            let mut file = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
            file.write_all(&header)?;
            Ok(file)
        };
        let file = begin().map_err(|error| in_file(path, error.into()))?;
        let mut this = Self { path: path.to_path_buf(), partial, file: Some(file), missing, written: 0 };
        this.end_complete_tensors()?;
        Ok(this)
    }

    /// Appends the next bytes of the tensor `name`, which must be the one whose turn it is.
    ///
    /// # Errors
    /// When it is another tensor's turn, there are more bytes than it has, or they cannot be written.
    pub fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let wrong = |problem: String| Error::Tensor { name: name.to_owned(), problem };
        match self.missing.last_mut() {
            Some((next, left)) if next == name => {
                let after = left.checked_sub(bytes.len() as u64);
                *left = after.ok_or_else(|| wrong(format!("has {left} bytes left to write, not {}", bytes.len())))?;
            }
            Some((next, _)) => return Err(wrong(format!("was written where it is the turn of \"{next}\""))),
            None => return Err(wrong("was written when all tensors were complete".into())),
        }
        self.put(bytes)?;
        self.end_complete_tensors()
    }

    /// Ends the file: on the disk, and under its name.
    ///
    /// # Errors
    /// When tensors are missing or the file cannot be written.
    pub fn finish(mut self) -> Result<(), Error> {
        if let Some((name, left)) = self.missing.last() {
            let problem = format!("lacks {left} bytes");
            return Err(Error::Tensor { name: name.clone(), problem });
        }
        let Some(file) = self.file.take() else { return Ok(()) };
        let end = || -> std::io::Result<()> {
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&self.partial, &self.path)
        };
        end().map_err(|error| {
            // Half a file under another name is of no use to anybody.
            let _ = std::fs::remove_file(&self.partial);
            in_file(&self.path, error.into())
        })
    }

    /// Fills up to the alignment behind each tensor that has no bytes left to come.
    fn end_complete_tensors(&mut self) -> Result<(), Error> {
        while self.missing.last().is_some_and(|(_, left)| *left == 0) {
            self.missing.pop();
            let padding = self.written.next_multiple_of(DEFAULT_ALIGNMENT) - self.written;
            self.put(&[0; DEFAULT_ALIGNMENT as usize][..padding as usize])?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|error| in_file(&self.path, error.into()))?;
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn in_file(path: &Path, source: Error) -> Error {
    Error::File { path: path.to_path_buf(), source: Box::new(source) }
}

fn write_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The number of a value's type in the format.
fn type_number(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

fn write_value(bytes: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::U8(value) => bytes.push(*value),
        Value::I8(value) => bytes.extend(value.to_le_bytes()),
        Value::U16(value) => bytes.extend(value.to_le_bytes()),
        Value::I16(value) => bytes.extend(value.to_le_bytes()),
        Value::U32(value) => bytes.extend(value.to_le_bytes()),
        Value::I32(value) => bytes.extend(value.to_le_bytes()),
        Value::U64(value) => bytes.extend(value.to_le_bytes()),
        Value::I64(value) => bytes.extend(value.to_le_bytes()),
        Value::F32(value) => bytes.extend(value.to_le_bytes()),
        Value::F64(value) => bytes.extend(value.to_le_bytes()),
        Value::Bool(value) => bytes.push(u8::from(*value)),
        Value::String(text) => write_string(bytes, text),
        Value::Array(values) => {
            // What an empty array would hold nobody knows; lists of text are those that may be empty.
            let kind = values.first().map_or(8, type_number);
            if values.iter().any(|value| type_number(value) != kind) {
                let problem = "is a list of values of several types, which the format has no room for".to_owned();
                return Err(Error::Invalid {
                    what: format!("the metadata \"{key}\""),
                    at: bytes.len() as u64,
                    problem,
                });
            }
            bytes.extend(kind.to_le_bytes());
            bytes.extend((values.len() as u64).to_le_bytes());
            values.iter().try_for_each(|value| write_value(bytes, key, value))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
