//! Sliding attention: runs on pairs longer than a window that programs for GGUF files ignore.

use crate::error::{Error, Result};
use candle_core::Device;
use chat::Tokenizer;
use model::{BaseDtype, weights};
use prefs::jsonl;
use std::path::Path;
use train::data::{self, Example};
use train::folder::{EVAL_PAIRS, PAIRS};

/// Refuses a run with pairs longer than a window that llama.cpp ignores: what was learned on them was learned by a model
/// that it does not compute. The check of what was written cannot see that: an adapter, and a file of Phi-3, are read again
/// here with the window.
pub(super) fn refuse_longer_pairs(run: &Path, base: &Path) -> Result<()> {
    let config = weights::open(base, BaseDtype::Auto, &Device::Cpu)?.config;
    let limits = runs::prepared(run)?.settings.limits();
    let Some(window) = config.window_that_llama_cpp_ignores() else { return Ok(()) };
    if limits.max_length.is_some_and(|most| most <= window) {
        return Ok(());
    }
    let tokenizer = Tokenizer::open(base)?;
    let (mut pairs, mut longer) = (0, 0);
    for path in [PAIRS, EVAL_PAIRS].map(|name| run.join(name)).iter().filter(|path| path.is_file()) {
        let read = jsonl::read_pairs(path)?.into_pairs();
        let encoded =
            data::encode(data::Input::of(path, &read), &tokenizer, &limits, data::Identical::Keep, &mut |_| Ok(true))?;
        let examples = encoded.map_or_else(Vec::new, |set| set.examples);
        pairs += examples.len();
        longer += examples.iter().filter(|example| tokens(example) > window).count();
    }
    if longer == 0 {
        return Ok(());
    }
    let family = config.architecture.model_type();
    let message = format!(
        "{longer} of the run's {pairs} pairs are longer than {window} tokens, the window of its model: here a token sees the \
         last {window} tokens only, but llama.cpp and the programs built on it ignore the window of {family} and let it see \
         all, so that on such texts they would not compute the model that was trained; nothing was written"
    );
    let hint = format!(
        "Export the merged model as a folder with safetensors, which transformers and vLLM read with its window; or train on \
         shorter pairs (max_length = {window}), and export that run."
    );
    Err(Error::new("beyond_window", message, hint))
}

/// Those of the longer answer and its prompt.
fn tokens(example: &Example) -> usize {
    let ids = &example.ids;
    (ids.chosen_prompt.len() + ids.chosen.len()).max(ids.rejected_prompt.len() + ids.rejected.len())
}
