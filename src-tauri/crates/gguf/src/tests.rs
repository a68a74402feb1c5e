//! Headers written by a small writer and read back, whole, cut, changed and hostile.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// Writes what the reader reads.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn start(version: u32, tensors: u64, entries: u64) -> Self {
        let mut writer = Self(b"GGUF".to_vec());
        writer.u32(version);
        writer.u64(tensors);
        writer.u64(entries);
        writer
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn string(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn kind(value: &Value) -> u32 {
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

    fn value(&mut self, value: &Value) {
        match value {
            Value::U8(value) => self.0.push(*value),
            Value::I8(value) => self.0.extend(value.to_le_bytes()),
            Value::U16(value) => self.0.extend(value.to_le_bytes()),
            Value::I16(value) => self.0.extend(value.to_le_bytes()),
            Value::U32(value) => self.0.extend(value.to_le_bytes()),
            Value::I32(value) => self.0.extend(value.to_le_bytes()),
            Value::U64(value) => self.0.extend(value.to_le_bytes()),
            Value::I64(value) => self.0.extend(value.to_le_bytes()),
            Value::F32(value) => self.0.extend(value.to_le_bytes()),
            Value::F64(value) => self.0.extend(value.to_le_bytes()),
            Value::Bool(value) => self.0.push(u8::from(*value)),
            Value::String(text) => self.string(text),
            Value::Array(values) => {
                self.u32(values.first().map_or(4, Self::kind));
                self.u64(values.len() as u64);
                for value in values {
                    self.value(value);
                }
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Value) {
        self.string(key);
        self.u32(Self::kind(value));
        self.value(value);
    }

    /// The description of a tensor; `shape` has the outermost axis first.
    fn tensor(&mut self, name: &str, shape: &[u64], block_type: u32, offset: u64) {
        self.string(name);
        self.u32(shape.len() as u32);
        for &size in shape.iter().rev() {
            self.u64(size);
        }
        self.u32(block_type);
        self.u64(offset);
    }

    /// The file, with `data_len` bytes of data.
    fn finish(mut self, alignment: usize, data_len: usize) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(alignment) + data_len, 0);
        self.0
    }
}

fn read(bytes: &[u8]) -> Result<Header, Error> {
    read_header_from(Cursor::new(bytes), bytes.len() as u64)
}

fn message(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

/// A whole file as the writer makes it, and what should be read from it.
fn write(metadata: &BTreeMap<String, Value>, tensors: &[(Vec<usize>, u32)], alignment: u32) -> (Vec<u8>, Header) {
    let mut metadata = metadata.clone();
    metadata.insert("general.alignment".to_owned(), Value::U32(alignment));
    let mut writer = Writer::start(3, tensors.len() as u64, metadata.len() as u64);
    for (key, value) in &metadata {
        writer.entry(key, value);
    }
    let mut infos = Vec::new();
    let mut offset = 0u64;
    for (index, (shape, block_type)) in tensors.iter().enumerate() {
        let block_type = BlockType(*block_type);
        let mut shape = shape.clone();
        if let Some(row) = shape.last_mut() {
            *row *= block_type.block_size().unwrap() as usize;
        }
        let elements: usize = shape.iter().product();
        let bytes = elements as u64 / block_type.block_size().unwrap() * block_type.type_size().unwrap();
        let name = format!("blk.{index}.weight");
        let wide: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        writer.tensor(&name, &wide, block_type.0, offset);
        infos.push(TensorInfo { name, shape, block_type, offset, bytes });
        offset = (offset + bytes).next_multiple_of(alignment.into());
    }
    let data_offset = writer.0.len().next_multiple_of(alignment as usize) as u64;
    let file = writer.finish(alignment as usize, offset as usize);
    (file, Header { version: 3, metadata, tensors: infos, data_offset })
}

/// Any value but a float, whose NaN would not equal itself.
fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        (-1e30f32..1e30).prop_map(Value::F32),
        (-1e300f64..1e300).prop_map(Value::F64),
        any::<bool>().prop_map(Value::Bool),
        ".{0,20}".prop_map(Value::String),
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_scalar(),
        1 => prop::collection::vec(".{0,8}".prop_map(Value::String), 0..6).prop_map(Value::Array),
        1 => prop::collection::vec(any::<i32>().prop_map(Value::I32), 0..6).prop_map(Value::Array),
        1 => prop::collection::vec(
            prop::collection::vec(any::<bool>().prop_map(Value::Bool), 0..3).prop_map(Value::Array),
            0..3
        )
        .prop_map(Value::Array),
    ]
}

type Parts = (BTreeMap<String, Value>, Vec<(Vec<usize>, u32)>, u32);

fn any_parts() -> impl Strategy<Value = Parts> {
    let block_type = prop::sample::select(vec![0u32, 1, 2, 3, 6, 8, 12, 14, 16, 20, 30, 39]);
    let tensor = (prop::collection::vec(0usize..4, 0..4), block_type)
        // Without an axis there is one element, which only a type with blocks of one can hold.
        .prop_map(|(shape, kind)| if shape.is_empty() { (shape, 0) } else { (shape, kind) });
    let alignment = (0u32..8).prop_map(|power| 1 << power);
    (prop::collection::btree_map("[a-z.]{1,16}", any_value(), 0..8), prop::collection::vec(tensor, 0..5), alignment)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read((metadata, tensors, alignment) in any_parts()) {
        let (file, expected) = write(&metadata, &tensors, alignment);
        prop_assert_eq!(read(&file).unwrap(), expected);
    }

    #[test]
    fn a_cut_file_is_refused((metadata, tensors, alignment) in any_parts(), cut in any::<prop::sample::Index>()) {
        let (file, expected) = write(&metadata, &tensors, alignment);
        let cut = &file[..cut.index(file.len())];
        // What may be missing is padding, and data that no tensor needs.
        let needed = expected.tensors.iter().map(|tensor| expected.data_offset + tensor.offset + tensor.bytes).max();
        match read(cut) {
            Ok(header) => {
                prop_assert_eq!(&header, &expected);
                prop_assert!(needed.unwrap_or(0) <= (cut.len() as u64).max(expected.data_offset));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn a_changed_file_never_panics(
        (metadata, tensors, alignment) in any_parts(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (mut file, _) = write(&metadata, &tensors, alignment);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(header) = read(&file) {
            for tensor in header.tensors {
                prop_assert!(tensor.bytes == 0
                    || header.data_offset + tensor.offset + tensor.bytes <= file.len() as u64);
            }
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut file = Writer::start(3, 1, 1).0;
        file.extend(&noise);
        let _ = read(&file);
        prop_assert!(read(&noise).is_err() || noise.starts_with(b"GGUF"));
    }
}

#[test]
fn shapes_come_with_the_outermost_axis_first() {
    let mut writer = Writer::start(2, 2, 0);
    writer.tensor("a", &[3, 64], 3, 0);
    writer.tensor("b", &[], 0, 128);
    let header = read(&writer.finish(32, 132)).unwrap();
    assert_eq!(header.version, 2);
    assert_eq!(header.tensors[0].shape, [3, 64]);
    assert_eq!(header.tensors[0].bytes, 3 * 2 * 20);
    assert_eq!(header.tensors[0].block_type.name(), "Q4_1");
    assert_eq!((header.tensors[1].shape.len(), header.tensors[1].bytes), (0, 4));
    assert_eq!(header.data_offset % 32, 0);
}

#[test]
fn a_block_type_that_is_not_known_is_named_and_takes_what_lies_there() {
    let mut writer = Writer::start(3, 2, 0);
    writer.tensor("odd", &[7], 77, 0);
    writer.tensor("odder", &[7], 31, 64);
    let header = read(&writer.finish(32, 100)).unwrap();
    assert_eq!(header.tensors[0].block_type.name(), "unknown (77)");
    assert_eq!(header.tensors[0].bytes, 64);
    assert_eq!(header.tensors[1].bytes, 36);
    assert_eq!(BlockType(16).to_string(), "IQ2_XXS");
}

#[test]
fn other_files_and_versions_are_told_apart() {
    assert!(message(b"").contains("ends too early"));
    assert!(message(b"PK\x03\x04 and more").contains("not a GGUF file"));
    assert!(message(&Writer::start(1, 0, 0).0).contains("version 1"));
    let mut big_endian = b"GGUF".to_vec();
    big_endian.extend(3u32.to_be_bytes());
    big_endian.extend([0; 16]);
    assert!(message(&big_endian).contains("big-endian"));
}

#[test]
fn huge_counts_and_lengths_are_refused_before_anything_is_allocated() {
    assert!(message(&Writer::start(3, u64::MAX, 0).0).contains("number of tensors"));
    assert!(message(&Writer::start(3, 0, u64::MAX / 13).0).contains("number of metadata entries"));

    let mut long_key = Writer::start(3, 0, 1);
    long_key.u64(u64::MAX);
    assert!(message(&long_key.finish(1, 64)).contains("the key of metadata entry 0"));

    let mut long_array = Writer::start(3, 0, 1);
    long_array.string("tokenizer.ggml.tokens");
    long_array.u32(9);
    long_array.u32(8);
    long_array.u64(1 << 40);
    let said = message(&long_array.finish(1, 64));
    assert!(said.contains("tokenizer.ggml.tokens") && said.contains("1099511627776"), "{said}");
}

#[test]
fn an_array_that_fits_the_file_but_not_memory_is_refused() {
    let mut writer = Writer::start(3, 0, 1);
    writer.string("many");
    writer.u32(9);
    writer.u32(0);
    writer.u64(MAX_VALUES + 1);
    let said = message(&writer.finish(1, MAX_VALUES as usize + 1));
    assert!(said.contains(&format!("at most {MAX_VALUES}")), "{said}");
}

#[test]
fn nested_arrays_end_somewhere() {
    let mut writer = Writer::start(3, 0, 1);
    writer.string("nested");
    writer.u32(9);
    for _ in 0..40 {
        writer.u32(9);
        writer.u64(1);
    }
    assert!(message(&writer.finish(1, 64)).contains("4 deep"));
}

#[test]
fn values_that_the_format_forbids_are_refused() {
    let one = |key: &str, value: &Value| {
        let mut writer = Writer::start(3, 0, 1);
        writer.entry(key, value);
        writer.finish(32, 0)
    };
    for wrong in [Value::U32(0), Value::U32(24), Value::U64(32), Value::Array(Vec::new())] {
        assert!(message(&one("general.alignment", &wrong)).contains("power of two"));
    }

    let mut not_text = one("k", &Value::String("abcd".to_owned()));
    let at = not_text.windows(4).position(|window| window == b"abcd").unwrap();
    not_text[at] = 0xff;
    assert!(message(&not_text).contains("not valid UTF-8"));

    let mut not_bool = Writer::start(3, 0, 1);
    not_bool.entry("b", &Value::Bool(true));
    *not_bool.0.last_mut().unwrap() = 2;
    assert!(message(&not_bool.0).contains("true (1) or false (0)"));

    let mut twice = Writer::start(3, 0, 2);
    twice.entry("same", &Value::Bool(true));
    twice.entry("same", &Value::Bool(false));
    assert!(message(&twice.0).contains("twice"));

    let mut unknown = Writer::start(3, 0, 1);
    unknown.string("odd");
    unknown.u32(13);
    assert!(message(&unknown.finish(1, 32)).contains("unknown type 13"));
}

#[test]
fn tensors_outside_the_file_or_the_format_are_refused() {
    let one = |shape: &[u64], block_type: u32, offset: u64, data_len: usize| {
        let mut writer = Writer::start(3, 1, 0);
        writer.tensor("t", shape, block_type, offset);
        message(&writer.finish(32, data_len))
    };
    assert!(one(&[2, 4], 0, 0, 31).contains("ends too early"));
    assert!(one(&[1], 0, u64::MAX - 31, 32).contains("ends too early"));
    assert!(one(&[1], 77, u64::MAX - 31, 32).contains("ends too early"));
    assert!(one(&[1], 0, 4, 32).contains("no multiple"));
    assert!(one(&[u64::MAX, 2], 0, 0, 32).contains("impossible shape"));
    assert!(one(&[1 << 62], 0, 0, 32).contains("impossible shape"));
    assert!(one(&[2, 33], 3, 0, 256).contains("33 numbers"));
    assert!(one(&[1, 1, 1, 1, 1], 0, 0, 32).contains("5 axes"));

    let mut twice = Writer::start(3, 2, 0);
    twice.tensor("t", &[1], 0, 0);
    twice.tensor("t", &[1], 0, 32);
    assert!(message(&twice.finish(32, 64)).contains("twice"));
}

#[test]
fn numbers_are_read_whatever_their_width() {
    assert_eq!(Value::U8(7).as_u64(), Some(7));
    assert_eq!(Value::I32(7).as_u64(), Some(7));
    assert_eq!(Value::I32(-7).as_u64(), None);
    assert_eq!(Value::I32(-7).as_f64(), Some(-7.0));
    assert_eq!(Value::U64(u64::MAX).as_i64(), None);
    assert_eq!(Value::F32(0.5).as_f64(), Some(0.5));
    assert_eq!(Value::F32(0.5).as_u64(), None);
    assert_eq!(Value::Bool(true).as_u64(), None);
    assert_eq!(Value::Bool(true).as_bool(), Some(true));
}

#[test]
fn an_error_names_its_file() {
    let missing = std::env::temp_dir().join("no such folder").join("no such model.gguf");
    let said = read_header(&missing).unwrap_err().to_string();
    assert!(said.contains("no such model.gguf"), "{said}");
}

/// The parts of a model that was split, as `llama-gguf-split` makes them: the first has all metadata and, here, one tensor,
/// each other one two.
fn parts(folder: &std::path::Path, name: &str, count: u16) -> Vec<std::path::PathBuf> {
    let all = i32::from(count) * 2 - 1;
    let part = |number: u16| {
        let path = folder.join(format!("{name}-{:05}-of-{count:05}.gguf", number + 1));
        let mut metadata = BTreeMap::from([
            ("split.no".to_owned(), Value::U16(number)),
            ("split.count".to_owned(), Value::U16(count)),
            ("split.tensors.count".to_owned(), Value::I32(all)),
        ]);
        if number == 0 {
            metadata.insert("general.architecture".to_owned(), Value::String("llama".to_owned()));
        }
        let names =
            if number == 0 { vec!["0.a".to_owned()] } else { ["a", "b"].map(|n| format!("{number}.{n}")).into() };
        let new = |name: &String| NewTensor { name: name.clone(), shape: vec![3], block_type: BlockType(0) };
        let tensors: Vec<NewTensor> = names.iter().map(new).collect();
        let mut writer = crate::Writer::create(&path, &metadata, &tensors).unwrap();
        for (at, name) in names.iter().enumerate() {
            let value = f32::from(number) * 10.0 + at as f32;
            writer.append(name, &[value; 3].map(f32::to_le_bytes).concat()).unwrap();
        }
        writer.finish().unwrap();
        path
    };
    (0..count).map(part).collect()
}

#[test]
fn any_part_of_a_split_model_opens_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let files = parts(folder.path(), "m", 3);
    let whole = Model::open(&files[0]).unwrap();
    assert_eq!(whole.files, files);
    assert_eq!(whole.header.metadata["general.architecture"], Value::String("llama".to_owned()));
    let names: Vec<&str> = whole.header.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["0.a", "1.a", "1.b", "2.a", "2.b"]);
    let first: Vec<f32> = (0..names.len())
        .map(|at| {
            let (file, start) = whole.place(at);
            let bytes = std::fs::read(&files[file]).unwrap();
            f32::from_le_bytes(bytes[start as usize..][..4].try_into().unwrap())
        })
        .collect();
    assert_eq!(first, [0.0, 10.0, 11.0, 20.0, 21.0]);
    for file in &files[1..] {
        assert_eq!(Model::open(file).unwrap(), whole);
    }
    assert_eq!(read_header(&files[2]).unwrap(), whole.header);
}

#[test]
fn parts_that_are_missing_or_of_another_model_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let files = parts(folder.path(), "m", 3);
    let refused = |path: &std::path::Path| Model::open(path).unwrap_err().to_string();
    // One that is left out, whichever is opened.
    let third = std::fs::read(&files[2]).unwrap();
    std::fs::remove_file(&files[2]).unwrap();
    for file in &files[..2] {
        let said = refused(file);
        assert!(said.contains("split into 3 files, and part 3 is missing: download m-00003-of-00003.gguf"), "{said}");
    }
    // One under the name of another.
    std::fs::copy(&files[1], &files[2]).unwrap();
    let said = refused(&files[0]);
    assert!(said.contains("m-00003-of-00003.gguf: ") && said.contains("says that it is part 2 of 3"), "{said}");
    assert!(said.contains("its name says part 3 of 3"), "{said}");
    // One of a model that was split into another number of parts.
    let other = parts(folder.path(), "other", 4);
    std::fs::copy(&other[2], &files[2]).unwrap();
    assert!(refused(&files[0]).contains("it is part 3 of 4"));
    // A name alone makes no part, and a part needs its name.
    let alone = folder.path().join("alone.gguf");
    std::fs::copy(&files[0], &alone).unwrap();
    assert!(refused(&alone).contains("its name does not (NAME-00001-of-00002.gguf)"), "{}", refused(&alone));
    crate::Writer::create(&files[2], &BTreeMap::new(), &[]).unwrap().finish().unwrap();
    assert!(refused(&files[2]).contains("does not say that it is a part"), "{}", refused(&files[2]));
    // A part with another number of tensors, or with those of another part.
    let empty = BTreeMap::from([("split.no".to_owned(), Value::U16(2)), ("split.count".to_owned(), Value::U16(3))]);
    crate::Writer::create(&files[2], &empty, &[]).unwrap().finish().unwrap();
    assert!(refused(&files[0]).contains("hold 3 tensors together, where split.tensors.count says 5"));
    let twice = [NewTensor { name: "0.a".to_owned(), shape: vec![0], block_type: BlockType(0) }];
    crate::Writer::create(&files[2], &empty, &twice).unwrap().finish().unwrap();
    assert!(refused(&files[1]).contains("its tensor \"0.a\" is in another part too"));
    std::fs::write(&files[2], third).unwrap();
    Model::open(&files[1]).unwrap();
}

#[test]
fn a_name_tells_the_parts() {
    let path = std::path::Path::new("models/q-00002-of-00002.gguf");
    assert_eq!(
        files_of(path),
        ["models/q-00001-of-00002.gguf", "models/q-00002-of-00002.gguf"].map(Into::into) as [std::path::PathBuf; 2]
    );
    for alone in ["q.gguf", "q-2-of-2.gguf", "q-00003-of-00002.gguf", "q-00000-of-00002.gguf", "q-00001-of-00002.bin"] {
        assert_eq!(files_of(std::path::Path::new(alone)), [std::path::PathBuf::from(alone)]);
    }
}
