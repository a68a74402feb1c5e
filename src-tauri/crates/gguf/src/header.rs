//! A header as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::reader::Reader;
use crate::{BlockType, Error, Model, Value};

/// The most array elements that the metadata of one file may hold, over all its arrays. The largest vocabularies of
/// today need about a million; this many take 256 MiB.
pub const MAX_VALUES: u64 = 1 << 23;

/// A tensor of ggml has at most this many axes (`GGML_MAX_DIMS`).
pub(crate) const MAX_AXES: u32 = 4;

/// The smallest metadata entry: an empty key's length, a type and one byte.
const SMALLEST_ENTRY: u64 = 8 + 4 + 1;

/// The smallest tensor description: an empty name's length, no axes, a block type and an offset.
const SMALLEST_TENSOR: u64 = 8 + 4 + 4 + 8;

/// Where data begins after the header, unless `general.alignment` says otherwise.
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;

/// What stands before the data of a GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The version of the format: 2 or 3.
    pub version: u32,
    /// Metadata by key.
    pub metadata: BTreeMap<String, Value>,
    /// The tensors in the file's order.
    pub tensors: Vec<TensorInfo>,
    /// Bytes from the start of the file to the start of the data.
    pub data_offset: u64,
}

/// One tensor: what it is and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Its shape with the outermost axis first, as everywhere but in ggml: `[out, in]` for a linear layer. The product
    /// of the axes fits a `usize`.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub block_type: BlockType,
    /// Where it begins, in bytes from [`Header::data_offset`].
    pub offset: u64,
    /// Its size in bytes; for a block type that is not known here, what lies between it and what comes next.
    pub bytes: u64,
}

/// Reads the header of the file at `path`. Of a model that was split, any part gives the header of the whole, which says what
/// there is but not where it lies: for that see [`crate::Model`].
///
/// # Errors
/// When the file cannot be read, is no GGUF file, ends too early, or is damaged; the error names the file and the place. Of a
/// model that was split, when a part is missing or they do not belong together.
pub fn read_header(path: &Path) -> Result<Header, Error> {
    Ok(Model::open(path)?.header)
}

/// The header of this file alone.
pub(crate) fn read_one_header(path: &Path) -> Result<Header, Error> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        read_header_from(BufReader::with_capacity(1 << 16, file), length)
    };
    read().map_err(|source| Error::File { path: path.to_path_buf(), source: Box::new(source) })
}

/// Reads a header from the start of `reader`, which holds `file_len` bytes in all.
///
/// # Errors
/// As [`read_header`], of this file alone.
pub fn read_header_from<R: Read + Seek>(mut reader: R, file_len: u64) -> Result<Header, Error> {
    reader.seek(SeekFrom::Start(0))?;
    let mut reader = Reader::new(reader, file_len);
    let magic: [u8; 4] = reader.bytes("the mark \"GGUF\"")?;
    if &magic != b"GGUF" {
        return Err(Error::NotGguf { found: magic.to_vec() });
    }
    let version = reader.u32("the version")?;
    match version {
        2 | 3 => {}
        _ if matches!(version.swap_bytes(), 1..=3) => return Err(Error::BigEndian),
        _ => return Err(Error::Version(version)),
    }
    let tensor_count = reader.count("the number of tensors", SMALLEST_TENSOR)?;
    let entry_count = reader.count("the number of metadata entries", SMALLEST_ENTRY)?;

    let mut metadata = BTreeMap::new();
    for index in 0..entry_count {
        let at = reader.at();
        let key = reader.string(&format!("the key of metadata entry {index}"))?;
        let what = format!("the metadata \"{}\"", shortened(&key));
        let value = reader.value(&what)?;
        if metadata.insert(key, value).is_some() {
            return Err(Error::Invalid { what, at, problem: "stands there twice".to_owned() });
        }
    }
    let mut tensors = Vec::new();
    let mut names = BTreeSet::new();
    for index in 0..tensor_count {
        let tensor = read_tensor(&mut reader, index)?;
        if !names.insert(tensor.name.clone()) {
            let name = shortened(&tensor.name).to_owned();
            return Err(Error::Tensor { name, problem: "stands in the file twice".to_owned() });
        }
        tensors.push(tensor);
    }

    let alignment = alignment(&metadata)?;
    // The header lies inside the file, whose length is no larger than i64 allows; alignment is a u32.
    let data_offset = reader.at().next_multiple_of(alignment);
    place(&mut tensors, alignment, file_len.saturating_sub(data_offset))?;
    Ok(Header { version, metadata, tensors, data_offset })
}

/// One tensor description. The size of an unknown block type is left at 0.
fn read_tensor<R: Read>(reader: &mut Reader<R>, index: u64) -> Result<TensorInfo, Error> {
    let name = reader.string(&format!("the name of tensor {index}"))?;
    let what = format!("the description of the tensor \"{}\"", shortened(&name));
    let wrong = |problem: String| Error::Tensor { name: shortened(&name).to_owned(), problem };
    let axes = reader.u32(&what)?;
    if axes > MAX_AXES {
        return Err(wrong(format!("has {axes} axes; at most {MAX_AXES} are possible")));
    }
    let mut shape = Vec::new();
    for _ in 0..axes {
        let size = reader.u64(&what)?;
        shape.push(usize::try_from(size).map_err(|_| wrong(format!("has an axis of size {size}")))?);
    }
    let block_type = BlockType(reader.u32(&what)?);
    let offset = reader.u64(&what)?;

    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let Some(elements) = elements else {
        return Err(wrong(format!("has the impossible shape {shape:?}")));
    };
    let bytes = match (block_type.block_size(), block_type.type_size()) {
        (Some(block_size), Some(type_size)) => {
            // ggml's first axis is the innermost one, whose elements lie side by side.
            let row = shape.first().copied().unwrap_or(1) as u64;
            if !row.is_multiple_of(block_size) {
                return Err(wrong(format!(
                    "has rows of {row} numbers, which {block_type} cannot hold: {block_size} make a block"
                )));
            }
            let size = (elements as u64 / block_size).checked_mul(type_size);
            size.ok_or_else(|| wrong(format!("has the impossible shape {shape:?}")))?
        }
        _ => 0,
    };
    shape.reverse();
    Ok(TensorInfo { name, shape, block_type, offset, bytes })
}

/// The beginning of a name, for a message: a damaged file may hold a name of many megabytes.
fn shortened(name: &str) -> &str {
    const MOST: usize = 100;
    name.char_indices().nth(MOST).map_or(name, |(end, _)| &name[..end])
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64, Error> {
    const KEY: &str = "general.alignment";
    match metadata.get(KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(&Value::U32(alignment)) if alignment.is_power_of_two() => Ok(alignment.into()),
        Some(value) => {
            let found = value.as_i64().map_or_else(|| value.type_name().to_owned(), |number| number.to_string());
            let problem = format!("should be a power of two as uint32, but is {found}");
            Err(Error::Invalid { what: format!("the metadata \"{KEY}\""), at: 0, problem })
        }
    }
}

/// Checks that each tensor lies inside the data, and gives those of unknown block types what lies up to the next one.
fn place(tensors: &mut [TensorInfo], alignment: u64, data_len: u64) -> Result<(), Error> {
    let starts: BTreeSet<u64> = tensors.iter().map(|tensor| tensor.offset).collect();
    for tensor in tensors {
        let TensorInfo { name, block_type, offset, bytes, .. } = tensor;
        let wrong = |problem: String| Error::Tensor { name: shortened(name).to_owned(), problem };
        if !offset.is_multiple_of(alignment) {
            return Err(wrong(format!("begins at byte {offset} of the data, which is no multiple of {alignment}")));
        }
        let left = data_len.checked_sub(*offset).filter(|left| *bytes <= *left);
        let Some(left) = left else {
            return Err(wrong(format!(
                "should take {bytes} bytes from byte {offset} of the data on, but the file holds {data_len} bytes of \
                 data: the file ends too early. Download it again"
            )));
        };
        if block_type.block_size().is_none() {
            let next = starts.range(*offset + 1..).next();
            *bytes = next.map_or(left, |next| (next - *offset).min(left));
        }
    }
    Ok(())
}
