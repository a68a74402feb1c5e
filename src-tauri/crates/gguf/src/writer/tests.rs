//! What is written is read, and nothing else appears.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::read_header;
use crate::tests::any_value;

fn tensor(name: &str, shape: &[usize], block_type: u32) -> NewTensor {
    NewTensor { name: name.into(), shape: shape.into(), block_type: BlockType(block_type) }
}

fn any_tensors() -> impl Strategy<Value = Vec<(Vec<usize>, u32)>> {
    let block_type = prop::sample::select(vec![0u32, 1, 2, 6, 8, 12, 14, 30]);
    prop::collection::vec((prop::collection::vec(0usize..4, 1..4), block_type), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_in_pieces_is_read(
        metadata in prop::collection::btree_map("[a-z.]{1,16}", any_value(), 0..8),
        tensors in any_tensors(),
        piece in 1usize..600,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let tensors: Vec<NewTensor> = tensors
            .into_iter()
            .enumerate()
            .map(|(index, (mut shape, kind))| {
                *shape.last_mut().unwrap() *= BlockType(kind).block_size().unwrap() as usize;
                tensor(&format!("blk.{index}.weight"), &shape, kind)
            })
            .collect();
        let mut metadata = metadata;
        metadata.remove("general.alignment");
        let data = |index: usize, bytes: u64| -> Vec<u8> {
            (0..bytes).map(|at| (at as usize * 7 + index * 31) as u8).collect()
        };
        let mut writer = Writer::create(&path, &metadata, &tensors).unwrap();
        prop_assert!(!path.exists());
        for (index, tensor) in tensors.iter().enumerate() {
            for piece in data(index, tensor.bytes().unwrap()).chunks(piece) {
                writer.append(&tensor.name, piece).unwrap();
            }
        }
        writer.finish().unwrap();
        let header = read_header(&path).unwrap();
        prop_assert_eq!(&header.metadata, &metadata);
        prop_assert_eq!(header.tensors.len(), tensors.len());
        let file = std::fs::read(&path).unwrap();
        for (index, (found, written)) in header.tensors.iter().zip(&tensors).enumerate() {
            prop_assert_eq!(&found.name, &written.name);
            prop_assert_eq!(&found.shape, &written.shape);
            prop_assert_eq!(found.block_type, written.block_type);
            let at = (header.data_offset + found.offset) as usize;
            prop_assert_eq!(file[at..at + found.bytes as usize].to_vec(), data(index, found.bytes));
        }
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_file_that_is_not_complete_does_not_appear() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let tensors = [tensor("a", &[2, 3], 0), tensor("b", &[1], 0)];
    let begin = || Writer::create(&path, &BTreeMap::new(), &tensors).unwrap();
    let mut writer = begin();
    writer.append("a", &[1; 23]).unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("\"a\" lacks 1 bytes"));
    let mut writer = begin();
    assert!(writer.append("b", &[1; 4]).unwrap_err().to_string().contains("turn of \"a\""));
    assert!(writer.append("a", &[1; 25]).unwrap_err().to_string().contains("24 bytes left"));
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(&path, "what was there before").unwrap();
    drop(begin());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "what was there before");
}

#[test]
fn what_the_format_has_no_words_for_is_refused_before_a_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let refused = |metadata: &BTreeMap<String, Value>, tensors: &[NewTensor]| {
        Writer::create(&path, metadata, tensors).err().unwrap().to_string()
    };
    let none = BTreeMap::new();
    assert!(refused(&none, &[tensor("t", &[2, 33], 12)]).contains("33 numbers"));
    assert!(refused(&none, &[tensor("t", &[1], 77)]).contains("unknown (77)"));
    assert!(refused(&none, &[tensor("t", &[usize::MAX, 2], 0)]).contains("impossible shape"));
    assert!(refused(&none, &[tensor("t", &[1; 5], 0)]).contains("5 axes"));
    assert!(refused(&none, &[tensor("t", &[1], 0), tensor("t", &[1], 0)]).contains("twice"));
    let mixed = BTreeMap::from([("k".to_owned(), Value::Array(vec![Value::U32(1), Value::I32(1)]))]);
    assert!(refused(&mixed, &[]).contains("several types"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
