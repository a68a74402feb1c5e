//! What a run is made of, in words.

use super::Asked;
use crate::error::Result;
use crate::window::words::counted;
use numbers::count;
use prefs::store::{Import, Project};
use std::collections::BTreeMap;

/// Pairs that are named one by one.
const NAMED: usize = 8;

/// What there is to say of the pairs of a run.
pub(super) struct Told {
    /// The imports that hold pairs out.
    pub(super) imports: Vec<Import>,
    /// Imports that are held out, of which rows may have been there before.
    pub(super) unknown_of: Vec<Import>,
    /// Prompts that are held out and of no pair.
    pub(super) asked: Vec<Asked>,
    /// Pairs that they hold out.
    pub(super) by_file: usize,
    /// The name of the set that is held out, and how many more pairs it holds out.
    pub(super) by_set: Option<(String, usize)>,
    /// Pairs that the share holds out.
    pub(super) by_share: usize,
    /// The sets that are trained on: name, pairs and how often these are met in an epoch.
    pub(super) sets: Vec<(String, usize, f64)>,
    pub(super) in_several: usize,
    pub(super) not_drawn: usize,
    /// Pairs that an epoch meets, each as often as it does.
    pub(super) met: usize,
    /// Pairs that no set has.
    pub(super) others: usize,
    /// Pairs that are left out for their prompts.
    pub(super) left_out: Vec<i64>,
    /// The files and sets that ask these, too.
    pub(super) left_out_for: Vec<String>,
    /// Pairs to train on whose prompts are those of held-out ones, but for a system's message.
    pub(super) but_for_the_system: Vec<i64>,
    pub(super) seed: u64,
}

impl Told {
    /// Sentences without a full stop.
    pub(super) fn say(&self, store: &Project) -> Result<Vec<String>> {
        let mut says = self.trained();
        says.extend(self.held_out());
        if !self.left_out.is_empty() {
            let is = if self.left_out.len() == 1 {
                "is left out, as its prompt is"
            } else {
                "are left out, as their prompts are"
            };
            let of: Vec<&str> = self.left_out_for.iter().map(String::as_str).collect();
            let what = if self.asked.is_empty() { "held-out pairs" } else { "what is held out" };
            says.push(format!(
                "{} {is} also asked by {what} of {}: {}",
                pairs_in_words(self.left_out.len()),
                listed(&of),
                named(&self.left_out)
            ));
        }
        if !self.but_for_the_system.is_empty() {
            let one = self.but_for_the_system.len() == 1;
            says.push(format!(
                "{} that {} trained on {} what held-out pairs ask, but for a system message, which makes {}: {}",
                pairs_in_words(self.but_for_the_system.len()),
                if one { "is" } else { "are" },
                if one { "asks" } else { "ask" },
                if one { "it another prompt" } else { "them other prompts" },
                named(&self.but_for_the_system)
            ));
        }
        says.extend(unknown(&self.unknown_of, store)?);
        Ok(says)
    }

    fn trained(&self) -> Vec<String> {
        let mut says = Vec::new();
        if self.sets.is_empty() {
            return says;
        }
        let set = |(name, pairs, times): &(String, usize, f64)| {
            let weight = if (*times - 1.0).abs() < f64::EPSILON { String::new() } else { format!(", weight {times}") };
            format!("{name} ({}{weight})", pairs_in_words(*pairs))
        };
        let sets: Vec<String> = self.sets.iter().map(set).collect();
        let sets = listed(&sets.iter().map(String::as_str).collect::<Vec<_>>());
        says.push(format!("made of the sets {sets}: an epoch meets {}", pairs_in_words(self.met)));
        if self.in_several > 0 {
            let (is, each) = if self.in_several == 1 { ("is", "it") } else { ("are", "each") };
            says.push(format!(
                "{} {is} in more than one of these sets: {each} counts once, by the larger weight",
                pairs_in_words(self.in_several)
            ));
        }
        if self.not_drawn > 0 {
            says.push(format!(
                "{} of these sets {} not met, as a weight below 1 draws only a part, by seed {}",
                pairs_in_words(self.not_drawn),
                if self.not_drawn == 1 { "is" } else { "are" },
                self.seed
            ));
        }
        if self.others > 0 {
            let is = if self.others == 1 { "is" } else { "are" };
            says.push(format!("{} of the project {is} in none of these sets", pairs_in_words(self.others)));
        }
        says
    }

    fn held_out(&self) -> Vec<String> {
        let mut says = Vec::new();
        let is = |count: usize| if count == 1 { "is held out" } else { "are held out" };
        if !self.imports.is_empty() {
            let names = listed(&self.imports.iter().map(name_of).collect::<Vec<_>>());
            let came = if self.by_file == 1 { "it came" } else { "they came" };
            says.push(format!(
                "{} {}: {came} with {names}, marked as held out",
                pairs_in_words(self.by_file),
                is(self.by_file)
            ));
        }
        if let Some((name, count)) = &self.by_set {
            let more = if self.imports.is_empty() { "" } else { " more" };
            says.push(format!("{}{more} {}: the set {name}", pairs_in_words(*count), is(*count)));
        }
        says.extend(self.asked.iter().map(|Asked { name, is_file, prompts }| {
            let (marked, count) = (if *is_file { ", marked as held out," } else { ", the held-out set," }, prompts.len());
            let (of, are, them) = if count == 1 { ("a pair", "is", "it") } else { ("pairs", "are", "them") };
            format!(
                "{} of {name}{marked} {are} of no pair that could be held out: {of} that {} {them} {are} not trained on",
                counted(count, "prompt", "prompts"),
                if count == 1 { "asks" } else { "ask" },
            )
        }));
        if !says.is_empty() && self.by_share > 0 {
            let more =
                if self.by_share == 1 { "1 more pair".to_owned() } else { format!("{} more pairs", self.by_share) };
            says.push(format!("{more} {} by held_out_share", is(self.by_share)));
        }
        says
    }
}

/// Of imports that are held out, the rows of which it is not known what they repeat.
fn unknown(imports: &[Import], store: &Project) -> Result<Vec<String>> {
    if imports.is_empty() {
        return Ok(Vec::new());
    }
    let beside = store.beside_imports()?;
    let unknown = imports.iter().filter_map(|import| {
        let known = beside.get(&import.id).map_or(0, |beside| beside.repeats);
        let count = import.duplicates.saturating_sub(known);
        let rows = counted(count, "row", "rows");
        (count > 0).then(|| {
            format!(
                "{rows} of {} were in the project before it came, and an earlier version of this program did not keep which: \
                 these may be trained on. Import the file again and hold that import out, too",
                name_of(import)
            )
        })
    });
    Ok(unknown.collect())
}

/// What an import is called.
fn name_of(import: &Import) -> &str {
    import.state.name.as_deref().unwrap_or(&import.source)
}

/// `12 pairs`
pub(crate) fn pairs_in_words(count: usize) -> String {
    counted(count, "pair", "pairs")
}

/// `pair 3, item 4 and 12 more`
pub(crate) fn named(ids: &[i64]) -> String {
    let name = |id: &i64| if *id < 0 { format!("item {}", -id) } else { format!("pair {id}") };
    let mut names: Vec<String> = ids.iter().take(NAMED).map(name).collect();
    if ids.len() > NAMED {
        names.push(format!("{} more", count(ids.len() - NAMED)));
    }
    listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `a, b and c`
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [firsts @ .., last] => format!("{} and {last}", firsts.join(", ")),
    }
}

/// `12 with a.jsonl and 3 with b.jsonl`
pub(crate) fn by_import(counts: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{} with {name}", numbers::count(*count))).collect();
    listed(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}
