//! A model in one file, or in the parts that `llama-gguf-split` makes of one (`tools/gguf-split` of llama.cpp): `NAME-00001-of-
//! 00003.gguf` and so on, of which the first holds the metadata, and each says which it is (`split.no`, from 0), of how
//! many (`split.count`), and how many tensors all hold together (`split.tensors.count`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::header::read_one_header;
use crate::{Error, Header, TensorInfo, Value};

/// What only a model that was split has in its metadata.
const NUMBER: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";

/// The files of a model and what they hold together.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The first file's metadata, and the tensors of all files, in the order of the files. A tensor's offset is from the
    /// start of the data of its own file, see [`Model::place`].
    pub header: Header,
    /// The files in order.
    pub files: Vec<PathBuf>,
    /// For each file the start of its data, and how many tensors it and those before it hold.
    bounds: Vec<(u64, usize)>,
}

impl Model {
    /// Reads the header of the file at `path` and, where it is a part of a model that was split, of the others too; it may be
    /// any of them.
    ///
    /// # Errors
    /// As [`crate::read_header`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let in_file = |path: &Path, source| Error::File { path: path.to_path_buf(), source: Box::new(source) };
        let files = files_of(path);
        let own = files.iter().position(|file| file == path).unwrap_or(0);
        let given = read_one_header(path)?;
        check_name(&given, own, files.len()).map_err(|error| in_file(path, error))?;
        if let Some((place, missing)) = files.iter().enumerate().find(|(_, file)| !file.is_file()) {
            let name = name_of(missing).to_owned();
            return Err(in_file(path, Error::MissingPart { number: place + 1, count: files.len(), name }));
        }
        let mut headers = Vec::with_capacity(files.len());
        for (place, file) in files.iter().enumerate() {
            let header = if place == own { given.clone() } else { read_one_header(file)? };
            check_name(&header, place, files.len()).map_err(|error| in_file(file, error))?;
            headers.push(header);
        }
        let mut headers = headers.into_iter();
        let Some(mut whole) = headers.next() else {
            return Err(in_file(path, Error::Io(std::io::ErrorKind::NotFound.into())));
        };
        let mut bounds = vec![(whole.data_offset, whole.tensors.len())];
        let mut names: BTreeSet<String> = whole.tensors.iter().map(|tensor| tensor.name.clone()).collect();
        for (header, file) in headers.zip(&files[1..]) {
            let other = |problem: String| in_file(file, Error::NotOfOneModel { problem });
            for key in ["general.architecture", "general.name", "general.uuid", TENSORS] {
                if let (Some(first), Some(here)) = (whole.metadata.get(key), header.metadata.get(key))
                    && first != here
                {
                    return Err(other(format!("its \"{key}\" is another than that of {}", name_of(&files[0]))));
                }
            }
            for tensor in &header.tensors {
                if !names.insert(tensor.name.clone()) {
                    return Err(other(format!("its tensor \"{}\" is in another part too", tensor.name)));
                }
            }
            whole.tensors.extend(header.tensors);
            bounds.push((header.data_offset, whole.tensors.len()));
        }
        let said = whole.metadata.get(TENSORS).and_then(Value::as_u64);
        if let Some(said) = said.filter(|&said| files.len() > 1 && said != whole.tensors.len() as u64) {
            let problem = format!("they hold {} tensors together, where {TENSORS} says {said}", whole.tensors.len());
            return Err(in_file(path, Error::NotOfOneModel { problem }));
        }
        Ok(Self { header: whole, files, bounds })
    }

    /// Where the tensor at this place in the header's list lies: which file, and the byte from that file's start at which it
    /// begins.
    pub fn place(&self, tensor: usize) -> (usize, u64) {
        let TensorInfo { offset, .. } = &self.header.tensors[tensor];
        let file = self.bounds.iter().position(|&(_, end)| tensor < end).unwrap_or(0);
        // Of a header that was read the tensor lies inside its file.
        (file, self.bounds[file].0 + offset)
    }
}

/// The files of the model of which the file at `path` is one, in order: by its name, itself alone, or all parts of a model
/// that was split, whether they are there or not.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    match split_name(name_of(path)) {
        Some((stem, _, count)) => {
            (1..=count).map(|number| path.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf"))).collect()
        }
        None => vec![path.to_path_buf()],
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The beginning of `NAME-00002-of-00003.gguf`, the number, and how many there are.
fn split_name(name: &str) -> Option<(&str, usize, usize)> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let five = |digits: &str| {
        (digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    let (number, count): (usize, usize) = (five(number)?, five(count)?);
    (1..=count).contains(&number).then_some((stem, number, count))
}

/// Checks that a file is the part that its name says.
fn check_name(header: &Header, place: usize, count: usize) -> Result<(), Error> {
    let number = |key: &str| header.metadata.get(key).and_then(Value::as_u64);
    let said = number(COUNT).unwrap_or(1);
    let part = number(NUMBER).unwrap_or(0);
    if (said.max(1), part) == (count as u64, place as u64) {
        return Ok(());
    }
    let says = if said > 1 {
        format!("it says that it is part {} of {said} ({NUMBER}, {COUNT})", part.saturating_add(1))
    } else {
        format!("it does not say that it is a part of a model that was split ({COUNT})")
    };
    let named = if count > 1 {
        format!("its name says part {} of {count}", place + 1)
    } else {
        "its name does not (NAME-00001-of-00002.gguf)".to_owned()
    };
    Err(Error::NotOfOneModel { problem: format!("{says}, and {named}") })
}
