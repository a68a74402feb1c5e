//! Damage done to files: to their bytes, and to what they say.

use gguf::{Header, Value as Metadatum};
use serde_json::Value;

/// SplitMix64: the same damage for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `most`, which is at least one.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A number at which programs stumble.
    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => *self.pick(&[0, 1, 2, 3, 7, 8, 31, 32, 33, 255, 256, 257, 65_535, 65_536]),
            1 => {
                *self.pick(&[1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63])
            }
            2 => u64::MAX - self.next() % 64,
            _ => self.next() >> self.below(64),
        }
    }
}

/// Changes, moves, cuts or adds some bytes.
pub(crate) fn bytes(data: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        if data.is_empty() {
            data.push(random.next() as u8);
        }
        // Most of what can be got wrong stands at the beginning.
        let reach = if random.chance(3) { data.len() } else { data.len().min(4096) };
        let at = random.below(reach);
        match random.below(7) {
            0 => data[at] ^= 1 << random.below(8),
            1 => data[at] = random.next() as u8,
            2 | 3 => {
                let width = *random.pick(&[4usize, 8]);
                let number = random.number().to_le_bytes();
                let end = (at + width).min(data.len());
                data[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => data.truncate(random.below(data.len() + 1)),
            5 => {
                let end = (at + 1 + random.below(64)).min(data.len());
                let piece = data[at..end].to_vec();
                let to = random.below(data.len());
                data.splice(to..to, piece);
            }
            _ => {
                let end = (at + 1 + random.below(64)).min(data.len());
                data.drain(at..end);
            }
        }
    }
}

/// Changes some values of a JSON document.
pub(crate) fn json(value: &mut Value, random: &mut Random) {
    for _ in 0..=random.below(4) {
        change(value, random);
    }
}

fn change(value: &mut Value, random: &mut Random) {
    let deeper = !random.chance(6);
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = random.pick(&keys).clone();
            match random.below(8) {
                0 => {
                    map.remove(&key);
                }
                1 => {
                    let taken = map.remove(&key).unwrap_or_default();
                    map.insert(format!("{key}{}", random.pick(&["", "s", "_", "\u{0}", "é", ".x"])), taken);
                }
                2 => {
                    let other = map[random.pick(&keys)].clone();
                    map.insert(key, other);
                }
                _ => {
                    if let Some(inner) = map.get_mut(&key) {
                        change(inner, random);
                    }
                }
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let at = random.below(list.len());
            match random.below(6) {
                0 => {
                    list.remove(at);
                }
                1 => {
                    let copy = list[at].clone();
                    list.insert(random.below(list.len() + 1), copy);
                }
                _ => change(&mut list[at], random),
            }
        }
        other => *other = any_json(other, random),
    }
}

fn any_json(old: &Value, random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => Value::Bool(random.chance(2)),
        2 => Value::from(random.number()),
        3 => Value::from((random.number() as i64).wrapping_neg()),
        4 => Value::from(*random.pick(&[0.0, -0.5, 1e-45, 1e-5, 0.999, 1e30, 1e300, -1e300, f64::MIN_POSITIVE])),
        5 => Value::String(
            (*random.pick(&["", "llama", "F32", "BF16", "linear", "all-linear", "é🦀", "../..", "q_proj"])).into(),
        ),
        6 => Value::Array(vec![old.clone(); random.below(4)]),
        7 => serde_json::json!({ "a": old }),
        _ => match old.as_u64() {
            Some(number) => Value::from(number.wrapping_add(1 + random.next() % 3).wrapping_sub(2)),
            None => Value::from(random.below(600)),
        },
    }
}

/// Changes some of what the header of a GGUF file says.
pub(crate) fn header(header: &mut Header, random: &mut Random) {
    let keys: Vec<String> = header.metadata.keys().cloned().collect();
    for _ in 0..=random.below(4) {
        if random.chance(3) && !header.tensors.is_empty() {
            let at = random.below(header.tensors.len());
            match random.below(6) {
                0 => {
                    header.tensors.remove(at);
                }
                1 => header.tensors[at].block_type.0 = random.below(48) as u32,
                2 => header.tensors[at].offset = random.number(),
                3 => header.tensors[at].name = random.pick(&keys).clone(),
                4 => header.tensors[at].shape = (0..random.below(5)).map(|_| random.number() as usize).collect(),
                _ => {
                    let other = header.tensors[random.below(header.tensors.len())].shape.clone();
                    header.tensors[at].shape = other;
                }
            }
            continue;
        }
        let key = random.pick(&keys).clone();
        if random.chance(8) {
            header.metadata.remove(&key);
        } else if let Some(value) = header.metadata.get_mut(&key) {
            metadatum(value, random);
        }
    }
}

fn metadatum(value: &mut Metadatum, random: &mut Random) {
    if let Metadatum::Array(list) = value
        && !list.is_empty()
        && !random.chance(6)
    {
        let at = random.below(list.len());
        match random.below(4) {
            0 => {
                list.remove(at);
            }
            1 => {
                let copy = list[random.below(list.len())].clone();
                list.insert(at, copy);
            }
            _ => {
                // All of a list has one type.
                let same = std::mem::discriminant(&list[at]);
                let mut new = list[at].clone();
                scalar(&mut new, random);
                if std::mem::discriminant(&new) == same {
                    list[at] = new;
                }
            }
        }
        return;
    }
    scalar(value, random);
}

fn scalar(value: &mut Metadatum, random: &mut Random) {
    let number = random.number();
    *value = match value {
        Metadatum::U32(old) if random.chance(2) => {
            Metadatum::U32(old.wrapping_add(1 + random.below(3) as u32).wrapping_sub(2))
        }
        Metadatum::U32(_) => Metadatum::U32(number as u32),
        Metadatum::I32(_) => Metadatum::I32(number as i32 % 10),
        Metadatum::F32(_) => Metadatum::F32(f32::from_bits(number as u32)),
        Metadatum::Bool(old) => Metadatum::Bool(!*old),
        Metadatum::String(old) => Metadatum::String(match random.below(4) {
            0 => String::new(),
            1 => format!("{old} {old}"),
            2 => old.chars().rev().collect(),
            _ => (*random
                .pick(&["llama", "gemma3", "phi3", "qwen2", "gpt2", "default", "qwen2", "linear", "a", "▁", "<0x41>"]))
            .into(),
        }),
        _ => match random.below(5) {
            0 => Metadatum::U64(number),
            1 => Metadatum::String("text".into()),
            2 => Metadatum::F64(f64::from_bits(number)),
            3 => Metadatum::Array(Vec::new()),
            _ => Metadatum::I32(number as i32),
        },
    };
}

/// The bytes of a header that may say anything, before the data of `file`, whose own header is `original`.
pub(crate) fn write(header: &Header, original: &Header, file: &[u8]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((header.tensors.len() as u64).to_le_bytes());
    out.extend((header.metadata.len() as u64).to_le_bytes());
    for (key, value) in &header.metadata {
        text(&mut out, key);
        out.extend(number_of(value).to_le_bytes());
        put(&mut out, value);
    }
    for tensor in &header.tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for &size in tensor.shape.iter().rev() {
            out.extend((size as u64).to_le_bytes());
        }
        out.extend(tensor.block_type.0.to_le_bytes());
        out.extend(tensor.offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(&file[original.data_offset as usize..]);
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn number_of(value: &Metadatum) -> u32 {
    match value {
        Metadatum::U32(_) => 4,
        Metadatum::I32(_) => 5,
        Metadatum::F32(_) => 6,
        Metadatum::Bool(_) => 7,
        Metadatum::String(_) => 8,
        Metadatum::Array(_) => 9,
        Metadatum::U64(_) => 10,
        Metadatum::F64(_) => 12,
        // None of the seeds has others.
        _ => 0,
    }
}

fn put(out: &mut Vec<u8>, value: &Metadatum) {
    match value {
        Metadatum::U32(value) => out.extend(value.to_le_bytes()),
        Metadatum::I32(value) => out.extend(value.to_le_bytes()),
        Metadatum::F32(value) => out.extend(value.to_le_bytes()),
        Metadatum::U64(value) => out.extend(value.to_le_bytes()),
        Metadatum::F64(value) => out.extend(value.to_le_bytes()),
        Metadatum::Bool(value) => out.push(u8::from(*value)),
        Metadatum::String(value) => text(out, value),
        Metadatum::Array(values) => {
            out.extend(values.first().map_or(8, number_of).to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| put(out, value));
        }
        _ => out.push(0),
    }
}
