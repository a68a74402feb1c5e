//! A GGUF file in parts, the way `llama-gguf-split` makes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use gguf::{Model, NewTensor, Value, Writer};

/// Splits the file `NAME.gguf` into `count` parts beside it, `NAME-00001-of-…` and so on, and removes it. The first has the
/// metadata and, as all others, its share of the tensors.
///
/// # Errors
/// When the file cannot be read, has fewer tensors than there are to be parts, or a part cannot be written.
pub fn split_gguf(whole: &Path, count: u16) -> Result<Vec<PathBuf>> {
    let model = Model::open(whole).map_err(Error::other)?;
    let all = model.header.tensors.len();
    let stem = whole.with_extension("").display().to_string();
    let share = all.div_ceil(count.into());
    let mut parts = Vec::new();
    for number in 0..count {
        let path = PathBuf::from(format!("{stem}-{:05}-of-{count:05}.gguf", number + 1));
        let mut metadata = if number == 0 { model.header.metadata.clone() } else { BTreeMap::new() };
        metadata.insert("split.no".into(), Value::U16(number));
        metadata.insert("split.count".into(), Value::U16(count));
        metadata.insert("split.tensors.count".into(), Value::I32(all as i32));
        let first = usize::from(number) * share;
        let infos = &model.header.tensors[first..all.min(first + share)];
        let new = |info: &gguf::TensorInfo| NewTensor {
            name: info.name.clone(),
            shape: info.shape.clone(),
            block_type: info.block_type,
        };
        let tensors: Vec<NewTensor> = infos.iter().map(new).collect();
        let mut writer = Writer::create(&path, &metadata, &tensors).map_err(Error::other)?;
        for (at, info) in infos.iter().enumerate() {
            let mut file = File::open(whole)?;
            file.seek(SeekFrom::Start(model.place(first + at).1))?;
            let mut bytes = vec![0; info.bytes as usize];
            file.read_exact(&mut bytes)?;
            writer.append(&info.name, &bytes).map_err(Error::other)?;
        }
        writer.finish().map_err(Error::other)?;
        parts.push(path);
    }
    std::fs::remove_file(whole)?;
    Ok(parts)
}
