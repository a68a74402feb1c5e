//! How text is cut into words before byte-pair encoding, by the names that GGUF files use (`tokenizer.ggml.pre`).
//!
//! A GGUF file does not carry the pattern, only a name for it, so that the patterns are here: each as it stands in the
//! `tokenizer.json` of the models that llama.cpp gives this name (`convert_hf_to_gguf_update.py`, `llama-vocab.cpp`).

use serde_json::{Value, json};

use crate::Error;

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const QWEN_2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Letters of the scripts that have a case, in the list of `deepseek-llm`.
#[expect(clippy::unicode_not_nfc, reason = "the list is DeepSeek's, sign for sign")]
const DEEPSEEK_LETTERS: &str = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";

/// Qwen 3.5: as Qwen 2, with combining marks counted as letters.
const QWEN_35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const DEEPSEEK_3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

const FALCON_SIGNS: &str = r"[\p{P}\$\+<=>\^~\|`]+";

const DEFAULT_SIGNS: &str = r"[\p{P}\$\+<=>\^~\|]+";

/// One step of cutting.
enum Step {
    /// Each digit stands alone.
    Digits,
    /// What the pattern matches stands alone.
    Split(&'static str),
    /// GPT-2's own pattern, which `tokenizers` keeps inside its byte-level step.
    Gpt2,
}

use Step::{Digits, Gpt2, Split};

/// What belongs to one way of cutting text into words.
pub(crate) struct PreTokenizer {
    names: &'static [&'static str],
    /// Whether text is normalised to NFC first.
    nfc: bool,
    steps: &'static [Step],
    /// Whether a word that is a token is taken whole, without going through the merges.
    pub(crate) ignore_merges: bool,
    /// Whether a beginning-of-sequence token is added where the file does not say.
    pub(crate) add_bos: bool,
}

const PRE_TOKENIZERS: &[PreTokenizer] = &[
    PreTokenizer { names: &["gpt-2", "phi-2"], nfc: false, steps: &[Gpt2], ignore_merges: false, add_bos: false },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact"],
        nfc: false,
        steps: &[Digits, Gpt2],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer { names: &["command-r"], nfc: true, steps: &[Digits, Gpt2], ignore_merges: false, add_bos: false },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3"],
        nfc: false,
        steps: &[Split(LLAMA_3)],
        ignore_merges: true,
        add_bos: true,
    },
    PreTokenizer {
        names: &["smaug-bpe", "dbrx"],
        nfc: false,
        steps: &[Split(LLAMA_3)],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer {
        names: &["qwen2", "deepseek-r1-qwen"],
        nfc: true,
        steps: &[Split(QWEN_2)],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer { names: &["qwen35"], nfc: false, steps: &[Split(QWEN_35)], ignore_merges: false, add_bos: false },
    PreTokenizer {
        names: &["gpt-4o", "llama4"],
        nfc: false,
        steps: &[Split(GPT_4O)],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer {
        names: &["falcon"],
        nfc: false,
        steps: &[Split(FALCON_SIGNS), Split(GPT_2), Split("[0-9][0-9][0-9]")],
        ignore_merges: false,
        add_bos: false,
    },
    // What llama.cpp does with files from before these names were written.
    PreTokenizer {
        names: &["default"],
        nfc: false,
        steps: &[Split(DEFAULT_SIGNS), Split(GPT_2), Split(r"\p{N}+"), Split("[0-9][0-9][0-9]")],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer { names: &["tekken"], nfc: false, steps: &[Split(TEKKEN)], ignore_merges: true, add_bos: true },
    PreTokenizer {
        names: &["deepseek-llm"],
        nfc: false,
        steps: &[
            Split("[\r\n]"),
            Split(DEEPSEEK_LETTERS),
            Split("\\s?[!-/:-~！-／：-～‘-‟　-。]+"),
            Split("\\s+$"),
            Split("[一-龥ࠀ-一가-퟿]+"),
            Digits,
        ],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        nfc: false,
        steps: &[Split("[\r\n]"), Split("\\s?\\p{L}+"), Split("\\s?\\p{P}+"), Split("[一-龥ࠀ-一가-퟿]+"), Digits],
        ignore_merges: false,
        add_bos: false,
    },
    PreTokenizer {
        names: &["deepseek-v3"],
        nfc: false,
        steps: &[Split(r"\p{N}{1,3}"), Split("[一-龥぀-ゟ゠-ヿ]+"), Split(DEEPSEEK_3)],
        ignore_merges: false,
        add_bos: false,
    },
];

/// A name of each way of cutting that is known.
pub(crate) fn names_of_pre_tokenizers() -> impl Iterator<Item = &'static str> {
    PRE_TOKENIZERS.iter().filter_map(|known| known.names.first().copied())
}

impl PreTokenizer {
    /// Finds the pre-tokenizer that `tokenizer.ggml.pre` names.
    pub(crate) fn by_name(name: &str) -> Result<&'static Self, Error> {
        PRE_TOKENIZERS.iter().find(|known| known.names.contains(&name)).ok_or_else(|| {
            let known: Vec<_> = PRE_TOKENIZERS.iter().flat_map(|known| known.names).copied().collect();
            let problem = format!("is \"{name}\", which is not supported; supported: {}", known.join(", "));
            Error::Metadata { key: "tokenizer.ggml.pre", problem }
        })
    }

    /// The `normalizer` of a `tokenizer.json`.
    pub(crate) fn normalizer(&self) -> Value {
        if self.nfc { json!({ "type": "NFC" }) } else { Value::Null }
    }

    /// The `pre_tokenizer` of a `tokenizer.json`; its last step turns bytes into GPT-2's printable alphabet.
    pub(crate) fn pre_tokenizer(&self) -> Value {
        let mut steps: Vec<Value> = Vec::new();
        for step in self.steps {
            match step {
                Digits => steps.push(json!({ "type": "Digits", "individual_digits": true })),
                Split(pattern) => steps.push(json!({
                    "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false
                })),
                Gpt2 => {}
            }
        }
        let use_regex = self.steps.iter().any(|step| matches!(step, Gpt2));
        steps.push(byte_level(use_regex));
        json!({ "type": "Sequence", "pretokenizers": steps })
    }
}

/// The byte-level step, which is also the decoder.
pub(crate) fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}
