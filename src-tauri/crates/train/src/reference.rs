//! Log-probabilities under a reference that stays as it is, computed once per pair and kept across runs.
//!
//! A cache folder holds one file for each reference (model and adapter, by digests of weights and settings), way of counting
//! tokens, device and type of the weights, a line per pair: the digest of its token ids (after truncation) and its two log-probabilities. Lines are only ever appended; one that a crash left
//! unfinished is passed over and computed again.

use crate::data::{Example, pack};
use crate::error::{Error, Result};
use crate::files::create_folder;
use crate::scores::Counting;
use model::{Decoder, DeviceChoice, Lora, Products};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Raised where the same files come to other log-probabilities than before: what was kept until then counts no more.
const REVISION: u32 = 2;

/// Log-probabilities of a pair's answers under the reference, nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceLogps {
    /// Of the chosen answer.
    pub chosen: f64,
    /// Of the rejected answer.
    pub rejected: f64,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    pair: String,
    reference_chosen_logps: f64,
    reference_rejected_logps: f64,
}

/// A reference that stays as it is.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    /// Its frozen weights.
    pub decoder: &'a Decoder,
    /// [`crate::base::Base::sha256`] of them.
    pub model_digest: &'a str,
    /// Its adapter, where it has one, and the digests of its weights and settings.
    pub adapter: Option<(&'a Lora, &'a str)>,
    /// How the tokens of an answer count.
    pub counting: Counting,
}

/// The cache of one reference.
pub struct Cache<'a> {
    reference: Reference<'a>,
    path: PathBuf,
    known: HashMap<String, ReferenceLogps>,
    /// The file ends within a line.
    torn: bool,
}

impl<'a> Cache<'a> {
    /// Opens or creates the cache of a reference in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written or the file cannot be read.
    pub fn open(folder: &Path, reference: Reference<'a>) -> Result<Self> {
        let Reference { decoder, model_digest, adapter, counting } = reference;
        let device = DeviceChoice::of(decoder.device()).to_string();
        let kind = device.split(':').next().unwrap_or_default();
        let adapter = adapter.map(|(_, digest)| format!("-{digest}")).unwrap_or_default();
        let counted = counting.ld_alpha.map(|alpha| format!("-ld_alpha_{alpha}")).unwrap_or_default();
        let dtype = decoder.numbers();
        let products = match decoder.products() {
            Products::F32 => String::new(),
            products => format!("-products_{products}"),
        };
        create_folder(folder)?;
        Self::read(
            reference,
            folder.join(format!("reference{REVISION}-{model_digest}{adapter}-{kind}-{dtype}{products}{counted}.jsonl")),
        )
    }

    fn read(reference: Reference<'a>, path: PathBuf) -> Result<Self> {
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.map_err(Error::read(&path))?,
        };
        let torn = bytes.last().is_some_and(|&byte| byte != b'\n');
        let entries = bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
        let known = entries
            .map(|entry| {
                let logps =
                    ReferenceLogps { chosen: entry.reference_chosen_logps, rejected: entry.reference_rejected_logps };
                (entry.pair, logps)
            })
            .collect();
        Ok(Self { reference, path, known, torn })
    }

    /// The reference's frozen weights.
    pub(crate) fn decoder(&self) -> &'a Decoder {
        self.reference.decoder
    }

    /// Log-probabilities of all `examples`, in order. What is not known is computed, `batch_size` pairs at a time, and
    /// kept. `progress` is told the number of pairs done after each batch and says whether to go on; stopped, the answer
    /// is none.
    ///
    /// # Errors
    /// When a computation fails, a result is not finite, or the file cannot be written.
    pub fn complete(
        &mut self,
        examples: &[&Example],
        batch_size: usize,
        progress: &mut dyn FnMut(usize) -> Result<bool>,
    ) -> Result<Option<Vec<ReferenceLogps>>> {
        let keys: Vec<_> = examples.iter().map(|example| key(example)).collect();
        let mut done = 0;
        // Batches are the same whatever is known already, so that a run that was killed here goes on to the same bits.
        for (examples, keys) in examples.chunks(batch_size.max(1)).zip(keys.chunks(batch_size.max(1))) {
            done += examples.len();
            if !keys.iter().all(|key| self.known.contains_key(key)) {
                self.compute(examples, keys)?;
                if !progress(done)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(keys.iter().filter_map(|key| self.known.get(key).copied()).collect()))
    }

    fn compute(&mut self, examples: &[&Example], keys: &[String]) -> Result<()> {
        let batch = pack(examples.iter().copied());
        let Reference { decoder, adapter, counting, .. } = self.reference;
        let token_logps = decoder.token_logps(adapter.map(|(lora, _)| lora), &batch)?;
        let mut text = Vec::new();
        if self.torn {
            text.push(b'\n');
        }
        for ((example, pair), logps) in examples.iter().zip(keys).zip(counting.references(&batch, &token_logps)) {
            if !(logps.chosen.is_finite() && logps.rejected.is_finite()) {
                let what = format!("the reference log-probability of pair {}", example.row + 1);
                return Err(model::Error::NonFinite { what }.into());
            }
            if self.known.contains_key(pair) {
                continue;
            }
            self.known.insert(pair.clone(), logps);
            let entry = Entry {
                pair: pair.clone(),
                reference_chosen_logps: logps.chosen,
                reference_rejected_logps: logps.rejected,
            };
            serde_json::to_writer(&mut text, &entry).map_err(std::io::Error::from).map_err(Error::write(&self.path))?;
            text.push(b'\n');
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(&self.path).map_err(Error::write(&self.path))?;
        file.write_all(&text).map_err(Error::write(&self.path))?;
        self.torn = false;
        Ok(())
    }
}

/// SHA-256 (hexadecimal) of a pair's token ids, each list with its length.
fn key(example: &Example) -> String {
    let mut hasher = Sha256::new();
    let ids = &example.ids;
    for list in [&ids.chosen_prompt, &ids.chosen, &ids.rejected_prompt, &ids.rejected] {
        hasher.update((list.len() as u64).to_le_bytes());
        for id in list {
            hasher.update(id.to_le_bytes());
        }
    }
    format!("{:x}", hasher.finalize())
}
