//! Prompts of evaluations by words that they contain.

use super::super::housekeeping::name_of;
use super::super::types::{FindPrompts, FoundPrompt, ItemKind};
use super::super::{Backend, overview};
use super::About;
use crate::error::Result;
use eval::evaluation::{Contents, readable};

/// Characters of a prompt that are shown.
const SHOWN: usize = 200;
/// The most that are found at once.
const MOST: usize = 50;

/// The prompts that hold all words, those of the newest evaluation first.
pub(in crate::window) fn find_prompts(backend: &Backend, request: FindPrompts) -> Result<Vec<FoundPrompt>> {
    let project = backend.project(&request.project)?;
    let text = request.text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut evaluations = Vec::new();
    for folder in overview::evaluations(&project)? {
        // One that cannot be read is told of in the list.
        let Ok(about) = About::read(&folder) else { continue };
        evaluations.push((about.created_at, folder));
    }
    evaluations.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
    let mut found = Vec::new();
    for (_, folder) in evaluations {
        // One that cannot be read says why on its own page.
        let Some(contents) = Contents::read(&folder).ok().flatten() else { continue };
        let name = name_of(backend, &project, ItemKind::Evaluation, &folder);
        for (id, prompt) in contents.setup().prompts.iter().enumerate() {
            let prompt = readable(&prompt.prompt);
            let lower = prompt.to_lowercase();
            if words.is_empty() || !words.iter().all(|word| lower.contains(word)) {
                continue;
            }
            found.push(FoundPrompt {
                evaluation: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                name: name.clone(),
                id,
                prompt: prompt.chars().take(SHOWN).collect(),
            });
            if found.len() >= request.limit.min(MOST) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
