//! Files compressed by gzip or zstd, told by how they begin, read as what is inside of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Error, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::encoding::{Encoding, decoded};

/// What is inside of a compressed file may be this many times its size once it is larger than [`SMALL`]. Text comes to 20
/// times; more is no data but an attack on the memory or the time of who opens it.
const MOST_TIMES: u64 = 200;
const SMALL: u64 = 1 << 30;

/// By what a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Opens a file, decompressed where it is compressed.
pub(super) fn open(path: &Path) -> std::io::Result<(Box<dyn BufRead>, Compression)> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let compression = Compression::of(file.fill_buf()?);
    let read = Arc::new(AtomicU64::new(0));
    let counted = BufReader::with_capacity(1 << 18, Counted { inner: file, read: Arc::clone(&read) });
    let inner: Box<dyn Read> = match compression {
        Compression::None => return Ok((Box::new(counted), compression)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(counted)?),
    };
    Ok((Box::new(BufReader::with_capacity(1 << 18, Bounded { inner, compressed: read, given: 0 })), compression))
}

/// The text of a file from a place in it on, in UTF-8, counted from behind a byte order mark. Where the file cannot be entered in
/// the middle, because it is compressed or UTF-16, all before the place is read as well.
pub(super) fn open_text(path: &Path, from: u64) -> std::io::Result<Box<dyn BufRead>> {
    let (input, compression) = open(path)?;
    let (mut input, encoding) = decoded(input)?;
    if let (Compression::None, Encoding::Utf8(mark), 1..) = (compression, encoding, from) {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(mark + from))?;
        return Ok(Box::new(BufReader::with_capacity(1 << 16, file)));
    }
    std::io::copy(&mut input.by_ref().take(from), &mut std::io::sink())?;
    Ok(input)
}

/// Whether a file can be entered in the middle.
pub(super) fn can_be_entered(path: &Path) -> std::io::Result<bool> {
    let (input, compression) = open(path)?;
    Ok(compression == Compression::None && matches!(decoded(input)?.1, Encoding::Utf8(_)))
}

/// Counts what is read of the compressed file.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Ends with an error where more comes out than a data set can hold.
struct Bounded {
    inner: Box<dyn Read>,
    compressed: Arc<AtomicU64>,
    given: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer).map_err(|error| {
            Error::new(error.kind(), format!("the compressed data is damaged or breaks off: {error}"))
        })?;
        self.given += read as u64;
        if self.given > SMALL && self.given / MOST_TIMES > self.compressed.load(Ordering::Relaxed) {
            return Err(Error::other(format!(
                "it grows to more than {MOST_TIMES} times its size when it is decompressed; decompress it yourself if it is \
                 what you expect"
            )));
        }
        Ok(read)
    }
}
