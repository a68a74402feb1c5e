//! In what language a text is, where that can be told.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use whatlang::{Detector, Lang, Script};

/// Characters of a text that are looked at.
const LOOKED_AT: usize = 400;

/// Letters below which the detector is wrong too often, for scripts that many languages share.
const FEWEST_LETTERS: usize = 100;

/// The same for scripts of one language or two.
const FEWEST_OF_OWN_SCRIPT: usize = 15;

/// Languages that are taken for one another in short texts: within a group no difference is told.
const ALIKE: [&[Lang]; 12] = [
    &[Lang::Dan, Lang::Nob, Lang::Swe],
    &[Lang::Spa, Lang::Por, Lang::Cat, Lang::Ita, Lang::Lat, Lang::Epo],
    &[Lang::Hrv, Lang::Srp, Lang::Slv],
    &[Lang::Ces, Lang::Slk],
    &[Lang::Rus, Lang::Ukr, Lang::Bel, Lang::Bul, Lang::Mkd, Lang::Srp],
    &[Lang::Ind, Lang::Jav, Lang::Tgl],
    &[Lang::Hin, Lang::Mar, Lang::Nep],
    &[Lang::Urd, Lang::Pes, Lang::Ara],
    &[Lang::Afr, Lang::Nld, Lang::Deu],
    &[Lang::Aze, Lang::Tur, Lang::Tuk, Lang::Uzb],
    &[Lang::Est, Lang::Fin],
    &[Lang::Cmn, Lang::Jpn],
];

/// Words of English that no other language has in every sentence.
const ENGLISH: [&str; 24] = [
    "the", "and", "that", "for", "with", "you", "are", "this", "have", "not", "your", "can", "from", "which", "would",
    "what", "how", "to", "they", "has", "when", "there", "their", "of",
];

/// Whether at least one word in seven is one of [`ENGLISH`]. Most sets are English, and the detector takes a hundred times as
/// long to see it.
fn is_english(prose: &str) -> bool {
    let (mut words, mut known) = (0, 0);
    for word in prose.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        known += usize::from(word.len() < 6 && ENGLISH.iter().any(|english| word.eq_ignore_ascii_case(english)));
    }
    known * 7 >= words
}

/// The language of a text, where the detector is sure of it. Code in fences does not count, nor does text that is mostly
/// signs and digits, as code and tables are.
pub(super) fn language(text: &str) -> Option<Lang> {
    let mut prose = String::with_capacity(LOOKED_AT);
    let (mut letters, mut others, mut left) = (0_usize, 0_usize, LOOKED_AT);
    for (part, paragraph) in text.split("```").enumerate() {
        if part % 2 == 1 || left == 0 {
            continue;
        }
        for c in paragraph.chars().take(left) {
            left -= 1;
            letters += usize::from(c.is_alphabetic());
            others += usize::from(!c.is_alphabetic() && !c.is_whitespace());
            prose.push(c);
        }
        prose.push('\n');
    }
    if letters < FEWEST_OF_OWN_SCRIPT || others * 5 > letters {
        return None;
    }
    if letters >= FEWEST_LETTERS && is_english(&prose) {
        return Some(Lang::Eng);
    }
    let told = Detector::new().detect(&prose)?;
    let shared = matches!(
        told.script(),
        Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari | Script::Hebrew
    );
    (told.is_reliable() && (!shared || letters >= FEWEST_LETTERS)).then_some(told.lang())
}

/// Whether two languages differ beyond those that are taken for one another.
pub(super) fn differ(one: Lang, other: Lang) -> bool {
    one != other && !ALIKE.iter().any(|group| group.contains(&one) && group.contains(&other))
}

/// Whether a prompt asks for another language, or is about one: an answer in it is as meant.
pub(super) fn asks_for_a_language(prompt: &str) -> bool {
    static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let words = [
            "translat",
            "übersetz",
            "uebersetz",
            "traduc",
            "traduz",
            "traduire",
            "tradui",
            "vertaal",
            "перевод",
            "перевед",
            "翻译",
            "翻訳",
            "번역",
            "ترجم",
            "language",
            "sprache",
            "langue",
            "idioma",
            "lingua",
            "язык",
            "语",
            "語",
            "in english",
            "in german",
            "in french",
            "in spanish",
            "in chinese",
            "in italian",
            "in japanese",
            "in russian",
            "in portuguese",
            "in arabic",
            "in hindi",
            "in korean",
            "english",
            "auf deutsch",
            "auf englisch",
            "en français",
            "en anglais",
            "en español",
            "en inglés",
            "em português",
            "em inglês",
            "на русском",
            "на английском",
        ];
        AhoCorasick::new(words).ok()
    });
    WORDS.as_ref().is_none_or(|words| words.is_match(&prompt.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH_TEXT: &str = "The capital of France is Paris, which lies on the river Seine and has been the seat of its \
                           government for most of the last thousand years.";
    const GERMAN: &str = "Die Hauptstadt von Frankreich ist Paris, das an der Seine liegt und seit mehr als tausend Jahren \
                          fast immer der Sitz der Regierung gewesen ist.";

    #[test]
    fn a_language_is_told_where_it_is_sure() {
        assert_eq!(language(ENGLISH_TEXT), Some(Lang::Eng));
        assert_eq!(language(GERMAN), Some(Lang::Deu));
        assert!(is_english(ENGLISH_TEXT) && !is_english(GERMAN));
        assert_eq!(language("法国的首都是巴黎，位于塞纳河畔，是全国的政治中心。"), Some(Lang::Cmn));
        assert!(differ(Lang::Eng, Lang::Deu) && !differ(Lang::Spa, Lang::Por));
        for text in [
            "",
            "4",
            "Paris",
            "fn main() { let x: Vec<u32> = (0..10).map(|i| i * i).collect(); println!(\"{:?}\", x); assert_eq!(x[3], 9); }",
            "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n| 7 | 8 | 9 |\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |",
        ] {
            assert_eq!(language(text), None, "{text}");
        }
        let fenced = format!("```python\n{}\n```", "print(total_of_all_values)\n".repeat(20));
        assert_eq!(language(&fenced), None);
    }

    #[test]
    fn a_prompt_may_ask_for_another_language() {
        assert!(asks_for_a_language("Translate to French: good morning"));
        assert!(asks_for_a_language("Answer in German please."));
        assert!(!asks_for_a_language("What is the capital of France?"));
    }
}
