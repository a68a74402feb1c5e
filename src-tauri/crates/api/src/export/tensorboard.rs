//! Event files of TensorBoard: records in TensorFlow's framing (`TFRecord`), each a protocol buffer `Event`.
//!
//! A record is its length (u64), the masked CRC-32C of the length, the bytes, and their masked CRC-32C, all little-endian. The
//! first event names the version, each other one has a wall time, a step and the scalars of that step. These are named as
//! TRL's own runs are named there: `train/rewards/margins`, `eval/loss`.

use super::curves::{Measured, On, measured};
use serde_json::Value;
use train::events::Line;

/// Numbers that a system may not tell: none is not the same as not a number.
const MAY_BE_UNKNOWN: &str = "peak_memory_bytes";

/// What the file is called: by when the run began, as TensorBoard wants it, so that it is the same at every export.
pub(crate) fn file_name(lines: &[Line], run: &str) -> String {
    let began = lines.first().map_or(0, |line| line.time as u64);
    format!("events.out.tfevents.{began:010}.{run}")
}

/// A file's bytes.
pub(crate) fn events(lines: &[Line]) -> Vec<u8> {
    let mut file = Vec::new();
    let began = lines.first().map_or(0.0, |line| line.time);
    let mut version = wall_time(began);
    // file_version = 3
    delimited(&mut version, 3, b"brain.Event:2");
    record(&mut file, &version);
    for Measured { step, on, time, values } in measured(lines) {
        let part = match on {
            On::Training => "train",
            On::HeldOut => "eval",
        };
        let mut summary = Vec::new();
        for (name, value) in values {
            let scalar = match value {
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
                Value::Null if name != MAY_BE_UNKNOWN => f64::NAN,
                _ => continue,
            };
            let mut named = Vec::new();
            // tag = 1, simple_value = 2
            delimited(&mut named, 1, format!("{part}/{name}").as_bytes());
            named.push(2 << 3 | FIXED_32);
            named.extend((scalar as f32).to_le_bytes());
            // Of a summary: value = 1
            delimited(&mut summary, 1, &named);
        }
        let mut event = wall_time(time);
        // step = 2, summary = 5
        event.push(2 << 3 | VARINT);
        varint(&mut event, step);
        delimited(&mut event, 5, &summary);
        record(&mut file, &event);
    }
    file
}

// Kinds of fields in a protocol buffer.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const DELIMITED: u8 = 2;
const FIXED_32: u8 = 5;

/// An event so far: `wall_time` = 1.
fn wall_time(seconds: f64) -> Vec<u8> {
    let mut event = vec![1 << 3 | FIXED_64];
    event.extend(seconds.to_le_bytes());
    event
}

fn delimited(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | DELIMITED);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Seven bits at a time, the lowest first.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn record(file: &mut Vec<u8>, bytes: &[u8]) {
    let length = (bytes.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(crc32c(&length)).to_le_bytes());
    file.extend(bytes);
    file.extend(masked(crc32c(bytes)).to_le_bytes());
}

/// A checksum of what holds checksums itself would be weak: TensorFlow turns and shifts them.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli): the polynomial 0x1EDC6F41, its bits in reverse.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| TABLE[(crc as u8 ^ byte) as usize] ^ crc >> 8)
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests;
