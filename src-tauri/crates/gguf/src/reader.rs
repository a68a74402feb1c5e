//! Reading numbers, text and values from bytes that nobody vouches for.

use std::io::Read;

use crate::{Error, MAX_VALUES, Value};

/// Arrays may hold arrays; this deep and no deeper.
const MAX_DEPTH: usize = 4;

/// A reader that knows where it is and what is left. `left` never exceeds the real rest of the file by more than what the
/// caller's file length was wrong by, and a short read is an error all the same.
pub(crate) struct Reader<R> {
    inner: R,
    at: u64,
    len: u64,
    /// Values read so far, over all metadata.
    values: u64,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(inner: R, len: u64) -> Self {
        Self { inner, at: 0, len, values: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    fn left(&self) -> u64 {
        self.len.saturating_sub(self.at)
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        self.need(what, N as u64)?;
        let mut bytes = [0; N];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    /// A count of things that take at least `smallest` bytes each: never more than the file has room for.
    pub(crate) fn count(&mut self, what: &str, smallest: u64) -> Result<u64, Error> {
        let at = self.at;
        let count = self.u64(what)?;
        let most = self.left() / smallest.max(1);
        if count > most {
            return Err(Error::Count { what: what.to_owned(), at, count, most });
        }
        Ok(count)
    }

    /// A length and as many bytes of UTF-8.
    pub(crate) fn string(&mut self, what: &str) -> Result<String, Error> {
        let length = self.u64(what)?;
        let at = self.at;
        self.need(what, length)?;
        let length = usize::try_from(length).map_err(|_| self.truncated(what, length))?;
        let mut bytes = vec![0; length];
        self.fill(what, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| Error::NotText { what: what.to_owned(), at })
    }

    /// A type number and a value of that type.
    pub(crate) fn value(&mut self, what: &str) -> Result<Value, Error> {
        let at = self.at;
        let kind = self.u32(what)?;
        self.value_of(what, at, kind, 0)
    }

    fn value_of(&mut self, what: &str, at: u64, kind: u32, depth: usize) -> Result<Value, Error> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.bytes(what)?)),
            1 => Value::I8(i8::from_le_bytes(self.bytes(what)?)),
            2 => Value::U16(u16::from_le_bytes(self.bytes(what)?)),
            3 => Value::I16(i16::from_le_bytes(self.bytes(what)?)),
            4 => Value::U32(u32::from_le_bytes(self.bytes(what)?)),
            5 => Value::I32(i32::from_le_bytes(self.bytes(what)?)),
            6 => Value::F32(f32::from_le_bytes(self.bytes(what)?)),
            7 => Value::Bool(self.bool(what)?),
            8 => Value::String(self.string(what)?),
            9 => Value::Array(self.array(what, depth)?),
            10 => Value::U64(u64::from_le_bytes(self.bytes(what)?)),
            11 => Value::I64(i64::from_le_bytes(self.bytes(what)?)),
            12 => Value::F64(f64::from_le_bytes(self.bytes(what)?)),
            _ => {
                let problem = format!("has the unknown type {kind}");
                return Err(Error::Invalid { what: what.to_owned(), at, problem });
            }
        })
    }

    fn bool(&mut self, what: &str) -> Result<bool, Error> {
        let at = self.at;
        match self.bytes(what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [byte] => {
                let problem = format!("should be true (1) or false (0), but is {byte}");
                Err(Error::Invalid { what: what.to_owned(), at, problem })
            }
        }
    }

    fn array(&mut self, what: &str, depth: usize) -> Result<Vec<Value>, Error> {
        let at = self.at;
        if depth == MAX_DEPTH {
            let problem = format!("holds arrays inside arrays more than {MAX_DEPTH} deep");
            return Err(Error::Invalid { what: what.to_owned(), at, problem });
        }
        let kind = self.u32(what)?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => {
                let problem = format!("is an array of the unknown type {kind}");
                return Err(Error::Invalid { what: what.to_owned(), at, problem });
            }
        };
        let counted_at = self.at;
        let count = self.count(what, smallest)?;
        // A value takes more memory than its bytes in the file, so that the file's size alone is no sufficient bound.
        let most = MAX_VALUES - self.values;
        if count > most {
            return Err(Error::Count { what: what.to_owned(), at: counted_at, count, most });
        }
        self.values += count;
        (0..count).map(|_| self.value_of(what, at, kind, depth + 1)).collect()
    }

    fn need(&self, what: &str, needed: u64) -> Result<(), Error> {
        if needed > self.left() { Err(self.truncated(what, needed)) } else { Ok(()) }
    }

    fn fill(&mut self, what: &str, bytes: &mut [u8]) -> Result<(), Error> {
        let needed = bytes.len() as u64;
        self.inner.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.truncated(what, needed),
            _ => Error::Io(error),
        })?;
        self.at += needed;
        Ok(())
    }

    fn truncated(&self, what: &str, needed: u64) -> Error {
        Error::Truncated { what: what.to_owned(), at: self.at, needed, left: self.left() }
    }
}
