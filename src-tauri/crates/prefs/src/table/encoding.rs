//! The text of a file: UTF-8 without its byte order mark, also where the file is UTF-16 with one, as Excel saves "Unicode text".

use std::io::{BufRead, Cursor, Read};

const UTF_8: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// How the text of a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, with so many bytes of a mark before it.
    Utf8(u64),
    Utf16,
}

/// The text of a file in UTF-8, without a byte order mark.
pub(super) fn decoded<'a>(mut input: Box<dyn BufRead + 'a>) -> std::io::Result<(Box<dyn BufRead + 'a>, Encoding)> {
    let mut start = Vec::new();
    input.by_ref().take(UTF_8.len() as u64).read_to_end(&mut start)?;
    let is_big = match start.as_slice() {
        [0xFF, 0xFE, ..] => false,
        [0xFE, 0xFF, ..] => true,
        _ => {
            let mark = if start == UTF_8 { start.len() } else { 0 };
            let rest = start.split_off(mark);
            return Ok((Box::new(Cursor::new(rest).chain(input)), Encoding::Utf8(mark as u64)));
        }
    };
    let rest = start.split_off(2);
    let input = Box::new(Cursor::new(rest).chain(input));
    Ok((Box::new(Utf16 { input, is_big, unit: None, high: None, text: Vec::new(), given: 0 }), Encoding::Utf16))
}

/// Reads UTF-16 as UTF-8. Half a character gives bytes that are no UTF-8, so that the row with it is refused.
struct Utf16<R> {
    input: R,
    is_big: bool,
    /// The first byte of a unit whose second has not come yet.
    unit: Option<u8>,
    /// The first half of a character outside of the first 65,536.
    high: Option<u16>,
    text: Vec<u8>,
    given: usize,
}

impl<R: BufRead> Utf16<R> {
    fn decode(&mut self) -> std::io::Result<()> {
        self.text.clear();
        self.given = 0;
        while self.text.is_empty() {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                if self.high.take().is_some() || self.unit.take().is_some() {
                    self.text.push(0xFF);
                }
                return Ok(());
            }
            let read = bytes.len();
            for &byte in bytes {
                let Some(first) = self.unit.take() else {
                    self.unit = Some(byte);
                    continue;
                };
                let unit = if self.is_big { [first, byte] } else { [byte, first] };
                push(u16::from_be_bytes(unit), &mut self.high, &mut self.text);
            }
            self.input.consume(read);
        }
        Ok(())
    }
}

fn push(unit: u16, high: &mut Option<u16>, text: &mut Vec<u8>) {
    let mut add = |units: &[u16]| match char::decode_utf16(units.iter().copied()).next() {
        Some(Ok(character)) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => text.push(0xFF),
    };
    match (high.take(), unit) {
        (None, 0xD800..=0xDBFF) => *high = Some(unit),
        (None, _) => add(&[unit]),
        (Some(first), 0xDC00..=0xDFFF) => add(&[first, unit]),
        (Some(_), _) => {
            text.push(0xFF);
            push(unit, high, text);
        }
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Utf16<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.given == self.text.len() {
            self.decode()?;
        }
        Ok(&self.text[self.given..])
    }

    fn consume(&mut self, amount: usize) {
        self.given = (self.given + amount).min(self.text.len());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::BufReader;

    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut text = Vec::new();
        decoded(Box::new(BufReader::with_capacity(piece, bytes))).unwrap().0.read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn utf_16_is_read_as_utf_8_however_its_bytes_come() {
        let text = "prompt\tchosen\r\nWie heißt „das“? 😀\tso\r\n";
        let units = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(mark).chain(text.encode_utf16()).flat_map(bytes).collect()
        };
        for piece in 1..9 {
            assert_eq!(read(&units(0xFEFF, u16::to_le_bytes), piece), text.as_bytes());
            assert_eq!(read(&units(0xFEFF, u16::to_be_bytes), piece), text.as_bytes());
            assert_eq!(read(format!("\u{FEFF}{text}").as_bytes(), piece), text.as_bytes());
            assert_eq!(read(text.as_bytes(), piece), text.as_bytes());
        }
        assert_eq!(read(b"", 1), b"");
    }

    #[test]
    fn half_a_character_is_no_text() {
        let halves: [&[u8]; 4] =
            [b"\xFF\xFEa\0\x3D\xD8b\0", b"\xFF\xFEa\0\x00\xDEb\0", b"\xFF\xFEa\0b\0\x3D\xD8", b"\xFF\xFEa\0b\0x"];
        for half in halves {
            let text = read(half, 3);
            assert!(std::str::from_utf8(&text).is_err() && text.contains(&b'a') && text.contains(&b'b'), "{half:?}");
        }
    }
}
