#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::window::RunLog;
use std::collections::BTreeMap;
use std::process::Command;

/// Vectors of RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
#[test]
fn checksums_are_those_that_are_known() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    let rising: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(&rising), 0x46dd_794e);
    assert_eq!(crc32c(b""), 0);
    // As TensorFlow's own test of its mask has it: masking twice is not masking once.
    assert_ne!(masked(masked(crc32c(b"foo"))), masked(crc32c(b"foo")));
}

/// A field of a protocol buffer: its number, and what it holds.
#[derive(Debug, PartialEq)]
enum Held<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// Reads a message as the format is written down, bit by bit: nothing here is of what writes it.
fn fields(mut message: &[u8]) -> Vec<(u64, Held<'_>)> {
    fn number(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for place in 0.. {
            let byte = message[0];
            *message = &message[1..];
            value += u64::from(byte % 128) << (7 * place);
            if byte < 128 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = number(&mut message);
        let held = match key % 8 {
            0 => Held::Varint(number(&mut message)),
            1 => {
                let (eight, rest) = message.split_at(8);
                message = rest;
                Held::Fixed64(eight.try_into().unwrap())
            }
            2 => {
                let length = number(&mut message) as usize;
                let (bytes, rest) = message.split_at(length);
                message = rest;
                Held::Bytes(bytes)
            }
            5 => {
                let (four, rest) = message.split_at(4);
                message = rest;
                Held::Fixed32(four.try_into().unwrap())
            }
            kind => panic!("no field is of kind {kind}"),
        };
        found.push((key / 8, held));
    }
    found
}

/// The checksum, bit by bit over the polynomial as it is written, not by a table.
fn checksum(bytes: &[u8]) -> u32 {
    let mut register: u32 = u32::MAX;
    for byte in bytes {
        register ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            register = if register >> 31 == 1 { register << 1 ^ 0x1edc_6f41 } else { register << 1 };
        }
    }
    let crc = (!register).reverse_bits();
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn records(mut file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !file.is_empty() {
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!(file[8..12], checksum(&file[..8]).to_le_bytes());
        let bytes = &file[12..12 + length];
        assert_eq!(file[12 + length..16 + length], checksum(bytes).to_le_bytes());
        found.push(bytes);
        file = &file[16 + length..];
    }
    found
}

/// By tag: step, wall time and value of each scalar.
type Scalars = BTreeMap<String, Vec<(u64, f64, f32)>>;

fn scalars(file: &[u8]) -> Scalars {
    let mut found = Scalars::new();
    let records = records(file);
    let version = fields(records[0]);
    assert_eq!(version[1], (3, Held::Bytes(b"brain.Event:2")));
    for event in &records[1..] {
        let event = fields(event);
        let [(1, Held::Fixed64(time)), (2, Held::Varint(step)), (5, Held::Bytes(summary))] = event[..] else {
            panic!("{event:?}")
        };
        for (field, value) in fields(summary) {
            let Held::Bytes(value) = value else { panic!("{value:?}") };
            let value = fields(value);
            let [(1, Held::Bytes(tag)), (2, Held::Fixed32(scalar))] = value[..] else { panic!("{value:?}") };
            assert_eq!(field, 1);
            let tag = String::from_utf8(tag.to_vec()).unwrap();
            found.entry(tag).or_default().push((step, f64::from_le_bytes(time), f32::from_le_bytes(scalar)));
        }
    }
    found
}

#[test]
fn every_number_of_a_run_is_a_scalar_under_the_name_that_trl_gives_it_there() {
    let lines = RunLog::healthy(300).lines();
    let found = scalars(&events(&lines));
    let of = |tag: &str| found.get(tag).unwrap_or_else(|| panic!("no {tag} among {:?}", found.keys()));
    let expected: Vec<(u64, f64, f32)> = measured(&lines)
        .filter(|of| of.on == On::Training)
        .map(|of| {
            let value = of.values.iter().find(|(name, _)| name == "rewards/margins").unwrap().1.as_f64().unwrap();
            (of.step, of.time, value as f32)
        })
        .collect();
    assert_eq!(of("train/rewards/margins"), &expected);
    assert_eq!(expected.len(), 300);
    for tag in ["train/loss", "train/learning_rate", "train/grad_norm", "train/logps/chosen"] {
        assert_eq!(of(tag).len(), 300, "{tag}");
    }
    for tag in ["eval/loss", "eval/rewards/accuracies", "eval/rewards/margins"] {
        assert!(!of(tag).is_empty(), "{tag}");
    }
    assert!(!found.keys().any(|tag| tag.contains("eval_") || tag.ends_with("total_steps")));
    assert!(scalars(&events(&[])).is_empty());
}

#[test]
fn a_number_that_is_not_finite_is_told_and_one_that_is_not_known_is_left_out() {
    let mut lines = RunLog::healthy(1).lines();
    for line in &mut lines {
        if let train::events::Event::Step(step) = &mut line.event {
            (step.loss, step.peak_memory_bytes) = (f64::NAN, None);
        }
    }
    let found = scalars(&events(&lines));
    assert!(found["train/loss"][0].2.is_nan());
    assert!(!found.contains_key("train/peak_memory_bytes"));
}

/// Prints what TensorBoard's own reader finds: tag, step, wall time and value, a line each.
const READ: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
read = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0}).Reload()
for tag in read.Tags()['scalars']:
    for event in read.Scalars(tag):
        print(tag, event.step, repr(event.wall_time), repr(float(event.value)))
";

#[test]
fn tensorboard_itself_reads_the_same() {
    let python = std::env::var_os("TIEBREAK_PYTHON").filter(|python| {
        Command::new(python).args(["-c", "import tensorboard"]).output().is_ok_and(|run| run.status.success())
    });
    let Some(python) = python else {
        eprintln!("left out: tensorboard_itself_reads_the_same: it needs TIEBREAK_PYTHON (a Python with tensorboard)");
        return;
    };
    let lines = RunLog::healthy(300).lines();
    let folder = tempfile::tempdir().unwrap();
    let bytes = events(&lines);
    std::fs::write(folder.path().join(file_name(&lines, "first")), &bytes).unwrap();
    let run = Command::new(python).args(["-c", READ]).arg(folder.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut theirs = Scalars::new();
    for line in String::from_utf8(run.stdout).unwrap().lines() {
        let [tag, step, time, value] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let scalar = (step.parse().unwrap(), time.parse().unwrap(), value.parse::<f64>().unwrap() as f32);
        theirs.entry(tag.to_owned()).or_default().push(scalar);
    }
    assert_eq!(theirs, scalars(&bytes));
}
